"""`unikl.compat.jax` beside JAX."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
import pytest

from unikl import compat

from .compat_cases import (
    DTYPES,
    INF,
    NAN,
    Array,
    check,
    dirichlet,
    everywhere,
    gradients,
    log,
    vectors,
)

NAMES = ("rel_entr", "kl_div")


def functions(name: str) -> tuple[Any, Any]:
    return getattr(compat.jax, name), getattr(jax.scipy.special, name)


def native(name: str, p: Array, q: Array) -> Array:
    with jax.enable_x64(True):
        return np.asarray(functions(name)[1](p, q))


def size(p: Array, q: Array) -> Array:
    """Of the terms that are subtracted; JAX takes two logarithms."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.abs(p * log(p)) + np.abs(p * log(q)) + p + q, posinf=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_signature(name: str) -> None:
    ours, theirs = (inspect.signature(f) for f in functions(name))
    assert list(ours.parameters) == list(theirs.parameters)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_edges(dtype: str, name: str) -> None:
    p, q = vectors(dtype)
    want = native(name, p, q)
    assert np.isinf(want).any()
    everywhere(functions(name)[0], want, p, q, scale=size(p, q))


@pytest.mark.parametrize("name", NAMES)
def test_every_pair_of_special_numbers(name: str) -> None:
    numbers = np.array([0.0, 0.3, 1.0, -0.1, NAN, INF, -INF, 1e300, 1e-300])
    p, q = (x.ravel() for x in np.meshgrid(numbers, numbers))
    everywhere(functions(name)[0], native(name, p, q), p, q)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(64, 10), (2, 5, 3), (7,), (0, 3)])
def test_random(dtype: str, name: str, shape: tuple[int, ...]) -> None:
    p, q = dirichlet(dtype, shape)
    everywhere(functions(name)[0], native(name, p, q), p, q, scale=size(p, q))


@pytest.mark.parametrize("name", NAMES)
def test_broadcast_and_dtypes(name: str) -> None:
    p, q = dirichlet("float32", (4, 3))
    check(functions(name)[0](p[0], q), native(name, p[0], q), scale=size(p[0], q))
    half = jnp.asarray(p).astype(jnp.bfloat16)
    assert functions(name)[0](half, half).dtype == functions(name)[1](half, half).dtype
    ones = jnp.ones(3, int)
    check(functions(name)[0](ones, ones), functions(name)[1](ones, ones))


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("name", NAMES)
def test_gradient(library: str, name: str) -> None:
    finite = [np.isfinite(x).all(-1) for x in vectors("float64")]
    arrays = [x[finite[0] & finite[1]] for x in vectors("float64")]
    ours, theirs = functions(name)
    want = gradients("jax", theirs, *arrays)
    for one, other in zip(gradients(library, ours, *arrays), want, strict=True):
        check(one, other, scale=40.0)


def test_control() -> None:
    """SciPy's answer to NaN, and the function without its masses, are noticed."""
    p, q = vectors("float64")
    with pytest.raises(AssertionError):
        everywhere(compat.scipy.rel_entr, native("rel_entr", p, q), p, q, scale=size(p, q))
    p, q = dirichlet("float64")
    with pytest.raises(AssertionError):
        everywhere(compat.jax.rel_entr, native("kl_div", p, q), p, q, scale=size(p, q))
