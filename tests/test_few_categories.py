"""Few categories with logits far apart: nothing averages out, and p is nearly one-hot."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest
import tensorflow as tf
import torch

from unikl import kl_divergence
from unikl.kernels import host

Array = Any
Run = Callable[[Array, Array], tuple[Array, Array, Array]]


def _torch(a: Array, b: Array) -> tuple[Array, Array, Array]:
    p, q = (torch.tensor(x, requires_grad=True) for x in (a, b))
    kl = kl_divergence(p, q, given="logits")
    kl.sum().backward()
    assert p.grad is not None
    assert q.grad is not None
    return kl.detach().numpy(), p.grad.numpy(), q.grad.numpy()


def _jax(a: Array, b: Array) -> tuple[Array, Array, Array]:
    def total(a: Array, b: Array) -> tuple[Array, Array]:
        kl = kl_divergence(a, b, given="logits")
        return kl.sum(), kl

    jax.clear_caches()  # other tests patch what is traced
    with jax.enable_x64(True):
        both = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))
        (_, kl), grads = both(jax.numpy.asarray(a), jax.numpy.asarray(b))
    return np.asarray(kl), np.asarray(grads[0]), np.asarray(grads[1])


def _tensorflow(a: Array, b: Array) -> tuple[Array, Array, Array]:
    p, q = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as tape:
        tape.watch((p, q))
        kl = kl_divergence(p, q, given="logits")
    grads = tape.gradient(kl, (p, q))
    return kl.numpy(), grads[0].numpy(), grads[1].numpy()


def _in_a_graph(a: Array, b: Array) -> tuple[Array, Array, Array]:
    def run(p: Array, q: Array) -> Array:
        with tf.GradientTape() as tape:
            tape.watch((p, q))
            kl = kl_divergence(p, q, given="logits")
        return (kl, *tape.gradient(kl, (p, q)))

    kl, *grads = tf.function(run)(tf.constant(a), tf.constant(b))
    return kl.numpy(), grads[0].numpy(), grads[1].numpy()


def _exact(a: Array, b: Array) -> tuple[Any, list[Any], list[Any]]:
    """KL and its gradients at 50 digits."""
    with mp.workdps(50):
        a, b = ([mp.exp(mp.mpf(float(x))) for x in row] for row in (a, b))
        mass_a, mass_b = mp.fsum(a), mp.fsum(b)
        w, z = [x / mass_a for x in a], [x / mass_b for x in b]
        logs = [mp.log(x / y) for x, y in zip(w, z, strict=True)]
        kl = mp.fsum(x * y for x, y in zip(w, logs, strict=True))
        grad_a = [x * (y - kl) for x, y in zip(w, logs, strict=True)]
        return kl, grad_a, [y - x for x, y in zip(w, z, strict=True)]


def _off(found: Array, exact: list[Any]) -> float:
    """The norm of the error, in units of the norm."""
    with mp.workdps(50):
        error = [mp.mpf(float(x)) - y for x, y in zip(found, exact, strict=True)]
        return float(mp.norm(error) / mp.norm(exact))


@lru_cache
def _cases(dtype: Any) -> list[tuple[Array, Array, list[Any]]]:
    rng = np.random.default_rng(5)
    cases = []
    for n in (2, 3, 10):
        a = (6 * rng.standard_normal((150, n))).astype(dtype)
        noise = np.repeat([3, 1e-2, 1e-4], 50)[:, None]
        b = (a + noise * rng.standard_normal(a.shape)).astype(dtype)
        cases.append((a, b, [_exact(*rows) for rows in zip(a, b, strict=True)]))
    return cases


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("copies", [1, 28])  # large arrays take other ways
@pytest.mark.parametrize(
    ("run", "kernels"),
    [
        (_torch, "numba"),
        (_torch, "numpy"),
        (_torch, "off"),
        (_jax, "numba"),
        (_jax, "off"),
        (_tensorflow, "off"),
        (_in_a_graph, "off"),
    ],
)
def test_values_and_gradients(run: Run, kernels: Any, copies: int, dtype: Any) -> None:
    if kernels == "numba":
        pytest.importorskip("numba")
    bound = 8 * np.finfo(dtype).eps
    for a, b, exact in _cases(dtype):
        with host.using(kernels):
            found = run(np.tile(a, (copies, 1)), np.tile(b, (copies, 1)))
        assert (found[0] >= 0).all(), found[0][~(found[0] >= 0)]
        for kl, grad_a, grad_b, (exact_kl, exact_a, exact_b) in zip(*found, exact, strict=False):
            if exact_kl > 0:
                assert _off([kl], [exact_kl]) <= bound
                assert _off(grad_a, exact_a) <= bound
                assert _off(grad_b, exact_b) <= bound
