"""`unikl.compat.pot` beside POT's backends."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import numpy as np
import ot
import pytest

from unikl import compat

from .compat_cases import (
    DTYPES,
    TO,
    Array,
    check,
    dirichlet,
    everywhere,
    gradients,
    log,
    silence,
    vectors,
)

NUMPY = ot.backend.NumpyBackend()


def native(p: Array, q: Array, **options: Any) -> Array:
    with silence():
        return np.asarray(NUMPY.kl_div(p, q, **options))


def test_signature() -> None:
    ours, theirs = (inspect.signature(f.kl_div) for f in (compat.pot, NUMPY))
    assert list(ours.parameters) == list(theirs.parameters)
    for key, parameter in theirs.parameters.items():
        assert ours.parameters[key].default == parameter.default


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mass", [False, True])
@pytest.mark.parametrize("axis", [None, -1])
def test_edges(dtype: str, mass: bool, axis: int | None) -> None:
    p, q = vectors(dtype)
    want = native(p, q, mass=mass, axis=axis)
    assert np.isnan(want).any()
    everywhere(lambda p, q: compat.pot.kl_div(p, q, mass=mass, axis=axis), want, p, q, scale=4.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mass", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((64, 10), None), ((64, 10), 0), ((2, 5, 3), (0, 2)), ((7,), -1)]
)
def test_random(dtype: str, mass: bool, shape: tuple[int, ...], axis: Any) -> None:
    p, q = dirichlet(dtype, shape)
    scale = (np.abs(p * log(p / q)) + p + q).sum(axis)
    for eps in (1e-16, 1e-3):
        options = {"mass": mass, "axis": axis, "eps": eps}
        want = native(p, q, **options)
        everywhere(lambda p, q, o=options: compat.pot.kl_div(p, q, **o), want, p, q, scale=scale)


@pytest.mark.parametrize("backend", ["JaxBackend", "TorchBackend"])
def test_other_backends_of_pot(backend: str) -> None:
    p, q = vectors("float64")
    convert = TO["jax" if backend == "JaxBackend" else "torch"]
    with jax.enable_x64(True):
        want = getattr(ot.backend, backend)().kl_div(convert(p), convert(q), axis=-1)
    everywhere(lambda p, q: compat.pot.kl_div(p, q, axis=-1), np.asarray(want), p, q, scale=1.0)


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_gradient(library: str) -> None:
    arrays = vectors("float64")
    theirs = ot.backend.TorchBackend().kl_div
    want = gradients("torch", lambda p, q: theirs(p, q, axis=-1), *arrays)
    got = gradients(library, lambda p, q: compat.pot.kl_div(p, q, axis=-1), *arrays)
    assert np.isnan(want[0]).any()
    for one, other in zip(got, want, strict=True):
        check(one, other, scale=1.0)


def test_control() -> None:
    """Another epsilon is noticed."""
    p, q = dirichlet("float64")
    with pytest.raises(AssertionError):
        everywhere(compat.pot.kl_div, native(p, q, eps=1e-12), p, q)
