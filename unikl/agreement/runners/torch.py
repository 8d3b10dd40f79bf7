"""PyTorch: eager autograd, torch.func, vmap and torch.compile."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from unikl.agreement.cases import Call, Case, Numbers
from unikl.agreement.runners import (
    Checks,
    Inputs,
    Mode,
    Program,
    Traits,
    Unavailable,
    divergence,
    never,
)
from unikl.agreement.structure import flatten, weights
from unikl.backends import torch as room

# torch.compile imports triton, and triton imported after tensorflow aborts the process (each
# brings its own LLVM). The other order works: so triton is imported here, before tensorflow can be.
_TRITON = find_spec("triton") is not None
_TOO_LATE = _TRITON and "tensorflow" in sys.modules and "triton" not in sys.modules
if _TRITON and not _TOO_LATE:
    import triton  # noqa: F401

_TOO_LATE_TEXT = (
    "torch.compile imports triton, which aborts a process that has loaded tensorflow; "
    "run this mode in a process of its own, or import triton before tensorflow"
)

XP = room.xp
NAME = "torch"
VERSION = torch.__version__
DTYPES = ("float16", "bfloat16", "float32", "float64")
THREADS = 1


def context(dtype: str) -> AbstractContextManager[Any]:
    return nullcontext()


def array(x: Numbers, dtype: str) -> Any:
    return torch.tensor(x, dtype=getattr(torch, dtype))


def inputs(case: Case) -> Inputs:
    def optional(x: Numbers | None, dtype: str) -> Any:
        return None if x is None else array(x, dtype)

    return Inputs(
        array(case.p, case.dtype),
        array(case.q, case.dtype),
        optional(case.where, "bool"),
        array(case.weight, case.compute_dtype),
        optional(case.tangent_p, case.dtype),
        optional(case.tangent_q, case.dtype),
    )


def traits(x: Any) -> Traits:
    library = NAME if isinstance(x, torch.Tensor) else type(x).__module__
    dtype = str(x.dtype).removeprefix("torch.")
    return Traits(library, dtype, tuple(x.shape), str(getattr(x, "device", "none")))


def to_numpy(x: Any) -> Numbers:
    return np.asarray(x.detach().to("cpu", torch.float64).numpy())


def program(
    fn: Callable[..., Any], wanted: tuple[int, ...], compiler: str | None
) -> Program | None:
    call = _compiled_once(fn, compiler) if compiler else fn

    def run(*xs: Any) -> tuple[Any, Any]:
        own = [x.detach().requires_grad_() if i in wanted else x for i, x in enumerate(xs)]
        result = call(*own)
        ys = {i: y for i, y in enumerate(flatten(result)[1].values()) if _differentiable(y)}
        if not wanted or not ys:
            return result, (None,) * len(wanted)
        above = [torch.tensor(weights(tuple(y.shape), i), dtype=y.dtype) for i, y in ys.items()]
        inputs = [own[i] for i in wanted]
        return result, torch.autograd.grad([*ys.values()], inputs, above, allow_unused=True)

    return run


def _differentiable(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.is_floating_point() and x.requires_grad


_number = itertools.count()


def _compiled_once(fn: Callable[..., Any], compiler: str) -> Callable[..., Any]:
    """Compile for one set of shapes; Dynamo counts the compilations of each code object, and
    gives up after eight, so that each has a code of its own."""
    if _TOO_LATE:
        raise Unavailable(_TOO_LATE_TEXT)

    def call(*xs: Any) -> Any:
        return fn(*xs)

    code = call.__code__.replace(co_name=f"checked_{next(_number)}")
    own = FunctionType(code, call.__globals__, closure=call.__closure__)
    return torch.compile(own, dynamic=False, backend=compiler)


def _eager(
    case: Case, x: Inputs, wanted: Checks, kl: Callable[..., Any] | None = None
) -> dict[str, Any]:
    """Values as they are, gradients by autograd, and second order by autograd of autograd."""
    kl = kl or divergence(case.call)
    got: dict[str, Any] = {}
    if "value" in wanted:
        got["value"] = kl(x.p, x.q, x.where)
    if "jvp" in wanted:
        with forward_ad.dual_level():
            p, q = forward_ad.make_dual(x.p, x.tangent_p), forward_ad.make_dual(x.q, x.tangent_q)
            got["jvp"] = forward_ad.unpack_dual(kl(p, q, x.where)).tangent
    if "gradient" in wanted or "hvp" in wanted:
        p, q = x.p.detach().requires_grad_(), x.q.detach().requires_grad_()
        second = "hvp" in wanted
        first = torch.autograd.grad(kl(p, q, x.where), (p, q), x.weight, create_graph=second)
        got["gradient"] = first
        if second:
            got["hvp"] = torch.autograd.grad(first, (p, q), (x.tangent_p, x.tangent_q))
    return got


@functools.cache
def _transforms(call: Call, wanted: Checks) -> Callable[..., dict[str, Any]]:
    """The same by torch.func: second order forward over reverse."""
    kl = divergence(call)

    def run(p: Any, q: Any, where: Any, weight: Any, tp: Any, tq: Any) -> dict[str, Any]:
        def at(p: Any, q: Any) -> Any:
            return kl(p, q, where)

        def pullback(p: Any, q: Any) -> Any:
            return torch.func.vjp(at, p, q)[1](weight)

        got: dict[str, Any] = {}
        if "value" in wanted:
            got["value"] = at(p, q)
        if "gradient" in wanted:
            got["gradient"] = pullback(p, q)
        if "jvp" in wanted:
            got["jvp"] = torch.func.jvp(at, (p, q), (tp, tq))[1]
        if "hvp" in wanted:
            got["hvp"] = torch.func.jvp(pullback, (p, q), (tp, tq))[1]
        return got

    return run


def _func(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    return _transforms(case.call, wanted)(*x.arrays())


def _vmap(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    axes = tuple(None if array is None else 0 for array in x.arrays())
    got: dict[str, Any] = torch.func.vmap(_transforms(case.call, wanted), axes)(*x.arrays())
    return got


@functools.cache
def _compiled(call: Call, dtype: str, ranks: tuple[int, int], compiler: str) -> Callable[..., Any]:
    if _TOO_LATE:
        raise RuntimeError(_TOO_LATE_TEXT)
    # Dynamo keeps what it compiled by code object, and takes what differs between two runs of the
    # same code for a variable: so each call under test has a code of its own.
    kl = divergence(call)
    code = kl.__code__.replace(co_name=f"{dtype}_{ranks[0]}_{ranks[1]}_{call}")
    own = FunctionType(code, kl.__globals__, closure=kl.__closure__)
    return torch.compile(own, fullgraph=True, backend=compiler)


def _compile(case: Case, x: Inputs, wanted: Checks, compiler: str) -> dict[str, Any]:
    # The second shape of the same call compiles with free dimensions, and serves all later ones.
    ranks = (case.p.ndim, case.q.ndim)
    return _eager(case, x, wanted, _compiled(case.call, case.dtype, ranks, compiler))


def _hardest(case: Case) -> bool:
    """Inductor takes some ten seconds for each group."""
    family, _, form = case.name.partition("/")
    families = {"float32": ("regimes", "edges", "masks"), "float64": ("regimes",)}
    return form in ("logits", "probs") and family in families.get(case.dtype, ())


def _each_kind(case: Case) -> bool:
    """Dynamo takes a second or two; the other families trace to the same graphs."""
    return case.dtype == "float32" and case.family not in ("extremes", "large")


def _compile_mode(compiler: str, takes: Callable[[Case], bool]) -> Mode:
    run = functools.partial(_compile, compiler=compiler)
    return Mode(run, ("value", "gradient"), quick=never, takes=takes)


MODES = {
    "eager": Mode(_eager),
    "func": Mode(_func, quick=never),
    "vmap": Mode(_vmap, quick=never, takes=lambda case: case.rowwise),
    "compile": _compile_mode("inductor", _hardest),
    "aot": _compile_mode("aot_eager", _each_kind),
}
