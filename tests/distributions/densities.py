"""Densities and draws of parameters, in mpmath; nothing here is shared with the library.

`FAMILIES` maps a name to a `Family`; `divergence` is KL(p || q) from the definition, by quadrature
or summation at the working precision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp

from tests.distributions.integrals import between, beyond, trapezoid

Params = dict[str, Any]


class Family(NamedTuple):
    """One family: how its parameters are drawn, its log-density and where it lives."""

    draw: Callable[[np.random.Generator], dict[str, float]]
    log_density: Callable[..., Any]
    domain: str  # real, heavy, circle, positive, unit, interval, above; count, natural, bit, trials


@lru_cache(4096)
def _log_gamma(x: Any) -> Any:
    return mp.loggamma(x)


def _positive(rng: Any) -> float:
    return float(np.exp(rng.uniform(-1.1, 1.3)))


def _moderate(rng: Any) -> float:
    return float(np.exp(rng.uniform(-0.3, 0.8)))


def _real(rng: Any) -> float:
    return float(rng.uniform(-1.5, 1.5))


def _probability(rng: Any) -> float:
    return float(rng.uniform(0.08, 0.92))


def _draws(**kinds: Any) -> Any:
    return lambda rng: {name: kind(rng) for name, kind in kinds.items()}


_LOC_SCALE = _draws(loc=_real, scale=_positive)
_SCALE = _draws(scale=_positive)
_SHAPE_RATE = _draws(concentration=_positive, rate=_positive)
_SHAPE_SCALE = _draws(concentration=_positive, scale=_positive)


def _gamma(x: Any, concentration: Any, rate: Any) -> Any:
    a = concentration
    return a * mp.log(rate) - _log_gamma(a) + (a - 1) * mp.log(x) - rate * x


def _normal(x: Any, loc: Any, scale: Any) -> Any:
    return -(((x - loc) / scale) ** 2) / 2 - mp.log(scale) - mp.log(2 * mp.pi) / 2


def _cauchy(x: Any, loc: Any, scale: Any) -> Any:
    return -mp.log(mp.pi * scale * (1 + ((x - loc) / scale) ** 2))


def _gumbel(x: Any, loc: Any, scale: Any) -> Any:
    z = (x - loc) / scale
    return -z - mp.exp(-z) - mp.log(scale)


def _student(x: Any, df: Any, loc: Any, scale: Any) -> Any:
    z = (x - loc) / scale
    norm = _log_gamma((df + 1) / 2) - _log_gamma(df / 2) - mp.log(df * mp.pi) / 2 - mp.log(scale)
    return norm - (df + 1) / 2 * mp.log1p(z * z / df)


def _weibull(x: Any, scale: Any, concentration: Any) -> Any:
    k, y = concentration, x / scale
    return mp.log(k / scale) + (k - 1) * mp.log(y) - y**k


def _beta(x: Any, concentration1: Any, concentration0: Any) -> Any:
    a, b = concentration1, concentration0
    return (
        (a - 1) * mp.log(x)
        + (b - 1) * mp.log1p(-x)
        - (_log_gamma(a) + _log_gamma(b) - _log_gamma(a + b))
    )


def _continuous_bernoulli(x: Any, probs: Any) -> Any:
    eta = mp.log(probs / (1 - probs))
    return eta * x - mp.log(mp.expm1(eta) / eta)


def _inverse_gaussian(x: Any, loc: Any, concentration: Any) -> Any:
    c = concentration
    return mp.log(c / (2 * mp.pi * x**3)) / 2 - c * (x - loc) ** 2 / (2 * loc**2 * x)


def _binomial(x: Any, total_count: Any, probs: Any) -> Any:
    return (
        mp.log(mp.binomial(total_count, x))
        + x * mp.log(probs)
        + (total_count - x) * mp.log1p(-probs)
    )


def _negative_binomial(x: Any, total_count: Any, probs: Any) -> Any:
    r = total_count
    choose = _log_gamma(x + r) - _log_gamma(r) - _log_gamma(x + 1)
    return choose + r * mp.log1p(-probs) + x * mp.log(probs)


def _stacy(x: Any, scale: Any, concentration: Any, power: Any) -> Any:
    c, p = concentration, power
    norm = mp.log(p) - c * mp.log(scale) - _log_gamma(c / p)
    return norm + (c - 1) * mp.log(x) - (x / scale) ** p


def _generalized_normal(x: Any, loc: Any, scale: Any, power: Any) -> Any:
    return mp.log(power / (2 * scale)) - _log_gamma(1 / power) - (abs(x - loc) / scale) ** power


def _kumaraswamy(x: Any, concentration1: Any, concentration0: Any) -> Any:
    a, b = concentration1, concentration0
    return mp.log(a * b) + (a - 1) * mp.log(x) + (b - 1) * mp.log(-mp.expm1(a * mp.log(x)))


def _frechet(x: Any, scale: Any, concentration: Any) -> Any:
    c, y = concentration, x / scale
    return mp.log(c / scale) - (c + 1) * mp.log(y) - y**-c


@lru_cache(4096)
def _log_bessel(x: Any) -> Any:
    return mp.log(mp.besseli(0, x))


def _logit(x: Any) -> Any:
    return mp.log(x) - mp.log1p(-x)


FAMILIES = {
    "Normal": Family(_LOC_SCALE, _normal, "real"),
    "LogNormal": Family(
        _draws(loc=_real, scale=lambda rng: 0.5 * _positive(rng)),
        lambda x, loc, scale: _normal(mp.log(x), loc, scale) - mp.log(x),
        "positive",
    ),
    "LogitNormal": Family(
        _LOC_SCALE,
        lambda x, loc, scale: _normal(_logit(x), loc, scale) - mp.log(x) - mp.log1p(-x),
        "unit",
    ),
    "HalfNormal": Family(
        _SCALE, lambda x, scale: mp.log(2) + _normal(x, mp.mpf(0), scale), "positive"
    ),
    "Rayleigh": Family(
        _SCALE, lambda x, scale: mp.log(x / scale**2) - x * x / (2 * scale**2), "positive"
    ),
    "Maxwell": Family(
        _SCALE,
        lambda x, scale: mp.log(mp.sqrt(2 / mp.pi) * x**2 / scale**3) - x * x / (2 * scale**2),
        "positive",
    ),
    "Laplace": Family(
        _LOC_SCALE, lambda x, loc, scale: -abs(x - loc) / scale - mp.log(2 * scale), "real"
    ),
    "Logistic": Family(
        _LOC_SCALE,
        lambda x, loc, scale: -mp.log(scale) - 2 * mp.log(2 * mp.cosh((x - loc) / (2 * scale))),
        "real",
    ),
    "StudentT": Family(
        _draws(df=lambda rng: 2.5 + _positive(rng), loc=_real, scale=_positive), _student, "heavy"
    ),
    "Cauchy": Family(_LOC_SCALE, _cauchy, "heavy"),
    "HalfCauchy": Family(
        _SCALE, lambda x, scale: mp.log(2) + _cauchy(x, mp.mpf(0), scale), "positive"
    ),
    "Gumbel": Family(_LOC_SCALE, _gumbel, "real"),
    "Weibull": Family(_SHAPE_SCALE, _weibull, "positive"),
    "Exponential": Family(
        _draws(rate=_positive), lambda x, rate: mp.log(rate) - rate * x, "positive"
    ),
    "Gamma": Family(_SHAPE_RATE, _gamma, "positive"),
    "Chi2": Family(
        _draws(df=_positive), lambda x, df: _gamma(x, df / 2, mp.mpf(1) / 2), "positive"
    ),
    "Chi": Family(
        _draws(df=_positive),
        lambda x, df: mp.log(2 * x) + _gamma(x * x, df / 2, mp.mpf(1) / 2),
        "positive",
    ),
    "InverseGamma": Family(
        _SHAPE_RATE,
        lambda x, concentration, rate: _gamma(1 / x, concentration, rate) - 2 * mp.log(x),
        "positive",
    ),
    "ExpGamma": Family(
        _SHAPE_RATE,
        lambda x, concentration, rate: _gamma(mp.exp(x), concentration, rate) + x,
        "real",
    ),
    "ExpInverseGamma": Family(
        _SHAPE_SCALE,
        lambda x, concentration, scale: _gamma(mp.exp(-x), concentration, scale) - x,
        "real",
    ),
    "InverseGaussian": Family(
        _draws(loc=_positive, concentration=_positive), _inverse_gaussian, "positive"
    ),
    "Pareto": Family(
        _draws(scale=_positive, alpha=lambda rng: 2.5 + _positive(rng)),
        lambda x, scale, alpha: mp.log(alpha) + alpha * mp.log(scale) - (alpha + 1) * mp.log(x),
        "above",
    ),
    "Beta": Family(_draws(concentration1=_positive, concentration0=_positive), _beta, "unit"),
    "ContinuousBernoulli": Family(_draws(probs=_probability), _continuous_bernoulli, "unit"),
    "Uniform": Family(
        _draws(low=lambda rng: 0.3 * rng.random(), high=lambda rng: 0.4 + 0.5 * rng.random()),
        lambda x, low, high: -mp.log(high - low),
        "interval",
    ),
    "Bernoulli": Family(
        _draws(probs=_probability),
        lambda x, probs: mp.log(probs) if x else mp.log1p(-probs),
        "bit",
    ),
    "Binomial": Family(
        _draws(total_count=lambda rng: 7.0, probs=_probability), _binomial, "trials"
    ),
    "Geometric": Family(
        _draws(probs=_probability),
        lambda x, probs: x * mp.log1p(-probs) + mp.log(probs),
        "count",
    ),
    "NegativeBinomial": Family(
        _draws(total_count=lambda rng: 3.5, probs=_probability), _negative_binomial, "count"
    ),
    "Poisson": Family(
        _draws(rate=_positive),
        lambda x, rate: x * mp.log(rate) - rate - _log_gamma(x + 1),
        "count",
    ),
    "VonMises": Family(
        _draws(loc=_real, concentration=_positive),
        lambda x, loc, concentration: (
            concentration * mp.cos(x - loc) - mp.log(2 * mp.pi) - _log_bessel(concentration)
        ),
        "circle",
    ),
    "Kumaraswamy": Family(
        _draws(concentration1=_positive, concentration0=_positive), _kumaraswamy, "unit"
    ),
    "GeneralizedGamma": Family(
        _draws(scale=_positive, concentration=_positive, power=_moderate), _stacy, "positive"
    ),
    "GeneralizedNormal": Family(
        _draws(loc=lambda rng: 0.25, scale=_positive, power=_moderate), _generalized_normal, "real"
    ),
    "Frechet": Family(_draws(scale=_moderate, concentration=_moderate), _frechet, "positive"),
    "Nakagami": Family(
        _draws(concentration=_positive, spread=_positive),
        lambda x, concentration, spread: (
            mp.log(2 * x) + _gamma(x * x, concentration, concentration / spread)
        ),
        "positive",
    ),
    "Levy": Family(
        _SCALE,
        lambda x, scale: mp.log(scale / (2 * mp.pi * x**3)) / 2 - scale / (2 * x),
        "positive",
    ),
    "LogSeries": Family(
        _draws(probs=_probability),
        lambda x, probs: x * mp.log(probs) - mp.log(-x * mp.log1p(-probs)),
        "natural",
    ),
    "ProbitBernoulli": Family(
        _draws(probits=_real),
        lambda x, probits: mp.log(mp.ncdf(probits if x else -probits)),
        "bit",
    ),
}

#: Parameters that a direction of differentiation leaves alone.
CONSTANT = ("total_count",)


def adjust(p: str, q: str, of_p: Params, of_q: Params) -> None:
    """Make the supports nest and the expectations exist, for the drawn parameters of a pair."""
    if p == "Pareto" and q == "Pareto":
        of_p["scale"] = of_q["scale"] * (1 + of_p["scale"])
    if p == "Pareto" and q == "Weibull":
        of_q["concentration"] *= 0.5
    if q == "Uniform":
        low, high = (of_p["low"], of_p["high"]) if p == "Uniform" else (0.0, 1.0)
        of_q["low"], of_q["high"] = low - of_q["low"] - 0.1, high + of_q["high"]
    if p == "Uniform" and q == "Pareto":
        of_p["low"] += 0.05
        of_q["scale"] = of_p["low"] * 0.5 / (0.5 + of_q["scale"])
    if p == "Uniform" and q in ("Laplace", "Gumbel"):
        of_q["loc"] *= 0.5
    if p == "Laplace" and q == "Gumbel":
        of_q["scale"] += 1.3 * of_p["scale"]
    if p == "Kumaraswamy" and q in ("InverseGamma", "Levy"):
        of_p["concentration1"] += 1.5
    if p != q and (
        {"InverseGamma", "ExpInverseGamma"} & {p, q} or q == "Levy"
    ):  # E 1/x, or E exp(-x)
        of_p.update({n: x + 3.2 for n, x in of_p.items() if n in ("concentration", "df")})
    if p == "InverseGamma" and q == "Weibull":
        of_q["concentration"] = 0.4 * of_q["concentration"]


def divergence(p: str, q: str, of_p: Params, of_q: Params) -> Any:
    """KL(p || q) from its definition."""
    f, g = FAMILIES[p], FAMILIES[q]
    if f.domain in ("count", "natural", "bit", "trials"):
        return _sum(f, g, of_p, of_q)

    def integrand(x: Any) -> Any:
        log_p = f.log_density(x, **of_p)
        return mp.exp(log_p) * (log_p - g.log_density(x, **of_q))

    return _integral(integrand, f, of_p, of_q, bool({"Laplace", "GeneralizedNormal"} & {p, q}))


def _sum(f: Family, g: Family, of_p: Params, of_q: Params) -> Any:
    last = {"bit": 1, "trials": int(of_p.get("total_count", 0))}.get(f.domain, 5000)
    total, x = mp.mpf(0), int(f.domain == "natural")
    while x <= last:
        log_p = f.log_density(x, **of_p)
        total += mp.exp(log_p) * (log_p - g.log_density(x, **of_q))
        if x > 30 and log_p < -mp.dps * 2.5 - 20:
            break
        x += 1
    return total


def _integral(integrand: Any, f: Family, of_p: Params, of_q: Params, kinked: bool) -> Any:
    """In a variable in which the integrand falls fast on both sides."""
    kinks = sorted(each["loc"] for each in (of_p, of_q) if kinked and "loc" in each)
    low, high = of_p.get("low"), of_p.get("high")
    if f.domain == "interval":
        ends = [low, *[k for k in kinks if low < k < high], high]
        pairs = pairwise(ends)
        return sum(between(integrand, start, end) for start, end in pairs)
    if f.domain == "circle":  # periodic, and analytic in a strip
        angles = [2 * mp.pi * k / 256 for k in range(256)]
        return sum(integrand(x) for x in angles) * 2 * mp.pi / 256
    if f.domain == "unit":
        with mp.workdps(mp.dps + 90):  # 1 - x, as close to 1 as the integrand reaches
            return between(integrand, mp.mpf(0), mp.mpf(1))
    if f.domain == "above":
        return beyond(integrand, of_p["scale"], 1)
    if f.domain == "positive":
        inside = [k for k in kinks if k > 0]
        ends = [mp.mpf(0), *inside]
        pairs = pairwise(ends)
        return beyond(integrand, ends[-1], 1) + sum(between(integrand, a, b) for a, b in pairs)
    if f.domain == "heavy":
        return trapezoid(lambda t: integrand(mp.sinh(t)) * mp.cosh(t))
    if not kinked:
        return trapezoid(integrand)
    pairs = pairwise(kinks)
    middle = sum(between(integrand, a, b) for a, b in pairs if a < b)
    return beyond(integrand, kinks[0], -1) + middle + beyond(integrand, kinks[-1], 1)
