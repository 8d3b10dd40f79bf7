"""NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import unikl
from benchmarks import ceiling
from benchmarks.peers import Call, Candidate, installed
from benchmarks.workloads import Form, Task
from unikl.losses import kl_standard_normal

PACKAGES = ("unikl", "numpy", "scipy", "numba")
DTYPES = ("float32", "float64")


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
        tasks=("forward",),
        computes="normalised",
        curves=True,
    )
    by_hand = Candidate(
        "p log(p / q)",
        "by hand",
        "eager",
        {"probs": _probs, "logits": _logits, "vae": _vae},
        tasks=("forward",),
        curves=True,
    )
    read = Candidate(
        "sum of both arrays",
        "ceiling",
        "eager",
        dict.fromkeys(("probs", "logits", "vae"), lambda p, q: p.sum() + q.sum()),
        tasks=("forward",),
        computes="nothing",
    )
    return [ours, *(_scipy() if installed("scipy") else ()), by_hand, read]


def _scipy() -> list[Candidate]:
    from scipy.special import rel_entr, softmax
    from scipy.stats import entropy

    return [
        Candidate(
            "scipy rel_entr",
            "library",
            "eager",
            {
                "probs": lambda p, q: rel_entr(p, q).sum(-1).mean(),
                "logits": lambda a, b: rel_entr(softmax(a, -1), softmax(b, -1)).sum(-1).mean(),
            },
            tasks=("forward",),
            curves=True,
        ),
        Candidate(
            "scipy entropy",
            "library",
            "eager",
            {
                "probs": lambda p, q: entropy(p, q, axis=-1).mean(),
                "logits": lambda a, b: entropy(softmax(a, -1), softmax(b, -1), axis=-1).mean(),
            },
            tasks=("forward",),
            computes="normalised",
        ),
    ]


def _probs(p: Any, q: Any) -> Any:
    return (p * np.log(p / q)).sum(-1).mean()


def _logits(a: Any, b: Any) -> Any:
    log_p, log_q = _log_softmax(a), _log_softmax(b)
    return (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()


def _log_softmax(a: Any) -> Any:
    shifted = a - a.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _vae(mean: Any, log_std: Any) -> Any:
    return -0.5 * (1 + 2 * log_std - mean * mean - np.exp(2 * log_std)).sum(-1).mean()


def start(dtype: str, /) -> None:
    pass


def array(x: Any, dtype: str, /) -> Any:
    return x


def bind(candidate: Candidate, form: Form, task: Task, p: Any, q: Any, /) -> Call:
    loss = candidate.losses[form]
    return lambda: (loss(p, q),)


def to_numpy(x: Any, /) -> Any:
    return np.asarray(x, dtype=np.float64)


def threads() -> str:
    return f"NumPy itself 1, unikl and C up to {ceiling.threads()}"
