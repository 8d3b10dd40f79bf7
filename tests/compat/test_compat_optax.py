"""`unikl.compat.optax` beside optax."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unikl import compat

from .compat_cases import DTYPES, TO, Array, check, dirichlet, everywhere, gradients, log, vectors

NAMES = ("kl_divergence", "kl_divergence_with_log_targets", "generalized_kl_divergence")


def functions(name: str) -> tuple[Any, Any]:
    return getattr(compat.optax, name), getattr(optax.losses, name)


def native(name: str, *arrays: Array, **options: Any) -> Array:
    with jax.enable_x64(True):
        return np.asarray(functions(name)[1](*map(jnp.asarray, arrays), **options))


def inputs(name: str, p: Array, q: Array) -> tuple[Array, Array]:
    return log(q), log(p) if name.endswith("log_targets") else p


def size(name: str, log_q: Array, targets: Array, axis: Any) -> Array:
    """Of the terms that are summed and subtracted."""
    logs = name.endswith("log_targets")
    p, log_p = (np.exp(targets), targets) if logs else (targets, log(targets))
    with np.errstate(all="ignore"):
        terms = np.abs(p * log_p) + np.abs(p * log_q) + p + np.exp(log_q)
    return np.nan_to_num(terms, posinf=0.0).sum(axis)


@pytest.mark.parametrize("name", NAMES)
def test_signature(name: str) -> None:
    ours, theirs = (inspect.signature(f) for f in functions(name))
    assert list(ours.parameters) == list(theirs.parameters)
    for key, parameter in theirs.parameters.items():
        assert ours.parameters[key].default == parameter.default


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_edges(dtype: str, name: str) -> None:
    arrays = inputs(name, *vectors(dtype))
    want = native(name, *arrays)
    assert np.isnan(want).any()
    assert np.isinf(want).any()
    everywhere(functions(name)[0], want, *arrays, scale=size(name, *arrays, -1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((64, 10), -1), ((64, 10), 0), ((2, 5, 3), (0, 2)), ((2, 5, 3), None), ((7,), -1)],
)
def test_random(dtype: str, name: str, shape: tuple[int, ...], axis: Any) -> None:
    arrays = inputs(name, *dirichlet(dtype, shape))
    want, scale = native(name, *arrays, axis=axis), size(name, *arrays, axis)
    everywhere(lambda x, t: functions(name)[0](x, t, axis=axis), want, *arrays, scale=scale)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("library", TO)
def test_where(name: str, library: str) -> None:
    p, q = vectors("float64")
    log_q, targets = inputs(name, p, q)
    mask = (p > 0) & (q > 0)
    want = native(name, log_q, targets, where=mask)
    with jax.enable_x64(True):
        log_q, targets, where = (TO[library](x) for x in (log_q, targets, mask))
        got = functions(name)[0](log_q, targets, where=where)
    check(got, want, scale=np.nan_to_num(np.abs(want), posinf=0.0) + 4.0)


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_gradient(library: str, name: str, masked: bool) -> None:
    ours, theirs = functions(name)
    p, q = vectors("float64")
    arrays = inputs(name, p, q)
    mask = p > 0 if masked else np.ones_like(p, bool)
    want = gradients("jax", lambda x, t: theirs(x, t, where=mask), *arrays)
    got = gradients(library, lambda x, t: ours(x, t, where=TO[library](mask)), *arrays)
    assert np.isnan(want[1]).any()
    for one, other in zip(got, want, strict=True):
        check(one, other, scale=1.0)


@pytest.mark.parametrize("name", NAMES)
def test_integers_are_refused(name: str) -> None:
    ones = np.ones(3, "int32")
    for function in functions(name):
        with pytest.raises(TypeError):
            function(ones, ones)


def test_half_precision_stays() -> None:
    p, q = (x.astype("float16") for x in dirichlet("float32", (4, 3)))
    got = compat.optax.kl_divergence(log(q), p)
    check(got, native("kl_divergence", log(q), p), scale=4.0)


def test_control() -> None:
    """The other order, the plain instead of the generalised one, an unmasked zero."""
    p, q = dirichlet("float64")
    want = native("generalized_kl_divergence", log(q), 2 * p)
    with pytest.raises(AssertionError):
        everywhere(compat.optax.generalized_kl_divergence, want, log(p), 2 * q)
    with pytest.raises(AssertionError):
        everywhere(compat.optax.kl_divergence, want, log(q), 2 * p)
    p, q = vectors("float64")
    masked = native("kl_divergence", log(q), p, where=p > 0)
    with pytest.raises(AssertionError):
        everywhere(compat.optax.kl_divergence, masked, log(q), p, scale=9.0)
