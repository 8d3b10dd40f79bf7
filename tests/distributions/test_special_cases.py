"""16 eps where members of two families nearly coincide, against closed forms at 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mpmath import mp

from unikl import distributions
from unikl.distributions import kl

DRAWS, LIMIT = 24, 16

# As generalized gamma distributions: scale, concentration, power.
_STACY: dict[str, Callable[..., tuple[Any, Any, Any]]] = {
    "Exponential": lambda r: (1 / r, 1, 1),
    "Gamma": lambda a, r: (1 / r, a, 1),
    "Rayleigh": lambda s: (mp.sqrt(2) * s, 2, 2),
    "Weibull": lambda s, k: (s, k, k),
}


def _stacy(p: str, q: str, of_p: Any, of_q: Any) -> Any:
    """C. Bauckhage, arXiv:1401.6853."""
    (s, c, a), (t, d, b) = (
        [mp.mpf(x) for x in _STACY[name](*given)] for name, given in ((p, of_p), (q, of_q))
    )
    logs = mp.log(a * t**d / (b * s**c)) + mp.loggamma(d / b) - mp.loggamma(c / a)
    logs += (mp.psi(0, c / a) / a + mp.log(s)) * (c - d)
    return logs + mp.gamma((c + b) / a) / mp.gamma(c / a) * (s / t) ** b - c / a


def _cumulant(eta: Any) -> Any:
    return mp.log(mp.expm1(eta) / eta) if eta else mp.mpf(0)


def _log_beta(a: Any, b: Any) -> Any:
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def _moments(p: str, given: Any) -> tuple[Any, ...]:
    """Minus the entropy, E x, E log x, E log(1 - x)."""
    if p == "Beta":
        a, b = given
        logs = [mp.psi(0, x) - mp.psi(0, a + b) for x in (a, b)]
        return (a - 1) * logs[0] + (b - 1) * logs[1] - _log_beta(a, b), a / (a + b), *logs
    if p == "ContinuousBernoulli":
        (eta,) = given
        mean = 1 / (1 - mp.exp(-eta)) - 1 / eta
        return eta * mean - _cumulant(eta), mean, None, None
    low, high = given

    def mean_log(x: Any, y: Any) -> Any:
        return (y * mp.log(y) - (x * mp.log(x) if x else 0)) / (y - x) - 1

    logs = [mean_log(low, high), mean_log(1 - high, 1 - low)]
    return -mp.log(high - low), (low + high) / 2, *logs


def _unit(p: str, q: str, of_p: Any, of_q: Any) -> Any:
    """From the entropy and moments of p."""
    negentropy, mean, log_x, log_1x = _moments(p, of_p)
    if q == "Beta":
        cross = (of_q[0] - 1) * log_x + (of_q[1] - 1) * log_1x - _log_beta(*of_q)
    elif q == "ContinuousBernoulli":
        cross = of_q[0] * mean - _cumulant(of_q[0])
    elif q == "Exponential":
        cross = mp.log(of_q[0]) - of_q[0] * mean
    else:
        cross = -mp.log(of_q[1] - of_q[0])
    return negentropy - cross


def _near(p: str, q: str, dtype: Any) -> tuple[list[Any], list[Any]]:
    """Members that differ by 1e-6 to 1e-3 of one that both families have."""
    rng = np.random.default_rng(41)
    sizes = 10 ** rng.uniform(-6, -3, (4, DRAWS))
    h = sizes * rng.choice([-1, 1], (4, DRAWS))
    scale = 10 ** rng.uniform(-4, 4, DRAWS)
    far = rng.uniform(3, 20, DRAWS)  # of the continuous Bernoulli from 0, for the exponential
    power = 2 if "Rayleigh" in (p, q) else 1
    wide = 1 if q == "Uniform" else -1
    made = {
        "Exponential": [far * (1 + h[0]) if p == "ContinuousBernoulli" else 1 / scale],
        "Gamma": [1 + h[0], 1 / scale],
        "Rayleigh": [scale / np.sqrt(2)],
        "Weibull": [scale * (1 + h[1]), power * (1 + h[2])],
        "Beta": [1 + h[0], 1 + h[1]],
        "ContinuousBernoulli": [-far if q == "Exponential" else h[2]],
        "Uniform": [-wide * sizes[2] * (h[1] > 0), 1 + wide * sizes[3] * (h[1] > 0)],
    }
    return [x.astype(dtype) for x in made[p]], [x.astype(dtype) for x in made[q]]


def _member(family: str, leaves: list[Any]) -> Any:
    cls = getattr(distributions, family)
    return cls(logits=leaves[0]) if family == "ContinuousBernoulli" else cls(*leaves)


PAIRS = [
    ("Weibull", "Exponential"),
    ("Exponential", "Weibull"),
    ("Weibull", "Rayleigh"),
    ("Rayleigh", "Weibull"),
    ("Weibull", "Gamma"),
    ("Gamma", "Weibull"),
    ("Gamma", "Exponential"),
    ("Exponential", "Gamma"),
    ("Beta", "Uniform"),
    ("Uniform", "Beta"),
    ("ContinuousBernoulli", "Uniform"),
    ("Uniform", "ContinuousBernoulli"),
    ("Beta", "ContinuousBernoulli"),
    ("ContinuousBernoulli", "Exponential"),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_near(p: str, q: str, dtype: Any) -> None:
    of_p, of_q = _near(p, q, dtype)
    leaves = [torch.tensor(x, requires_grad=True) for x in (*of_p, *of_q)]
    n = len(of_p)
    value = kl(_member(p, leaves[:n]), _member(q, leaves[n:]))
    assert (value >= 0).all()
    gradient = torch.autograd.grad(value.sum(), leaves)
    exact_kl = _stacy if p in _STACY and q in _STACY else _unit
    eps = float(np.finfo(dtype).eps)
    with mp.workdps(60):
        for k in range(DRAWS):
            point = [mp.mpf(float(x[k])) for x in (*of_p, *of_q)]
            exact = exact_kl(p, q, point[:n], point[n:])
            assert abs(float(value[k].detach()) - exact) <= LIMIT * eps * exact, k
            if "Uniform" in (p, q):  # whose derivatives are one-sided at (0, 1)
                continue
            slopes = []
            for i, x in enumerate(point):
                h = abs(x) * mp.mpf(10) ** -25
                ends = [[*point[:i], x + sign * h, *point[i + 1 :]] for sign in (1, -1)]
                up, down = (exact_kl(p, q, end[:n], end[n:]) for end in ends)
                slopes.append((up - down) / (2 * h))
            # In the logarithms of scales and shapes, whose units have nothing in common.
            units = point if exact_kl is _stacy else [1] * len(point)
            size = mp.sqrt(sum((s * x) ** 2 for s, x in zip(slopes, units, strict=True)))
            each = zip(gradient, slopes, units, strict=True)
            off = [(mp.mpf(float(g[k])) - s) * x for g, s, x in each]
            assert mp.sqrt(sum(x * x for x in off)) <= LIMIT * eps * size, k


def test_the_textbook_formula_would_fail() -> None:
    """The control: the same draws, the closed form of Gamma and Weibull in float64."""
    of_p, of_q = _near("Gamma", "Weibull", np.float64)
    worst = 0.0
    for k in range(DRAWS):
        point = [[float(x[k]) for x in side] for side in (of_p, of_q)]
        with mp.workdps(60):
            exact = _stacy("Gamma", "Weibull", *([mp.mpf(x) for x in side] for side in point))
        with mp.workdps(16):
            plain = _stacy("Gamma", "Weibull", *([mp.mpf(x) for x in side] for side in point))
        worst = max(worst, float(abs(plain - exact) / exact))
    assert worst > 1e-8
