"""JAX: under jit, and the value eagerly, too."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import rel_entr

import unikl
from benchmarks.peers import FLOATS, Call, Candidate, installed
from benchmarks.workloads import Form, Task
from unikl.losses import kl_standard_normal

PACKAGES = ("unikl", "jax", "jaxlib", "optax", "numba")
DTYPES = FLOATS


def candidates() -> list[Candidate]:
    ours = Candidate(
        "unikl",
        "unikl",
        "jit",
        {
            "probs": lambda p, q: unikl.kl_divergence(p, q).mean(),
            "logits": lambda a, b: unikl.kl_divergence(a, b, given="logits").mean(),
            "vae": lambda m, s: kl_standard_normal(m, log_std=s).mean(),
        },
        computes="normalised",
        curves=True,
    )
    special = Candidate(
        "jax.scipy rel_entr",
        "library",
        "jit",
        {
            "probs": lambda p, q: rel_entr(p, q).sum(-1).mean(),
            "logits": lambda a, b: rel_entr(jax.nn.softmax(a), jax.nn.softmax(b)).sum(-1).mean(),
        },
    )
    by_hand = Candidate(
        "p log(p / q)",
        "by hand",
        "jit",
        {"probs": _probs, "logits": _logits, "vae": _vae},
        curves=True,
    )
    read = Candidate(
        "sum of both arrays",
        "ceiling",
        "jit",
        dict.fromkeys(("probs", "logits", "vae"), lambda p, q: p.sum() + q.sum()),
        tasks=("forward",),
        computes="nothing",
    )
    optax = [_optax()] if installed("optax") else []
    compiled = [ours, *optax, special, by_hand]
    return [*compiled, *map(_eager, (ours, *optax, by_hand)), read]


def _eager(candidate: Candidate) -> Candidate:
    # Gradients are what jit is for.
    ours = candidate.kind == "unikl"
    return dataclasses.replace(candidate, mode="eager", tasks=("forward",), curves=ours)


def _optax() -> Candidate:
    from optax.losses import kl_divergence, kl_divergence_with_log_targets

    return Candidate(
        "optax",
        "library",
        "jit",
        {
            "probs": lambda p, q: kl_divergence(jnp.log(q), p).mean(),
            "logits": lambda a, b: kl_divergence_with_log_targets(
                jax.nn.log_softmax(b), jax.nn.log_softmax(a)
            ).mean(),
        },
        curves=True,
    )


def _probs(p: Any, q: Any) -> Any:
    return (p * jnp.log(p / q)).sum(-1).mean()


def _logits(a: Any, b: Any) -> Any:
    log_p, log_q = jax.nn.log_softmax(a), jax.nn.log_softmax(b)
    return (jnp.exp(log_p) * (log_p - log_q)).sum(-1).mean()


def _vae(mean: Any, log_std: Any) -> Any:
    return -0.5 * (1 + 2 * log_std - mean * mean - jnp.exp(2 * log_std)).sum(-1).mean()


def start(dtype: str, /) -> None:
    # As its users have it: off unless they want float64.
    jax.config.update("jax_enable_x64", dtype == "float64")


def array(x: Any, dtype: str, /) -> Any:
    return jnp.asarray(x, dtype=dtype).block_until_ready()


def bind(candidate: Candidate, form: Form, task: Task, p: Any, q: Any, /) -> Call:
    loss = candidate.losses[form]
    if task == "forward":
        run = jax.jit(loss) if candidate.mode == "jit" else loss
        return lambda: (run(p, q).block_until_ready(),)
    run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1) if task == "both" else (1,)))

    def call() -> tuple[Any, ...]:
        value, gradients = jax.block_until_ready(run(p, q))
        return (value, *gradients)

    return call


def to_numpy(x: Any, /) -> Any:
    return np.asarray(x).astype(np.float64)


def threads() -> str:
    return f"JAX {os.cpu_count()} (XLA takes all cores)"
