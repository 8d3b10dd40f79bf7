"""16 eps, where p and q nearly agree and where they do not, of families that the table cannot draw.

Those of directions, with categories, and others whose parameters go together.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from mpmath import mp

from unikl import distributions
from unikl.distributions import kl

LIMIT = 16
Columns = list[Any]  # one array for each parameter, the draws along the first axis


class Case(NamedTuple):
    """How p is drawn, what the parameters are (s: positive, r: real, v: direction), the truth."""

    draw: Callable[[Any, int], Columns]
    near: Callable[[Any, Columns], Columns]
    kl: Callable[..., Any]
    draws: int = 24


def _decades(rng: Any, n: int, low: float = -6, high: float = 6) -> Any:
    return 10 ** rng.uniform(low, high, n)


def _relative(rng: Any, p: Columns) -> Columns:
    """Each parameter moved by 1e-6 to 1e-3 of itself."""
    return [x * (1 + 10 ** rng.uniform(-6, -3, x.shape) * rng.choice([-1, 1], x.shape)) for x in p]


# -- directions ------------------------------------------------------------------------------------


def _log_cosine_normaliser(k: Any, d: int) -> Any:
    v = mp.mpf(d) / 2 - 1
    return mp.log(mp.besseli(v, k)) - v * mp.log(k) if k else -v * mp.log(2) - mp.loggamma(v + 1)


def _cosine_mean(k: Any, d: int) -> Any:
    return mp.besseli(mp.mpf(d) / 2, k) / mp.besseli(mp.mpf(d) / 2 - 1, k)


def _turned(k: Any, j: Any, d: int, cosine: Any) -> Any:
    logs = _log_cosine_normaliser(j, d) - _log_cosine_normaliser(k, d)
    return logs + _cosine_mean(k, d) * (k - j * cosine)


def _von_mises(m: Any, k: Any, n: Any, j: Any) -> Any:
    return _turned(k, j, 2, mp.cos(m - n))


def _dot(x: Any, y: Any) -> Any:
    def length(z: Any) -> Any:
        return mp.sqrt(sum(one * one for one in z))

    return sum(a * b for a, b in zip(x, y, strict=True)) / length(x) / length(y)


def _von_mises_fisher(m: Any, k: Any, n: Any, j: Any) -> Any:
    return _turned(k, j, len(m), _dot(m, n))


# Not at right angles, where kappa_p - kappa_q cos, a factor of the gradient, cancels.
def _angles(rng: Any, n: int) -> Columns:
    return [rng.uniform(-0.15, 0.15, n) + 2.5 * rng.integers(0, 2, n), _decades(rng, n)]


def _near_angles(rng: Any, p: Columns) -> Columns:
    step = 10 ** rng.uniform(-6, -3, p[0].shape) / np.sqrt(1 + p[1])
    return [p[0] + step, _relative(rng, p[1:])[0]]


def _unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _directions(d: int) -> Callable[[Any, int], Columns]:
    def draw(rng: Any, n: int) -> Columns:
        axis = 5.0 * (np.arange(d) == 0) * rng.choice([-1, 1], (n, 1))
        return [_unit(axis + rng.normal(size=(n, d)) / d**0.5), _decades(rng, n)]

    return draw


def _near_directions(rng: Any, p: Columns) -> Columns:
    step = 10 ** rng.uniform(-6, -3, p[1].shape) / np.sqrt(1 + p[1])
    moved = _unit(p[0] + step[:, None] * rng.normal(size=p[0].shape))
    return [moved, _relative(rng, p[1:])[0]]


# -- categories ------------------------------------------------------------------------------------


def _categories(probabilities: Any, others: Any) -> Any:
    return sum(a * mp.log(a / b) for a, b in zip(probabilities, others, strict=True))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _ordered(cuts: Any, m: Any) -> Any:
    below = [mp.mpf(0), *[_sigmoid(c - m) for c in cuts]]
    above = [*[_sigmoid(m - c) for c in cuts], mp.mpf(0)]
    return [*[b - a for a, b in pairwise(below)], above[-2]]


def _stopping(cuts: Any, m: Any) -> Any:
    left, found = mp.mpf(1), []
    for c in cuts:
        found.append(left * _sigmoid(c - m))
        left = left * _sigmoid(m - c)
    return [*found, left]


def _probit(x: Any) -> Any:
    return [mp.erfc(-x / mp.sqrt(2)) / 2, mp.erfc(x / mp.sqrt(2)) / 2]


def _of_categories(of: Any) -> Callable[..., Any]:
    def divergence(*point: Any) -> Any:
        half = len(point) // 2
        return _categories(of(*point[:half]), of(*point[half:]))

    return divergence


def _cuts(rng: Any, n: int) -> Columns:
    gaps = _decades(rng, 3 * n, -3, 0.5).reshape(n, 3)
    return [rng.uniform(-3, 2, (n, 1)) + np.cumsum(gaps, -1), rng.uniform(-2, 2, n)]


def _near_cuts(rng: Any, p: Columns) -> Columns:
    gaps = np.diff(p[0], axis=-1, prepend=p[0][:, :1] - 1)
    moved = p[0][:, :1] - 1 + np.cumsum(_relative(rng, [gaps])[0], -1)
    return [moved, p[1] + 10 ** rng.uniform(-6, -3, p[1].shape)]


# -- others ----------------------------------------------------------------------------------------


def _stacy(a: Any, c: Any, p: Any, b: Any, d: Any, q: Any) -> Any:
    k = c / p
    mean_log = mp.log(a) + mp.psi(0, k) / p
    power = mp.exp(mp.loggamma(k + q / p) - mp.loggamma(k) + q * mp.log(a / b))
    norm = mp.log(p) - c * mp.log(a) - mp.loggamma(k)
    other = mp.log(q) - d * mp.log(b) - mp.loggamma(d / q)
    return norm - other + (c - d) * mean_log - k + power


def _nakagami(m: Any, s: Any, n: Any, t: Any) -> Any:
    logs = (m - n) * mp.psi(0, m) + mp.loggamma(n) - mp.loggamma(m)
    return logs + n * mp.log(m * t / (n * s)) + n * s / t - m


def _inverse_gamma(a: Any, r: Any, b: Any, s: Any) -> Any:
    return (
        (a - b) * mp.psi(0, a)
        + mp.loggamma(b)
        - mp.loggamma(a)
        + b * mp.log(r / s)
        + a * (s / r - 1)
    )


def _normal_inverse_gamma(*x: Any) -> Any:
    m, k, a, r, n, j, b, s = x
    counts = mp.log(k / j) + j / k - 1 + j * (m - n) ** 2 * a / r
    return counts / 2 + _inverse_gamma(a, r, b, s)


def _log_series(p: Any, q: Any) -> Any:
    first, second = (-mp.log(1 - x) for x in (p, q))
    return mp.log(second / first) - p / ((1 - p) * first) * mp.log(q / p)


def _kumaraswamy(a: Any, b: Any, c: Any, d: Any) -> Any:
    """In y = -log(1 - x^a), exponentially distributed: E log u^t and E log(1 - u^t)."""

    def integrand(y: Any) -> Any:
        log_u = mp.log1p(-mp.exp(-y))
        inner = mp.log(-mp.expm1(c / a * log_u))
        return b * mp.exp(-b * y) * ((1 - c / a) * log_u - (b - 1) * y - (d - 1) * inner)

    ends = [0, 1e-3, 0.03, 0.3, 1, 3, 10, 30, 100, 300, 1000]
    return mp.log(a * b / (c * d)) + mp.quad(integrand, [x / b for x in ends])


def _positive(count: int, low: float = -6, high: float = 6) -> Callable[[Any, int], Columns]:
    return lambda rng, n: [_decades(rng, n, low, high) for _ in range(count)]


def _stacy_draw(rng: Any, n: int) -> Columns:
    return [_decades(rng, n, -0.5, 0.5), _decades(rng, n, -1, 1), _decades(rng, n, -0.3, 0.3)]


CASES = {
    "VonMises": Case(_angles, _near_angles, _von_mises),
    "VonMisesFisher": Case(_directions(3), _near_directions, _von_mises_fisher),
    "VonMisesFisher in 8 dimensions": Case(_directions(8), _near_directions, _von_mises_fisher, 12),
    "VonMisesFisher in 30 dimensions": Case(
        _directions(30), _near_directions, _von_mises_fisher, 6
    ),
    "OrderedLogistic": Case(_cuts, _near_cuts, _of_categories(_ordered)),
    "StoppingRatioLogistic": Case(_cuts, _near_cuts, _of_categories(_stopping)),
    "ProbitBernoulli": Case(
        lambda rng, n: [rng.uniform(-8, 8, n)], _relative, _of_categories(_probit)
    ),
    "GeneralizedGamma": Case(_stacy_draw, _relative, _stacy),
    "Frechet": Case(
        lambda rng, n: [_decades(rng, n, -0.2, 0.2), _decades(rng, n, -0.2, 0.2)],
        _relative,
        lambda s, a, t, b: _stacy(1 / s, a, a, 1 / t, b, b),
    ),
    "Nakagami": Case(_positive(2), _relative, _nakagami),
    "Levy": Case(_positive(1), _relative, lambda c, d: (mp.log(c / d) + d / c - 1) / 2),
    "LogSeries": Case(
        lambda rng, n: [1 / (1 + _decades(rng, n, -5.5, 5.5))],
        lambda rng, p: [p[0] + 10 ** rng.uniform(-6, -3, p[0].shape) * (0.5 - p[0])],
        _log_series,
    ),
    "NormalInverseGamma": Case(
        lambda rng, n: [rng.normal(size=n), *[_decades(rng, n, -3, 3) for _ in range(3)]],
        _relative,
        _normal_inverse_gamma,
    ),
    "Kumaraswamy": Case(_positive(2, -1, 1), _relative, _kumaraswamy, 1),
}


def _exact(x: Any) -> Any:
    return [mp.mpf(float(one)) for one in x] if np.ndim(x) else mp.mpf(float(x))


def _gradient(case: Case, point: list[Any]) -> list[Any]:
    """Central differences at 60 digits, flat."""
    slopes = []
    for i, x in enumerate(point):
        for k in range(len(x) if isinstance(x, list) else 1):
            ends = []
            h = mp.mpf(10) ** -22 * abs(x[k] if isinstance(x, list) else x)
            for sign in (1, -1):
                one = list(x) if isinstance(x, list) else x + sign * h
                if isinstance(x, list):
                    one[k] = x[k] + sign * h
                ends.append(case.kl(*point[:i], one, *point[i + 1 :]))
            slopes.append((ends[0] - ends[1]) / (2 * h))
    return slopes


def _worst(name: str, parameters: Columns) -> tuple[float, float]:
    """The largest errors, in eps: of the value, and of the gradient in norm."""
    case, family = CASES[name], getattr(distributions, name.split()[0])
    leaves = [torch.tensor(x, requires_grad=True) for x in parameters]
    half = len(leaves) // 2
    value = kl(family(*leaves[:half]), family(*leaves[half:]))
    gradient = [g.numpy() for g in torch.autograd.grad(3 * value.sum(), leaves)]
    assert (value >= 0).all()
    errors: list[tuple[float, float]] = []
    with mp.workdps(60):
        for k in range(case.draws):
            point = [_exact(x[k]) for x in parameters]
            exact, slopes = case.kl(*point), _gradient(case, point)
            flat = [y for g in gradient for y in np.atleast_1d(g[k] / 3)]
            size = mp.sqrt(sum(s * s for s in slopes))
            off = [mp.mpf(float(g)) - s for g, s in zip(flat, slopes, strict=True)]
            of_value = abs(mp.mpf(float(value[k].detach())) - exact) / exact
            errors.append((float(of_value), float(mp.sqrt(sum(x * x for x in off)) / size)))
    eps = float(np.finfo(parameters[0].dtype).eps)
    return max(e[0] for e in errors) / eps, max(e[1] for e in errors) / eps


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("distance", ["near", "far"])
@pytest.mark.parametrize("name", CASES)
def test_accuracy(name: str, distance: str, dtype: Any) -> None:
    case, rng = CASES[name], np.random.default_rng([ord(letter) for letter in name])
    p = [x.astype(dtype) for x in case.draw(rng, case.draws)]
    q = case.near(rng, p) if distance == "near" else case.draw(rng, case.draws)
    of_value, of_gradient = _worst(name, [*p, *[x.astype(dtype) for x in q]])
    assert of_value < LIMIT
    assert of_gradient < LIMIT
