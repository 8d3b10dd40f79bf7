"""Inputs, array libraries and comparisons for the tests of `unikl.compat`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

Array = Any
NAN, INF = float("nan"), float("inf")

TO: dict[str, Callable[[Any], Array]] = {
    "numpy": np.asarray,
    "torch": torch.as_tensor,
    "jax": jnp.asarray,
    "tensorflow": tf.convert_to_tensor,
}
DTYPES = ("float32", "float64")

# p, q and what is special about them.
VECTORS: dict[str, tuple[list[float], list[float]]] = {
    "zero in p": ([0.5, 0.5, 0.0], [0.25, 0.5, 0.25]),
    "zero in both": ([0.5, 0.5, 0.0], [0.5, 0.5, 0.0]),
    "zero in q": ([0.3, 0.3, 0.4], [0.5, 0.5, 0.0]),
    "unnormalised": ([2.0, 2.0, 0.0], [1.0, 2.0, 1.0]),
    "negative p": ([-0.1, 0.6, 0.5], [0.25, 0.5, 0.25]),
    "negative q": ([0.25, 0.5, 0.25], [-0.1, 0.6, 0.5]),
    "negative totals": ([-1.0, -2.0, -1.0], [-1.0, -1.0, -2.0]),
    "cancelled total": ([-1.0, 1.0, 0.0], [0.25, 0.5, 0.25]),
    "NaN in p": ([0.5, NAN, 0.5], [0.25, 0.5, 0.25]),
    "NaN in q": ([0.0, 0.5, 0.5], [NAN, 0.5, 0.5]),
    "inf in p": ([INF, 0.5, 0.0], [0.25, 0.5, 0.25]),
    "inf in q": ([0.25, 0.5, 0.25], [INF, 0.5, 0.0]),
    "no mass": ([0.0, 0.0, 0.0], [0.25, 0.5, 0.25]),
    "no mass in q": ([0.25, 0.5, 0.25], [0.0, 0.0, 0.0]),
    "one-hot": ([1.0, 0.0, 0.0], [0.7, 0.2, 0.1]),
    "equal": ([0.25, 0.5, 0.25], [0.25, 0.5, 0.25]),
    "tiny": ([0.5, 0.5 - 1e-9, 1e-9], [1e-12, 0.5, 0.5]),
    "far apart": ([1e-30, 1.0, 0.0], [1.0, 1e-30, 1e-30]),
}


def vectors(dtype: str) -> tuple[Array, Array]:
    """Every pair of `VECTORS`, as the rows of two arrays."""
    pairs = list(VECTORS.values())
    p, q = (np.array([pair[k] for pair in pairs], dtype) for k in (0, 1))
    return p, q


def dirichlet(dtype: str, shape: tuple[int, ...] = (64, 10), seed: int = 0) -> tuple[Array, Array]:
    """Two independent arrays of probabilities over the last axis."""
    rng = np.random.default_rng(seed)
    p, q = (rng.gamma(1.0, size=shape) + 1e-3 for _ in "pq")
    p, q = ((x / x.sum(-1, keepdims=True)).astype(dtype) for x in (p, q))
    return p, q


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """NumPy's and the other library's warnings off."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def log(x: Array) -> Array:
    """The logarithm of a NumPy array: -inf at 0, NaN below."""
    with np.errstate(all="ignore"):
        return np.log(x)


def numpy(x: Array) -> Array:
    """The values, whatever library they are in."""
    return x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)


def check(got: Array, want: Array, scale: Array = 0.0, ulps: float = 4.0) -> None:
    """One shape and dtype; NaN and infinity in one place; the numbers equal to 4 eps.

    `scale` is the size of the terms that `want` is a sum of, where these cancel.
    """
    got, want = numpy(got), numpy(want)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(
        np.where(np.isinf(got), got, 0), np.where(np.isinf(want), want, 0)
    )
    finite = np.isfinite(want)
    size = np.broadcast_to(np.maximum(np.abs(want), scale), want.shape)[finite]
    error = np.abs(got[finite].astype("float64") - want[finite])
    bound = ulps * np.finfo(want.dtype).eps * size.astype("float64")
    assert (error <= bound).all(), f"{(error / bound * ulps).max():.3g} eps"


def everywhere(ours: Callable[..., Array], want: Array, *arrays: Array, **checks: Any) -> None:
    """`ours` gives `want` for the arrays of each library."""
    for name, convert in TO.items():
        with np.errstate(all="raise"), jax.enable_x64(True):
            got = ours(*[convert(x) for x in arrays])
        assert isinstance(got, type(convert(np.zeros(2)))) or name == "numpy"
        check(got, want, **checks)


def gradients(name: str, function: Callable[..., Array], *arrays: Array) -> list[Array]:
    """The gradient of ``sum(weight function(...))`` by the autodiff of library `name`."""
    with silence(), jax.enable_x64(True):
        value = numpy(function(*[TO[name](x) for x in arrays]))
        weight = np.random.default_rng(1).uniform(0.5, 2, value.shape).astype(value.dtype)
        inputs = [TO[name](x) for x in arrays]
        if name == "torch":
            inputs = [x.requires_grad_() for x in inputs]
            total = (function(*inputs) * TO[name](weight)).sum()
            found = torch.autograd.grad(total, inputs)
        elif name == "jax":
            every = tuple(range(len(inputs)))
            found = jax.grad(lambda *xs: (function(*xs) * weight).sum(), every)(*inputs)
        else:
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                total = tf.reduce_sum(function(*inputs) * weight)
            found = tape.gradient(total, inputs)
        return [numpy(x) for x in found]
