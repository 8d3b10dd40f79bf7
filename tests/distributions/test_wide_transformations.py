"""Families with vectors for parameters: on every backend, and in every compiler."""

from __future__ import annotations

from typing import Any

import array_api_strict as xp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

from unikl import distributions as d
from unikl.distributions import kl

pytestmark = pytest.mark.filterwarnings(
    # Dynamo's own way with any autograd.Function.
    "ignore:.*Function'> should not be instantiated:DeprecationWarning"
)

CLOSE: Any = {"rtol": 2e-14, "atol": 2e-14}  # general rules add terms of both signs

_RNG = np.random.default_rng(3)


def _directions() -> list[Any]:
    x = _RNG.normal(size=(3, 4))
    return [x / np.linalg.norm(x, axis=-1, keepdims=True), _RNG.uniform(0.5, 30, 3)]


def _cuts() -> list[Any]:
    return [np.cumsum(_RNG.uniform(0.2, 1, (3, 4)), -1) - 1, _RNG.normal(size=3)]


def _positive(count: int) -> list[Any]:
    return [_RNG.uniform(0.5, 3, 3) for _ in range(count)]


# p and q, how many parameters p has, and the parameters: three distributions.
CASES: dict[str, tuple[Any, Any, list[Any], list[Any]]] = {
    "VonMisesFisher": (d.VonMisesFisher, d.VonMisesFisher, _directions(), _directions()),
    "to uniform": (d.VonMisesFisher, lambda: d.SphericalUniform(4), _directions(), []),
    "from uniform": (lambda: d.SphericalUniform(4), d.VonMisesFisher, [], _directions()),
    "PowerSpherical": (d.PowerSpherical, d.VonMisesFisher, _directions(), _directions()),
    "OrderedLogistic": (d.OrderedLogistic, d.OrderedLogistic, _cuts(), _cuts()),
    "StoppingRatio": (d.StoppingRatioLogistic, d.StoppingRatioLogistic, _cuts(), _cuts()),
    "NormalInverseGamma": (d.NormalInverseGamma, d.NormalInverseGamma, _positive(4), _positive(4)),
    "DiscreteUniform": (
        d.DiscreteUniform,
        d.DiscreteUniform,
        [np.array([1.0, 2.0, 0.0]), np.array([4.0, 4.0, 5.0])],
        [np.array([0.0, 2.0, 1.0]), np.array([6.0, 9.0, 9.0])],
    ),
}


def _call(name: str) -> Any:
    p, q, of_p, _ = CASES[name]
    n = len(of_p)
    return lambda *xs: kl(p(*xs[:n]), q(*xs[n:]))


def _parameters(name: str) -> list[Any]:
    return [*CASES[name][2], *CASES[name][3]]


def _gradient(name: str) -> list[Any]:
    leaves = [torch.tensor(x, requires_grad=True) for x in _parameters(name)]
    value = _call(name)(*leaves)
    finite = torch.where(torch.isfinite(value), value, 0.0)
    found = torch.autograd.grad(2 * finite.sum(), leaves, allow_unused=True)
    return [
        np.zeros(x.shape) if g is None else g.numpy() for g, x in zip(found, leaves, strict=True)
    ]


