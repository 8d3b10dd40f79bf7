"""KL divergences in closed form, in mpmath; nothing here is shared with the library.

Textbook formulas, at a precision where their cancellations do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mpmath import mp


class ClosedForm(NamedTuple):
    """The divergence as a function of p's and then q's parameters, and what they are."""

    kinds: str  # one letter a parameter: p positive, k moderate, r real, u between 0 and 1
    kl: Callable[..., Any]


def _psi(x: Any) -> Any:
    return mp.psi(0, x)


def _gamma(a: Any, r: Any, b: Any, s: Any) -> Any:
    gammas = mp.loggamma(b) - mp.loggamma(a)
    return (a - b) * _psi(a) + gammas + b * mp.log(r / s) + a * (s - r) / r


def _beta(a: Any, b: Any, c: Any, d: Any) -> Any:
    def log_beta(x: Any, y: Any) -> Any:
        return mp.loggamma(x) + mp.loggamma(y) - mp.loggamma(x + y)

    logs = (a - c) * _psi(a) + (b - d) * _psi(b) + (c - a + d - b) * _psi(a + b)
    return log_beta(c, d) - log_beta(a, b) + logs


def _gumbel(m: Any, s: Any, n: Any, t: Any) -> Any:
    scales = mp.log(t / s) + mp.euler * (s / t - 1)
    return scales + mp.exp((n - m) / t) * mp.gamma(1 + s / t) - 1 + (m - n) / t


def _weibull(s: Any, k: Any, t: Any, j: Any) -> Any:
    logs = mp.log(k / s**k) - mp.log(j / t**j) + (k - j) * (mp.log(s) - mp.euler / k)
    return logs + (s / t) ** j * mp.gamma(j / k + 1) - 1


def _normal(m: Any, s: Any, n: Any, t: Any) -> Any:
    return mp.log(t / s) + (s * s + (m - n) ** 2) / (2 * t * t) - mp.mpf(1) / 2


def _laplace(m: Any, s: Any, n: Any, t: Any) -> Any:
    x = abs(m - n)
    return mp.log(t / s) + s / t * mp.exp(-x / s) + x / t - 1


def _bernoulli(p: Any, q: Any) -> Any:
    return p * mp.log(p / q) + (1 - p) * mp.log((1 - p) / (1 - q))


def _continuous_bernoulli(p: Any, q: Any) -> Any:
    def log_normaliser(eta: Any) -> Any:
        return mp.log(mp.expm1(eta) / eta)

    eta, other = mp.log(p / (1 - p)), mp.log(q / (1 - q))
    mean = 1 / (1 - mp.exp(-eta)) - 1 / eta
    return log_normaliser(other) - log_normaliser(eta) - mean * (other - eta)


def _inverse_gaussian(m: Any, a: Any, n: Any, b: Any) -> Any:
    return (mp.log(a / b) - 1 + b / a + b * (m - n) ** 2 / (n * n * m)) / 2


def _cauchy(m: Any, s: Any, n: Any, t: Any) -> Any:
    return mp.log(((s + t) ** 2 + (m - n) ** 2) / (4 * s * t))


CLOSED_FORMS = {
    "Normal": ClosedForm("rp", _normal),
    "LogNormal": ClosedForm("rp", _normal),
    "HalfNormal": ClosedForm("p", lambda s, t: _normal(0, s, 0, t)),
    "Rayleigh": ClosedForm("p", lambda s, t: 2 * _normal(0, s, 0, t)),
    "Laplace": ClosedForm("rp", _laplace),
    "Cauchy": ClosedForm("rp", _cauchy),
    "Gumbel": ClosedForm("rp", _gumbel),
    "Weibull": ClosedForm("pk", _weibull),
    "Exponential": ClosedForm("p", lambda r, s: mp.log(r / s) + s / r - 1),
    "Pareto": ClosedForm(
        "pp", lambda m, a, n, b: mp.log(a / b) + b / a - 1 + b * mp.log(m / n) if m >= n else mp.inf
    ),
    "Gamma": ClosedForm("pp", _gamma),
    "InverseGamma": ClosedForm("pp", _gamma),
    "Chi2": ClosedForm("p", lambda a, b: _gamma(a / 2, mp.mpf(1), b / 2, mp.mpf(1))),
    "InverseGaussian": ClosedForm("pp", _inverse_gaussian),
    "Beta": ClosedForm("pp", _beta),
    "ContinuousBernoulli": ClosedForm("u", _continuous_bernoulli),
    "Bernoulli": ClosedForm("u", _bernoulli),
    "Geometric": ClosedForm("u", lambda p, q: _bernoulli(p, q) / p),
    "Poisson": ClosedForm("p", lambda a, b: a * mp.log(a / b) - a + b),
}
