"""Directions, categories and processes of other libraries, beside their own divergences."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats as stats
import tensorflow as tf
import torch

from unikl import distributions as ours
from unikl import explain_kl, kl_divergence

with warnings.catch_warnings():  # of names of JAX and NumPy that they have deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    distrax = pytest.importorskip("distrax")
    npd = pytest.importorskip("numpyro.distributions")
    tfp = pytest.importorskip("tensorflow_probability")
    tfd = tfp.distributions

_CUTS = (tf.constant([-1.0, 0.2, 1.5], tf.float64), tf.constant([-0.7, 0.3, 1.1], tf.float64))
_X, _Y = (tf.constant(x, tf.float64) for x in ([0.6, 0.8, 0.0], [0.0, 0.6, -0.8]))


def _f(*numbers: float) -> Any:
    return [tf.constant(x, tf.float64) for x in numbers]


_TFP: dict[str, Any] = {
    "VonMises": lambda: [tfd.VonMises(*_f(0.3, 2.0)), tfd.VonMises(*_f(-0.4, 0.7))],
    "OrderedLogistic": lambda: [
        tfd.OrderedLogistic(c, loc) for c, loc in zip(_CUTS, _f(0.1, -0.3), strict=True)
    ],
    "StoppingRatioLogistic": lambda: [
        tfd.StoppingRatioLogistic(c, loc) for c, loc in zip(_CUTS, _f(0.1, -0.3), strict=True)
    ],
    "ProbitBernoulli": lambda: [tfd.ProbitBernoulli(probits=x) for x in _f(0.4, -1.3)],
    "VonMisesFisher and SphericalUniform": lambda: [
        tfd.VonMisesFisher(_X, *_f(3.0)),
        tfd.SphericalUniform(3, dtype=tf.float64),
    ],
    "PowerSpherical and SphericalUniform": lambda: [
        tfd.PowerSpherical(_X, *_f(3.0)),
        tfd.SphericalUniform(3, dtype=tf.float64),
    ],
    "PowerSpherical and VonMisesFisher": lambda: [
        tfd.PowerSpherical(_X, *_f(3.0)),
        tfd.VonMisesFisher(_Y, *_f(0.8)),
    ],
    "GaussianProcess": lambda: [_process(1.0), _process(0.5)],
    "GaussianProcess and normal": lambda: [_process(1.0), _normal()],
    "normal and GaussianProcess": lambda: [_normal(), _process(1.0)],
}


def _process(length: float) -> Any:
    kernel = tfp.math.psd_kernels.MaternOneHalf(*_f(1.2, length))
    points = tf.constant([[0.0], [0.4], [1.1]], tf.float64)
    return tfd.GaussianProcess(kernel, points, observation_noise_variance=_f(0.1)[0])


def _normal() -> Any:
    return tfd.MultivariateNormalDiag(scale_diag=tf.constant([1.0, 0.8, 1.1], tf.float64))


@pytest.mark.parametrize("name", _TFP)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorflow_probability(name: str) -> None:
    p, q = _TFP[name]()
    found = explain_kl(p, q)
    assert found.method == "exact"
    if name == "GaussianProcess":  # TFP has no pair of two, but that of their marginals
        p, q = (x.get_marginal_distribution() for x in (p, q))
    np.testing.assert_allclose(found.value, tfd.kl_divergence(p, q), rtol=1e-9)


def test_gradients_reach_the_parameters() -> None:
    concentration = tf.Variable(2.0, dtype=tf.float64)
    with tf.GradientTape() as tape:
        p = tfd.VonMises(_f(0.3)[0], concentration)
        value = kl_divergence(p, tfd.VonMises(*_f(0.3, 0.7)))
    slope = tape.gradient(value, concentration)
    ends = [
        float(ours.kl(ours.VonMises(0.3, 2.0 + h), ours.VonMises(0.3, 0.7))) for h in (1e-5, -1e-5)
    ]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-8)


def test_other_parameters_of_the_same() -> None:
    probs = tf.constant(0.3, tf.float64)
    p, q = tfd.ProbitBernoulli(probs=probs), tfd.Bernoulli(probs=tf.constant(0.6, tf.float64))
    expected = kl_divergence(tfd.Bernoulli(probs=probs), q)
    np.testing.assert_allclose(kl_divergence(p, q), expected, rtol=1e-15)


def test_numpyro() -> None:
    with jax.enable_x64(True):
        cuts = jnp.array([-1.0, 0.2, 1.5])
        pair = [npd.OrderedLogistic(x, cuts) for x in (jnp.array(0.1), jnp.array(-0.3))]
        value = kl_divergence(*pair)
        np.testing.assert_allclose(value, npd.kl_divergence(*pair), rtol=1e-9)
        row = jnp.array([2.0, 0.5, 0.1, 0.5])
        p = npd.Independent(npd.Normal(jnp.zeros(4), jnp.array([1.0, 0.5, 1.0, 2.0])), 1)
        q = npd.CirculantNormal(jnp.ones(4), row)
        np.testing.assert_allclose(kl_divergence(p, q), npd.kl_divergence(p, q), rtol=1e-9)
        p, q = npd.VonMises(jnp.array(0.3), jnp.array(2.0)), npd.VonMises(jnp.array(0.0), 1.0)
        expected = float(ours.kl(ours.VonMises(0.3, 2.0), ours.VonMises(0.0, 1.0)))
        np.testing.assert_allclose(kl_divergence(p, q), expected, rtol=1e-13)
        assert float(kl_divergence(npd.Levy(0.0, 1.0), npd.Levy(0.0, 1.0))) == 0


@pytest.mark.parametrize(("p", "q"), [((2.0, 3.0), (2.0, 3.0)), ((3.0, 5.0), (4.0, 20.0))])
def test_numpyro_takes_ten_terms_of_a_series(p: Any, q: Any) -> None:
    """Kumaraswamy against Beta: up to 20 percent off there; the reference is an integral."""
    with jax.enable_x64(True):
        pair = npd.Kumaraswamy(*map(jnp.array, p)), npd.Beta(*map(jnp.array, q))

        def integrand(x: float) -> float:
            log_p = float(pair[0].log_prob(x))
            return float(np.exp(log_p)) * (log_p - float(stats.beta.logpdf(x, *q)))

        exact = scipy.integrate.quad(integrand, 0, 1, epsabs=1e-12)[0]
        np.testing.assert_allclose(float(kl_divergence(*pair)), exact, rtol=1e-7)
        assert abs(float(npd.kl_divergence(*pair)) / exact - 1) > 0.01


def test_distrax() -> None:
    pair = [distrax.VonMises(jnp.array(m), jnp.array(k)) for m, k in ((0.3, 2.0), (-0.4, 0.7))]
    np.testing.assert_allclose(kl_divergence(*pair), pair[0].kl_divergence(pair[1]), rtol=1e-5)


def test_torch() -> None:
    x = torch.tensor([0.5, 2.0], dtype=torch.float64)
    d = torch.distributions
    value = kl_divergence(d.VonMises(x, 2 * x), d.VonMises(-x, x))
    expected = ours.kl(ours.VonMises(x, 2 * x), ours.VonMises(-x, x))
    torch.testing.assert_close(value, expected)
    value = kl_divergence(d.Kumaraswamy(x, 2 * x), d.Kumaraswamy(x, x))
    torch.testing.assert_close(value, 0.5 - 1 + torch.log(0 * x + 2))  # of one concentration1


_SCIPY = [
    (stats.gengamma(2, 1.5, scale=2), stats.gengamma(1, 2.0), 0, 30),
    (stats.gennorm(1.5, 0.3, 2), stats.gennorm(2.5, 0.3, 1), -15, 15),
    (stats.invweibull(3, scale=2), stats.invweibull(2), 0.05, np.inf),
    (stats.nakagami(2, scale=1.5), stats.nakagami(1), 0, 20),
    (stats.vonmises(2, 0.5), stats.vonmises(1, 0.0), -np.pi, np.pi),
]


@pytest.mark.parametrize(("p", "q", "low", "high"), _SCIPY, ids=lambda x: str(x)[:0])
def test_scipy(p: Any, q: Any, low: float, high: float) -> None:
    def integrand(x: float) -> float:
        density = float(p.pdf(x))
        return density * float(p.logpdf(x) - q.logpdf(x)) if density > 0 else 0.0

    exact = scipy.integrate.quad(integrand, low, high, limit=200)[0]
    np.testing.assert_allclose(float(kl_divergence(p, q)), exact, rtol=1e-5)


def test_scipy_on_integers_and_others() -> None:
    p, q = stats.logser(0.5), stats.logser(0.8)
    k = np.arange(1, 200)
    exact = np.sum(p.pmf(k) * (p.logpmf(k) - q.logpmf(k)))
    np.testing.assert_allclose(kl_divergence(p, q), exact, rtol=1e-12)
    np.testing.assert_allclose(kl_divergence(stats.randint(1, 7), stats.randint(0, 12)), np.log(2))
    assert kl_divergence(stats.randint(1, 7), stats.randint(2, 12)) == np.inf
    np.testing.assert_allclose(
        kl_divergence(stats.levy(0, 1), stats.levy(0, 2)), 0.5 - np.log(2) / 2
    )
    x = ours.VonMisesFisher(np.array([0, 0, 1.0]), 2.0)
    y = ours.VonMisesFisher(np.array([0, 0.6, 0.8]), 1.0)
    pair = stats.vonmises_fisher([0, 0, 1.0], 2.0), stats.vonmises_fisher([0, 0.6, 0.8], 1.0)
    np.testing.assert_allclose(kl_divergence(*pair), ours.kl(x, y), rtol=1e-14)
    pair = stats.normal_inverse_gamma(0, 1, 2, 3), stats.normal_inverse_gamma(1, 2, 2, 3)
    gamma = ours.kl(ours.NormalInverseGamma(0, 1, 2, 3), ours.NormalInverseGamma(1, 2, 2, 3))
    np.testing.assert_allclose(kl_divergence(*pair), gamma, rtol=1e-14)
