"""Families whose outcomes are vectors or categories, against their definitions at 50 digits."""

from itertools import product
from math import comb
from typing import Any

import numpy as np
import pytest
import torch
from mpmath import mp

from unikl.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Multinomial,
    OneHotCategorical,
    kl,
)

EPS = float(np.finfo(np.float64).eps)


def _dirichlet(a: Any, b: Any) -> Any:
    a, b = ([mp.mpf(float(x)) for x in one] for one in (a, b))
    logs = sum((x - y) * (mp.psi(0, x) - mp.psi(0, sum(a))) for x, y in zip(a, b, strict=True))
    gammas = sum(mp.loggamma(y) - mp.loggamma(x) for x, y in zip(a, b, strict=True))
    return mp.loggamma(sum(a)) - mp.loggamma(sum(b)) + gammas + logs


@pytest.mark.parametrize("step", [1e-6, 1e-3, 0.5])
@pytest.mark.parametrize("n", [2, 3, 40])
def test_dirichlet(n: int, step: float) -> None:
    rng = np.random.default_rng(n)
    a = 10 ** rng.uniform(-1, 4, (20, n))
    b = a * (1 + step * rng.uniform(-1, 1, (20, n)))
    value = kl(Dirichlet(a), Dirichlet(b))
    with mp.workdps(50):
        for got, x, y in zip(value, a, b, strict=True):
            exact = _dirichlet(x, y)
            assert abs(mp.mpf(float(got)) - exact) <= 16 * EPS * exact


def test_gradient_of_dirichlet() -> None:
    rng = np.random.default_rng(1)
    a, b = 10 ** rng.uniform(-1, 2, (2, 4))
    p, q = (torch.tensor(x, requires_grad=True) for x in (a, b))
    got = torch.autograd.grad(3 * kl(Dirichlet(p), Dirichlet(q)), (p, q))
    with mp.workdps(50):
        x, y = ([mp.mpf(float(one)) for one in side] for side in (a, b))
        total = sum(u - v for u, v in zip(y, x, strict=True))
        of_p = [
            mp.psi(1, u) * (u - v) + mp.psi(1, sum(x)) * total for u, v in zip(x, y, strict=True)
        ]
        at_p = [mp.psi(0, u) - mp.psi(0, sum(x)) for u in x]
        at_q = [mp.psi(0, v) - mp.psi(0, sum(y)) for v in y]
        of_q = [v - u for u, v in zip(at_p, at_q, strict=True)]
    for side, exact in zip(got, (of_p, of_q), strict=True):
        reference = np.array([float(one) for one in exact])
        error = np.linalg.norm(side.numpy() / 3 - reference) / np.linalg.norm(reference)
        assert error < 64 * EPS


def test_beta_is_a_dirichlet_of_two() -> None:
    a, b = np.array([2.5, 0.7]), np.array([1.5, 3.0])
    exact = float(kl(Beta(*a), Beta(*b)))
    for p, q in product((Beta(*a), Dirichlet(a)), (Beta(*b), Dirichlet(b))):
        assert float(kl(p, q)) == pytest.approx(exact, rel=16 * EPS)


def test_categories() -> None:
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    exact = float(np.sum(p * np.log(p / q)))
    for one, other in product((Categorical, OneHotCategorical), repeat=2):
        assert float(kl(one(p), other(q))) == pytest.approx(exact, rel=8 * EPS)
        by_logits = kl(one(logits=np.log(p)), other(logits=np.log(q) + 5))
        assert float(by_logits) == pytest.approx(exact, rel=64 * EPS)
        assert float(kl(one(p), other(logits=np.log(q)))) == pytest.approx(exact, rel=64 * EPS)


def test_counts_of_categories() -> None:
    """By summing over the outcomes of two draws."""
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    pairs = list(product(range(3), repeat=2))
    total = sum(p[i] * p[j] * np.log(p[i] * p[j] / (q[i] * q[j])) for i, j in pairs)
    assert float(kl(Multinomial(2.0, p), Multinomial(2.0, q))) == pytest.approx(total, rel=16 * EPS)
    assert float(kl(Multinomial(2.0, p), Multinomial(3.0, q))) == np.inf


def test_one_trial() -> None:
    exact = float(kl(Bernoulli(0.3), Bernoulli(0.4)))
    assert float(kl(Bernoulli(0.3), Binomial(1.0, 0.4))) == pytest.approx(exact, rel=8 * EPS)


def test_unequal_trials() -> None:
    """By summing over the outcomes."""
    p, q = (
        [comb(n, k) * s**k * (1 - s) ** (n - k) for k in range(4)] for n, s in ((3, 0.3), (4, 0.4))
    )
    total = sum(x * np.log(x / y) for x, y in zip(p, q, strict=True))
    found = float(kl(Binomial(3.0, 0.3), Binomial(4.0, 0.4)))
    assert found == pytest.approx(total, rel=16 * EPS)
    assert float(kl(Binomial(4.0, 0.4), Binomial(3.0, 0.3))) == np.inf
