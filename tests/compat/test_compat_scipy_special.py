"""`unikl.compat.scipy`, the elementwise functions, beside SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

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
    silence,
    vectors,
)

NAMES = ("rel_entr", "kl_div")


def native(name: str, x: Array, y: Array) -> Array:
    with silence():
        return np.asarray(getattr(special, name)(x, y))


def masses(x: Array, y: Array, name: str) -> Array:
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.abs(x) + np.abs(y), posinf=0.0) if name == "kl_div" else 0.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_edges(dtype: str, name: str) -> None:
    x, y = vectors(dtype)
    want = native(name, x, y)
    assert np.isnan(want).any()
    assert np.isinf(want).any()
    everywhere(getattr(compat.scipy, name), want, x, y, scale=masses(x, y, name))


@pytest.mark.parametrize("name", NAMES)
def test_every_pair_of_special_numbers(name: str) -> None:
    numbers = np.array([0.0, 0.3, 1.0, -0.1, NAN, INF, -INF, 1e300, 1e-300])
    x, y = (one.ravel() for one in np.meshgrid(numbers, numbers))
    everywhere(getattr(compat.scipy, name), native(name, x, y), x, y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(64, 10), (2, 5, 3), (7,), (0, 3)])
def test_random(dtype: str, name: str, shape: tuple[int, ...]) -> None:
    x, y = dirichlet(dtype, shape)
    for other in (y, x * (1 + 1e-3 * y)):
        want = native(name, x, other)
        everywhere(getattr(compat.scipy, name), want, x, other, scale=masses(x, other, name))


def test_dtypes() -> None:
    half = np.array([0.25, 0.5], "float16")
    for name in NAMES:
        for x, y in ((half, half[::-1]), (np.array([1, 2]), np.array([2, 2])), (0.25, 0.5)):
            ours, theirs = getattr(compat.scipy, name), getattr(special, name)
            check(np.asarray(ours(x, y)), np.asarray(theirs(x, y)), scale=1.0)


def test_kl_div_does_not_cancel() -> None:
    x, y = 0.5, 0.5 * (1 + 1e-9)
    assert special.kl_div(x, y) == 0.0
    assert compat.scipy.kl_div(x, y) == pytest.approx(2.5e-19, rel=1e-6)


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_gradient(library: str) -> None:
    """SciPy has none: the formula's, and 0 where the value is constant."""
    p, q = dirichlet("float64", (4, 3))
    weight = np.random.default_rng(1).uniform(0.5, 2, p.shape)
    got = gradients(library, compat.scipy.rel_entr, p, q)
    check(got[0], weight * (np.log(p / q) + 1), scale=4.0)
    check(got[1], weight * (-p / q), scale=4.0)
    got = gradients(library, compat.scipy.kl_div, p, q)
    check(got[0], weight * np.log(p / q), scale=4.0)
    check(got[1], weight * (1 - p / q), scale=4.0)
    x, y = np.array([0.0, 0.0, 0.5, -0.5, NAN]), np.array([0.0, 0.5, 0.0, 0.5, 0.5])
    for one in gradients(library, compat.scipy.rel_entr, x, y):
        np.testing.assert_array_equal(one, 0)


def test_control() -> None:
    """The function without its masses, and swapped arguments, are noticed."""
    x, y = dirichlet("float64")
    for wrong in (compat.scipy.rel_entr(x, y), compat.scipy.kl_div(y, x)):
        with pytest.raises(AssertionError):
            check(wrong, native("kl_div", x, y), scale=masses(x, y, "kl_div"))
