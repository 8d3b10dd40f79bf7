"""The special functions against mpmath, and the constants that they are made of."""

from typing import Any

import numpy as np
import pytest
from mpmath import mp

from unikl.backends import numpy as room
from unikl.distributions import binet, elementary, special

X = 10 ** np.linspace(-6, 6, 121)


def _eps(got: Any, exact: list[Any], size: list[Any] | None = None) -> float:
    """The largest error in eps of got's dtype, relative to `size` (else to the exact values)."""
    errors = [
        abs(mp.mpf(float(g)) - e) / s
        for g, e, s in zip(got, exact, size or [abs(e) for e in exact], strict=True)
    ]
    return float(max(errors)) / float(np.finfo(got.dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_log_gamma_and_its_derivatives(dtype: Any) -> None:
    x = X.astype(dtype)
    with mp.workdps(50):
        exact = [mp.mpf(float(one)) for one in x]
        for function, reference in (
            (special.lgamma, mp.loggamma),
            (special.digamma, lambda y: mp.psi(0, y)),
            (special.trigamma, lambda y: mp.psi(1, y)),
        ):
            values = [reference(y) for y in exact]
            assert _eps(function(room, x), values, [1 + abs(v) for v in values]) < 4
        entropies = [mp.loggamma(y) - (y - 1) * mp.psi(0, y) + y for y in exact]
        got = special.gamma_entropy(room, x)
        assert _eps(got, entropies, [1 + abs(v) for v in entropies]) < 8


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_divergences_of_numbers(dtype: Any) -> None:
    rng = np.random.default_rng(5)
    a = X.astype(dtype)
    b = (a * (1 + 10 ** rng.uniform(-6, -0.1, a.size) * rng.choice([-1, 1], a.size))).astype(dtype)
    b[::7] = a[::-1][::7]
    a, b = a[a != b], b[a != b]
    d = b - a
    with mp.workdps(60):
        pairs = [(mp.mpf(float(x)), mp.mpf(float(y))) for x, y in zip(a, b, strict=True)]
        cases: list[tuple[Any, Any]] = [
            (elementary.itakura_saito, lambda x, y: y / x - 1 - mp.log(y / x)),
            (elementary.relative_entropy, lambda x, y: x * mp.log(x / y) - x + y),
            (elementary.log_ratio, lambda x, y: mp.log(y / x)),
            (
                special.lgamma_bregman,
                lambda x, y: mp.loggamma(y) - mp.loggamma(x) - mp.psi(0, x) * (y - x),
            ),
        ]
        for function, reference in cases:
            exact = [reference(x, y) for x, y in pairs]
            assert _eps(function(room, a, b, d), exact) < 6


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_product_difference(dtype: Any) -> None:
    rng = np.random.default_rng(6)
    a, b = (10 ** rng.uniform(-6, 6, (2, 200))).astype(dtype)
    c = (a * (1 + 10 ** rng.uniform(-7, -2, 200))).astype(dtype)
    d = (b * (1 - 10 ** rng.uniform(-7, -2, 200))).astype(dtype)
    with mp.workdps(60):
        columns = [[mp.mpf(float(x)) for x in one] for one in (a, b, c, d)]
        exact = [w * x - y * z for w, x, y, z in zip(*columns, strict=True)]
        assert _eps(elementary.product_difference(room, a, b, c, d), exact) < 3
        assert _eps(a * b - c * d, exact) > 1000  # the control


def test_error_function() -> None:
    x = np.concatenate([-X[:90], X[:90]])
    with mp.workdps(30):
        assert _eps(special.erf(room, x), [mp.erf(mp.mpf(float(one))) for one in x]) < 12


def test_the_tail_is_the_gauss_rule_of_its_moments() -> None:
    """The moments are abs(B_2k) / (2k (2k - 1)), those of the asymptotic series of log-gamma."""
    with mp.workdps(40):
        for k in range(2 * len(binet._TAIL)):
            n = 2 * k + 2
            moment = abs(mp.bernoulli(n)) / (n * (n - 1))
            rule = sum(mp.mpf(w) * mp.mpf(t) ** (2 * k) for t, w in binet._TAIL)
            assert abs(rule / moment - 1) < 1e-14
