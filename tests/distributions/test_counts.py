"""Binomial and negative binomial distributions of different sizes; point masses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath import mp

from unikl.distributions import (
    Bernoulli,
    Binomial,
    Categorical,
    Delta,
    Dirichlet,
    ExpandedDistribution,
    Independent,
    MaskedDistribution,
    MixtureSameFamily,
    Multinomial,
    MultivariateNormalDiag,
    NegativeBinomial,
    Normal,
    OneHotCategorical,
    Poisson,
    kl,
)

LIMIT = 16  # eps of 1 + KL


def _binomial(n: int, a: Any, m: int, b: Any) -> Any:
    def log_mass(n: int, p: Any, k: int) -> Any:
        return mp.log(mp.binomial(n, k)) + k * mp.log(p) + (n - k) * mp.log(1 - p)

    pairs = [(log_mass(n, a, k), log_mass(m, b, k)) for k in range(n + 1)]
    return sum(mp.exp(x) * (x - y) for x, y in pairs)


def _negative_binomial(r: Any, a: Any, s: Any, b: Any) -> Any:
    """The sum over k until its terms are gone, by their ratios."""
    mass, total, k = (1 - a) ** r, mp.mpf(0), 0
    ratio = r * mp.log(1 - a) - s * mp.log(1 - b)
    while k < 20 or abs(mass * ratio) > mp.mpf(10) ** -22:
        total += mass * ratio
        mass *= a * (k + r) / (k + 1)
        ratio += mp.log(a / b * (k + r) / (k + s))
        k += 1
    return total


def _draws() -> tuple[list[Any], list[Any]]:
    rng = np.random.default_rng(31)
    trials: list[Any] = []
    failures: list[Any] = []
    for k in range(20):
        n, a, b = int(rng.integers(1, 60)), rng.uniform(0.01, 0.99), rng.uniform(0.01, 0.99)
        m = n + int(rng.integers(1, 60))
        trials.append((float(n), a, float(m), a * n / m if k % 3 == 0 else b))
        r, s = np.exp(rng.uniform(-3, 3, 2))
        failures.append((r, 0.9 * a, s, 0.9 * b))
    return trials, failures


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("family", [Binomial, NegativeBinomial])
def test_other_counts(family: Any, dtype: Any) -> None:
    draws = _draws()[family is NegativeBinomial]
    n, a, m, b = (np.array(x, dtype) for x in zip(*draws, strict=True))
    value = kl(family(n, probs=a), family(m, probs=b))
    logits = [np.log(x.astype(float) / (1 - x.astype(float))).astype(dtype) for x in (a, b)]
    by_logits = kl(family(n, logits=logits[0]), family(m, logits=logits[1]))
    assert value.dtype == dtype
    with mp.workdps(30):
        for k in range(len(draws)):
            point = [mp.mpf(float(x[k])) for x in (n, a, m, b)]
            if family is Binomial:
                point[0], point[2] = int(n[k]), int(m[k])
                exact = _binomial(*point)
            else:
                exact = _negative_binomial(*point)
            assert abs(float(value[k]) - exact) <= LIMIT * np.finfo(dtype).eps * (1 + exact)
            size = 1 + exact + float(n[k] + m[k])  # of the rounding of the logits themselves
            assert abs(float(by_logits[k]) - exact) <= LIMIT * np.finfo(dtype).eps * size


def test_the_edges_of_other_counts() -> None:
    p = Binomial(3.0, probs=np.array([0.0, 1.0, 0.5, 0.5, 0.0]))
    q = Binomial(5.0, probs=np.array([0.5, 0.5, 1.0, 0.0, 0.0]))
    expected = [5 * np.log(2), np.log(3.2), np.inf, np.inf, 0]
    np.testing.assert_allclose(kl(p, q), expected, rtol=1e-14, atol=1e-15)
    fewer = Binomial(2.0, probs=0.5)
    assert kl(Binomial(3.0, probs=0.25), fewer) == np.inf
    assert float(kl(Binomial(3.0, probs=0.0), fewer)) == pytest.approx(2 * np.log(2), rel=1e-15)
    nothing = NegativeBinomial(5.0, probs=0.0)
    other = NegativeBinomial(3.0, probs=0.5)
    assert float(kl(nothing, other)) == pytest.approx(3 * np.log(2), rel=1e-15)
    assert kl(other, nothing) == np.inf
    # A coin is a binomial distribution of one trial.
    coin = kl(Bernoulli(probs=0.25), Binomial(4.0, probs=0.125))
    assert float(coin) == pytest.approx(float(kl(Binomial(1.0, 0.25), Binomial(4.0, 0.125))))
    assert np.isfinite(kl(Binomial(3.0, logits=1.0), Binomial(5.0, logits=800.0)))
    with pytest.raises(ValueError, match=r"Binomial\.total_count of q must be positive"):
        kl(Binomial(3.0, 0.5), Binomial(-5.0, 0.5))


@pytest.mark.parametrize("family", [Binomial, NegativeBinomial])
def test_gradients_of_other_counts(family: Any) -> None:
    import torch

    n, a, m, b = (torch.tensor(x, dtype=torch.float64) for x in (5.0, 0.3, 9.0, 0.2))
    leaves = [a.requires_grad_(), b.requires_grad_()]
    loss = 3 * kl(family(n, probs=a), family(m, probs=b))
    gradient = [g.item() for g in torch.autograd.grad(loss, leaves)]
    exact = _binomial if family is Binomial else _negative_binomial
    with mp.workdps(30):
        x, y = mp.mpf(0.3), mp.mpf(0.2)
        expected = [
            float(3 * mp.diff(lambda t: exact(5, t, 9, y), x)),
            float(3 * mp.diff(lambda t: exact(5, x, 9, t), y)),
        ]
    assert gradient == pytest.approx(expected, rel=1e-13)
    zero = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    at_zero = torch.autograd.grad(kl(family(n, probs=zero), family(m, probs=b)), [zero, b])
    assert all(torch.isfinite(g) for g in at_zero)


def test_other_counts_under_jit() -> None:
    import jax

    @jax.jit
    def value(n: Any, m: Any) -> Any:
        return kl(Binomial(n, 0.3), Binomial(m, 0.2))

    for m in (9.0, 5.0, 3.0):
        expected = float(kl(Binomial(5.0, 0.3), Binomial(m, 0.2)))
        assert float(value(5.0, m)) == pytest.approx(expected, rel=1e-6)


# -- a point ---------------------------------------------------------------------------------------


def test_a_point_on_a_lattice() -> None:
    x = Delta(np.array([0.0, 2.0, -1.0, 0.5]))
    expected = [2.0, 2 - np.log(2), np.inf, np.inf]
    np.testing.assert_allclose(kl(x, Poisson(2.0)), expected, rtol=1e-15)
    np.testing.assert_allclose(kl(x, Bernoulli(0.25)), [np.log(4 / 3), np.inf, np.inf, np.inf])
    np.testing.assert_allclose(
        kl(x, Categorical(probs=[0.25, 0.25, 0.5])), [np.log(4), np.log(2), np.inf, np.inf]
    )
    mixed = MixtureSameFamily(Categorical(probs=[0.5, 0.5]), Poisson(np.array([1.0, 3.0])))
    mass = 0.5 * (np.exp(-1.0) + 9 * np.exp(-3.0)) / 2
    assert float(kl(Delta(2.0), mixed)) == pytest.approx(-np.log(mass), rel=1e-14)


def test_a_point_against_a_density() -> None:
    assert kl(Delta(0.0), Normal(0.0, 1e-3)) == np.inf
    vector = Delta(np.array([0.5, 0.5]), 1)
    for q in (Dirichlet(np.ones((3, 2))), MultivariateNormalDiag(np.zeros((3, 2)), np.ones(2))):
        np.testing.assert_array_equal(kl(vector, q), np.full(3, np.inf))
    with pytest.raises(NotImplementedError, match=r"KL\(Delta \|\| Multinomial\)"):
        kl(vector, Multinomial(1.0, probs=[0.5, 0.5]))


def test_a_point_in_structures() -> None:
    vector = Delta(np.array([0.0, 1.0]), 1)
    one_hot = OneHotCategorical(probs=[0.25, 0.75])
    assert float(kl(vector, one_hot)) == pytest.approx(-np.log(0.75), rel=1e-15)
    assert kl(Delta(np.array([1.0, 1.0]), 1), one_hot) == np.inf
    both = Independent(Poisson(np.array([1.0, 2.0])), 1)
    assert float(kl(vector, both)) == pytest.approx(3 - np.log(2), rel=1e-15)
    with pytest.raises(ValueError, match="the outcomes of p have 0 axes"):
        kl(Delta(np.array([0.0, 1.0])), both)
    q = Poisson(2.0)
    np.testing.assert_allclose(kl(Delta(0.0), ExpandedDistribution(q, (2,))), [2, 2])
    np.testing.assert_allclose(
        kl(Delta(0.0), MaskedDistribution(q, np.array([True, False]))), [2, 0]
    )
