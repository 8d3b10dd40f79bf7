"""PyTorch: eager, and through torch.compile."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F

import unikl
from benchmarks.peers import FLOATS, Call, Candidate, installed
from benchmarks.workloads import Form, Task
from unikl.losses import kl_standard_normal

PACKAGES = ("unikl", "torch", "torchmetrics", "numba")
DTYPES = FLOATS


def candidates() -> list[Candidate]:
    ours = Candidate(
        "unikl",
        "unikl",
        "eager",
        {
            "probs": lambda p, q: unikl.kl_divergence(p, q).mean(),
            "logits": lambda a, b: unikl.kl_divergence(a, b, given="logits").mean(),
            "vae": lambda m, s: kl_standard_normal(m, log_std=s).mean(),
        },
        computes="normalised",
        curves=True,
    )
    function = Candidate(
        "F.kl_div", "library", "eager", {"probs": _kl_div_probs, "logits": _kl_div}, curves=True
    )
    in_float = Candidate(
        "F.kl_div of .float()",
        "library",
        "eager",
        {"logits": lambda a, b: _kl_div(a.float(), b.float())},
        dtypes=("bfloat16",),
    )
    by_hand = Candidate(
        "p log(p / q)", "by hand", "eager", {"probs": _probs, "logits": _logits, "vae": _vae}
    )
    read = Candidate(
        "sum of both arrays",
        "ceiling",
        "eager",
        dict.fromkeys(("probs", "logits", "vae"), lambda p, q: p.sum() + q.sum()),
        tasks=("forward",),
        computes="nothing",
    )
    metrics = [_torchmetrics()] if installed("torchmetrics") else []
    eager = [ours, function, in_float, _distributions(), *metrics, by_hand]
    by_hand = dataclasses.replace(by_hand, losses={"vae": _vae})  # else F.kl_div is as fast
    return [*eager, *map(_compiled, (ours, function, by_hand)), read]


def _compiled(candidate: Candidate) -> Candidate:
    return dataclasses.replace(candidate, mode="torch.compile", slow=True, curves=False)


def _distributions() -> Candidate:
    from torch.distributions import Categorical, Normal, kl_divergence

    def normal(mean: Any, log_std: Any) -> Any:
        zero, one = torch.zeros_like(mean), torch.ones_like(mean)
        return kl_divergence(Normal(mean, log_std.exp()), Normal(zero, one)).sum(-1).mean()

    return Candidate(
        "torch.distributions",
        "library",
        "eager",
        {
            "probs": lambda p, q: kl_divergence(Categorical(p), Categorical(q)).mean(),
            "logits": lambda a, b: kl_divergence(
                Categorical(logits=a), Categorical(logits=b)
            ).mean(),
            "vae": normal,
        },
        dtypes=("float32", "float64"),
        computes="normalised",
    )


def _torchmetrics() -> Candidate:
    from torchmetrics.functional import kl_divergence

    return Candidate(
        "torchmetrics",
        "library",
        "eager",
        {
            "probs": kl_divergence,
            "logits": lambda a, b: kl_divergence(
                F.log_softmax(a, -1), F.log_softmax(b, -1), log_prob=True
            ),
        },
        dtypes=("float32", "float64"),
        computes="normalised",
    )


def _kl_div_probs(p: Any, q: Any) -> Any:
    return F.kl_div(q.log(), p, reduction="batchmean")


def _kl_div(a: Any, b: Any) -> Any:
    log_p, log_q = F.log_softmax(a, -1), F.log_softmax(b, -1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def _probs(p: Any, q: Any) -> Any:
    return (p * (p / q).log()).sum(-1).mean()


def _logits(a: Any, b: Any) -> Any:
    log_p, log_q = a.log_softmax(-1), b.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def _vae(mean: Any, log_std: Any) -> Any:
    return -0.5 * (1 + 2 * log_std - mean * mean - (2 * log_std).exp()).sum(-1).mean()


def start(dtype: str, /) -> None:
    # Else the next shape of the same function would be compiled for all shapes at once.
    torch.compiler.reset()


def array(x: Any, dtype: str, /) -> Any:
    return torch.from_numpy(x).to(getattr(torch, dtype))


def bind(candidate: Candidate, form: Form, task: Task, p: Any, q: Any, /) -> Call:
    loss = candidate.losses[form]
    if candidate.mode == "torch.compile":
        loss = torch.compile(loss, dynamic=False)
    if task == "forward":
        return lambda: (loss(p, q),)
    p = p.detach().requires_grad_(task == "both")
    q = q.detach().requires_grad_()
    wanted = (p, q) if task == "both" else (q,)

    def call() -> tuple[Any, ...]:
        value = loss(p, q)
        return (value, *torch.autograd.grad(value, wanted))

    return call


def to_numpy(x: Any, /) -> Any:
    return x.detach().double().numpy()


def threads() -> str:
    return f"torch {torch.get_num_threads()}"