@pytest.mark.parametrize("name", CASES)
def test_any_array_library(name: str) -> None:
    call, parameters = _call(name), _parameters(name)
    value = call(*[xp.asarray(np.ascontiguousarray(x)) for x in parameters])
    assert isinstance(value, type(xp.asarray(1.0)))
    np.testing.assert_allclose(np.asarray(value), call(*parameters), **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_jax(name: str) -> None:
    call, expected = _call(name), _call(name)(*_parameters(name))
    with jax.enable_x64(True):
        parameters = [jnp.asarray(x) for x in _parameters(name)]
        np.testing.assert_allclose(jax.jit(call)(*parameters), expected, **CLOSE)
        np.testing.assert_allclose(jax.vmap(call)(*parameters), expected, **CLOSE)

        def loss(*xs: Any) -> Any:
            value = call(*xs)
            return 2 * jnp.where(jnp.isfinite(value), value, 0.0).sum()

        got = jax.grad(loss, argnums=tuple(range(len(parameters))))(*parameters)
        for one, other in zip(got, _gradient(name), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_torch(name: str) -> None:
    call, expected = _call(name), _call(name)(*_parameters(name))
    parameters = [torch.tensor(x) for x in _parameters(name)]
    torch.compiler.reset()
    compiled: Any = torch.compile(call, fullgraph=True, backend="eager")
    np.testing.assert_allclose(compiled(*parameters), expected, **CLOSE)
    np.testing.assert_allclose(torch.vmap(call)(*parameters), expected, **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_tensorflow(name: str) -> None:
    call, expected = _call(name), _call(name)(*_parameters(name))
    parameters = [tf.constant(x) for x in _parameters(name)]
    specs = [tf.TensorSpec([None, *x.shape[1:]], tf.float64) for x in parameters]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def traced(*xs: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(xs)
            value = call(*xs)
            loss = 2 * tf.reduce_sum(tf.where(tf.math.is_finite(value), value, 0.0))
        return value, tape.gradient(loss, xs)

    value, gradient = traced(*parameters)
    np.testing.assert_allclose(value, expected, **CLOSE)
    for one, other in zip(gradient, _gradient(name), strict=True):
        got = np.zeros_like(other) if one is None else one.numpy()
        np.testing.assert_allclose(got, other, rtol=1e-11, atol=1e-13)


# -- edges -----------------------------------------------------------------------------------------

_CUT = np.array([-1.0, 0.5])


def test_equal_distributions() -> None:
    for name, (p, _, of_p, _) in CASES.items():
        if of_p and "to" not in name and name != "PowerSpherical":
            np.testing.assert_array_equal(kl(p(*of_p), p(*of_p)), 0.0)


def test_supports_that_do_not_nest() -> None:
    value = kl(d.DiscreteUniform(np.array([1.0, 0.0]), 4.0), d.DiscreteUniform(1.0, 5.0))
    np.testing.assert_allclose(value, [np.log(1.25), np.inf], rtol=1e-15)
    assert kl(d.LogSeries(0.5), d.Normal(0.0, 1.0)) == np.inf
    assert kl(d.Levy(1.0), d.Kumaraswamy(1.0, 1.0)) == np.inf


@pytest.mark.parametrize(
    ("p", "parameter"),
    [
        (d.VonMises(0.0, -1.0), "concentration"),
        (d.VonMises(np.inf, 1.0), "loc"),
        (d.VonMisesFisher(np.array([1.0, 1.0]), 1.0), "mean_direction"),
        (d.VonMisesFisher(np.array([1.0, 0.0]), np.nan), "concentration"),
        (d.OrderedLogistic(_CUT[::-1], 0.0), "cutpoints"),
        (d.OrderedLogistic(_CUT, np.nan), "loc"),
        (d.StoppingRatioLogistic(_CUT * np.nan, 0.0), "cutpoints"),
        (d.ProbitBernoulli(np.nan), "probits"),
        (d.LogSeries(1.0), "probs"),
        (d.DiscreteUniform(2.0, 1.0), "high"),
        (d.Kumaraswamy(0.0, 1.0), "concentration1"),
        (d.GeneralizedGamma(1.0, 1.0, -1.0), "power"),
        (d.GeneralizedNormal(0.0, 0.0, 1.0), "scale"),
        (d.Frechet(-1.0, 1.0), "scale"),
        (d.Nakagami(1.0, 0.0), "spread"),
        (d.Levy(0.0), "scale"),
        (d.NormalInverseGamma(0.0, 1.0, 1.0, -1.0), "rate"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_invalid_parameters(p: Any, parameter: str) -> None:
    with pytest.raises(ValueError, match=rf"{type(p).__name__}\.{parameter} of p"):
        kl(p, p)
    assert np.isnan(kl(p, p, validate=False)).all()


def test_numbers_of_categories_and_dimensions() -> None:
    with pytest.raises(ValueError, match="2 and 3 cutpoints"):
        kl(d.OrderedLogistic(_CUT, 0.0), d.OrderedLogistic(np.arange(3.0), 0.0))
    with pytest.raises(ValueError, match="one sphere"):
        kl(d.VonMisesFisher(np.array([1.0, 0.0]), 1.0), d.SphericalUniform(3))


def test_no_closed_form_at_two_locations() -> None:
    p, q = d.GeneralizedNormal(np.array([0.0, 1.0]), 1.0, 1.5), d.GeneralizedNormal(0.0, 2.0, 1.5)
    np.testing.assert_array_equal(np.isnan(kl(p, q)), [False, True])


def test_the_uniform_distribution_is_that_of_concentration_0() -> None:
    x = np.array([0.6, 0.8])
    uniform, flat = d.SphericalUniform(2), d.VonMisesFisher(x, 0.0)
    p = d.VonMisesFisher(x, np.array([1e-6, 0.3, 40.0]))
    np.testing.assert_array_equal(kl(p, flat), kl(p, uniform))
    np.testing.assert_array_equal(kl(flat, p), kl(uniform, p))
    on_circle = d.VonMises(np.arctan2(0.8, 0.6), np.array([1e-6, 0.3, 40.0]))
    np.testing.assert_allclose(kl(p, uniform), kl(on_circle, d.VonMises(0.0, 0.0)), rtol=1e-15)
    q = d.PowerSpherical(x, np.array([1e-6, 0.3, 40.0]))
    np.testing.assert_allclose(kl(q, flat), kl(q, uniform), rtol=1e-15)
