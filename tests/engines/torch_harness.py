"""What the checks of torch.distributed share, in each of their processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.tensor.debug import CommDebugMode

import unikl
from tests.engines.torch_cases import CUTS
from unikl import losses

RANK, WORLD = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
FOUND: dict[str, Any] = {}  # by the name of the check
ARRAYS: dict[str, Any] = {}
OF_ONE: dict[str, Callable[..., Any]] = {
    "kl_divergence": unikl.kl_divergence,
    "reverse_kl": lambda p, q, **options: unikl.kl_divergence(
        q, p, **{**options, "given": turned(options["given"])}
    ),
    "jensen_shannon": lambda p, q, **options: losses.jensen_shannon(
        p, q, reduction="none", **options
    ),
}


def turned(given: Any) -> Any:
    """The forms of (q, p)."""
    return given if isinstance(given, str) else given[::-1]


_Check = TypeVar("_Check", bound=Callable[[], Any])


def check(function: _Check) -> _Check:
    """Runs it, on every rank, and keeps what it gives."""
    FOUND[function.__name__] = function()
    return function


class Sent(CommDebugMode):
    """Lists the collectives, and how many numbers a rank puts into each."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.list: list[tuple[str, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        library, _, name = str(func).partition(".")
        if library in ("c10d", "_c10d_functional") and "wait" not in name and "barrier" not in name:
            put = args[1] if name.startswith("allgather_") else args[0]
            while isinstance(put, list):
                put = put[0]
            self.list.append((name.partition(".")[0], int(put.numel())))
        return super().__torch_dispatch__(  # type: ignore[no-untyped-call]
            func, types, args, kwargs
        )


def parts(x: Any) -> Any:
    """This rank's categories."""
    return torch.tensor_split(x, CUTS[WORLD], -1)[RANK]


def leaves(*xs: Any) -> list[Any]:
    """Copies that want gradients."""
    return [x.detach().clone().requires_grad_() for x in xs]


def gradients(value: Any, upstream: Any, *xs: Any) -> list[Any]:
    """Of the sum of value times upstream."""
    return list(torch.autograd.grad((value * upstream).sum(), xs))


def distance(x: Any, y: Any, at_least: float = 0.0) -> float:
    """Norm-wise, in eps of float64, beside the size of y."""
    x, y = x.detach(), y.detach()
    size = max(float(y.norm()), at_least)
    return float((x - y).norm()) / (size if size else 1.0) / 2.0**-52


def raised(function: Callable[[], Any]) -> str:
    """The error, in words."""
    try:
        function()
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def draw(*shape: int, seed: int = 0) -> list[Any]:
    """Logits of p and of q, the same on every rank."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.normal(size=shape)) for _ in range(2)]


def everyone(x: Any) -> list[Any]:
    """x of each rank."""
    found: list[Any] = [None] * WORLD
    dist.all_gather_object(found, x)
    return found
