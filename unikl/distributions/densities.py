"""Log-densities of the families on the line, for integrals where there is no closed form."""

import math
from collections.abc import Callable
from typing import Any

from ..backends import Array, Backend
from .base import Distribution
from .bernoulli import Bernoulli, Binomial, Geometric, NegativeBinomial
from .beta import Beta
from .cauchy import Cauchy, HalfCauchy
from .exponential import Exponential
from .gamma import Chi2, Gamma, InverseGamma
from .gumbel import Gumbel, Weibull
from .inverse_gaussian import InverseGaussian
from .laplace import Laplace
from .location_scale import Logistic, StudentT
from .moyal import Moyal
from .normal import HalfNormal, LogNormal, Maxwell, Normal, Rayleigh
from .pareto import Pareto
from .poisson import Poisson
from .special import HALF_LOG_TWO_PI, lgamma
from .structure import Independent, MixtureSameFamily
from .uniform import Uniform

__all__ = ["event_rank_of", "has_density", "log_density", "log_weights"]

Formula = Callable[[Backend, Any, Array], Array]


def has_density(d: Distribution) -> bool:
    """Is there a `log_density` for the distribution?"""
    if isinstance(d, MixtureSameFamily):
        return has_density(d.components)
    if isinstance(d, Independent):
        return has_density(d.base)
    return hasattr(d, "log_density") or any(cls in _FORMULAS for cls in type(d).__mro__)


def event_rank_of(d: Any) -> int:
    """How many trailing axes one outcome has."""
    if isinstance(d, MixtureSameFamily):
        return event_rank_of(d.components)
    if isinstance(d, Independent):
        return event_rank_of(d.base) + d.reinterpreted_batch_ndims
    rank: int = d.event_rank
    return rank


def log_density(room: Backend, d: Any, x: Array) -> Array:
    """log p(x) of resolved distributions, for x inside the support."""
    if isinstance(d, MixtureSameFamily):
        return _log_mixture(room, d, x)
    if isinstance(d, Independent):
        axes = tuple(range(-d.reinterpreted_batch_ndims, 0))
        return room.xp.sum(log_density(room, d.base, x), axis=axes)
    for cls in type(d).__mro__:
        if cls in _FORMULAS:
            return _FORMULAS[cls](room, d, x)
    if not hasattr(d, "log_density"):
        raise NotImplementedError(f"no density is known for {type(d).__name__}")
    return d.log_density(room, x)


def _log_mixture(room: Backend, d: MixtureSameFamily, x: Array) -> Array:
    event = (slice(None),) * event_rank_of(d)
    parts = log_weights(room, d.mixture) + log_density(room, d.components, x[(..., None, *event)])
    top = room.stop_gradient(room.max(parts, (-1,)))
    top = room.xp.where(top > -math.inf, top, 0.0)
    total = room.sum(room.xp.exp(parts - top), (-1,))
    return room.xp.squeeze(room.xp.log(total) + top, axis=-1)


def log_weights(room: Backend, d: Any) -> Array:
    """The log-probabilities of a categorical distribution."""
    xp = room.xp
    if d.logits is None:
        return xp.log(d.probs) - xp.log(room.sum(d.probs, (-1,)))
    top = room.stop_gradient(room.max(d.logits, (-1,)))
    return d.logits - top - xp.log(room.sum(xp.exp(d.logits - top), (-1,)))


def _location_scale(kernel: Callable[[Any, Array], Array]) -> Formula:
    """From the log-density at location 0 and scale 1."""

    def formula(room: Backend, d: Any, x: Array) -> Array:
        return kernel(room.xp, (x - d.loc) / d.scale) - room.xp.log(d.scale)

    return formula


def _on_half_line(kernel: Callable[[Any, Array], Array]) -> Formula:
    """From the log-density at scale 1."""

    def formula(room: Backend, d: Any, x: Array) -> Array:
        return kernel(room.xp, x / d.scale) - room.xp.log(d.scale)

    return formula


def _log_normal(room: Backend, d: Any, x: Array) -> Array:
    log_x = room.xp.log(x)
    return _FORMULAS[Normal](room, Normal(d.loc, d.scale), log_x) - log_x


def _student(room: Backend, d: Any, x: Array) -> Array:
    xp, half = room.xp, 0.5 * d.df
    z = (x - d.loc) / d.scale
    constant = lgamma(room, half + 0.5) - lgamma(room, half) - 0.5 * xp.log(math.pi * d.df)
    return constant - xp.log(d.scale) - (half + 0.5) * xp.log1p(z * z / d.df)


def _gamma(room: Backend, d: Any, x: Array) -> Array:
    xp, a = room.xp, d.concentration
    return a * xp.log(d.rate) - lgamma(room, a) + (a - 1) * xp.log(x) - d.rate * x


def _inverse_gamma(room: Backend, d: Any, x: Array) -> Array:
    xp, a = room.xp, d.concentration
    return a * xp.log(d.rate) - lgamma(room, a) - (a + 1) * xp.log(x) - d.rate / x


def _chi2(room: Backend, d: Any, x: Array) -> Array:
    return _gamma(room, Gamma(0.5 * d.df, 0.5 + 0 * d.df), x)


def _exponential(room: Backend, d: Any, x: Array) -> Array:
    return room.xp.log(d.rate) - d.rate * x


def _weibull(room: Backend, d: Any, x: Array) -> Array:
    xp, k = room.xp, d.concentration
    log_z = xp.log(x / d.scale)
    return xp.log(k / d.scale) + (k - 1) * log_z - xp.exp(k * log_z)


def _pareto(room: Backend, d: Any, x: Array) -> Array:
    return room.xp.log(d.alpha / x) + d.alpha * room.xp.log(d.scale / x)


def _beta(room: Backend, d: Any, x: Array) -> Array:
    xp, a, b = room.xp, d.concentration1, d.concentration0
    constant = lgamma(room, a + b) - lgamma(room, a) - lgamma(room, b)
    return constant + (a - 1) * xp.log(x) + (b - 1) * xp.log1p(-x)


def _uniform(room: Backend, d: Any, x: Array) -> Array:
    return 0 * x - room.xp.log(d.high - d.low)


def _inverse_gaussian(room: Backend, d: Any, x: Array) -> Array:
    xp, z = room.xp, (x - d.loc) / d.loc
    power = -0.5 * d.concentration * z * z / x
    return power + 0.5 * xp.log(d.concentration) - 1.5 * xp.log(x) - HALF_LOG_TWO_PI


def _log_odds(room: Backend, d: Any) -> tuple[Array, Array]:
    """log probs and log(1 - probs)."""
    xp = room.xp
    if d.logits is None:
        return xp.log(d.probs), xp.log1p(-d.probs)
    return -xp.log1p(xp.exp(-d.logits)), -xp.log1p(xp.exp(d.logits))


def _times(room: Backend, n: Array, log_p: Array) -> Array:
    """n log p, 0 where n = 0."""
    return room.xp.where(n == 0, 0.0, n * log_p)


def _bernoulli(room: Backend, d: Any, x: Array) -> Array:
    yes, no = _log_odds(room, d)
    return _times(room, x, yes) + _times(room, 1 - x, no)


def _geometric(room: Backend, d: Any, x: Array) -> Array:
    yes, no = _log_odds(room, d)
    return yes + _times(room, x, no)


def _binomial(room: Backend, d: Any, x: Array) -> Array:
    yes, no = _log_odds(room, d)
    n = d.total_count
    ways = lgamma(room, n + 1) - lgamma(room, x + 1) - lgamma(room, n - x + 1)
    return ways + _times(room, x, yes) + _times(room, n - x, no)


def _negative_binomial(room: Backend, d: Any, x: Array) -> Array:
    yes, no = _log_odds(room, d)
    n = d.total_count
    ways = lgamma(room, n + x) - lgamma(room, x + 1) - lgamma(room, n)
    return ways + _times(room, x, yes) + n * no


def _poisson(room: Backend, d: Any, x: Array) -> Array:
    return _times(room, x, room.xp.log(d.rate)) - d.rate - lgamma(room, x + 1)


_HALF_LOG_PI = 0.5 * math.log(math.pi)
_LOG_2 = math.log(2.0)

_FORMULAS: dict[type[Distribution], Formula] = {
    Bernoulli: _bernoulli,
    Beta: _beta,
    Binomial: _binomial,
    Cauchy: _location_scale(lambda xp, z: -xp.log1p(z * z) - 2 * _HALF_LOG_PI),
    Chi2: _chi2,
    Exponential: _exponential,
    Gamma: _gamma,
    Geometric: _geometric,
    Gumbel: _location_scale(lambda xp, z: -z - xp.exp(-z)),
    HalfCauchy: _on_half_line(lambda xp, z: _LOG_2 - xp.log1p(z * z) - 2 * _HALF_LOG_PI),
    HalfNormal: _on_half_line(lambda xp, z: _LOG_2 - 0.5 * z * z - HALF_LOG_TWO_PI),
    InverseGamma: _inverse_gamma,
    InverseGaussian: _inverse_gaussian,
    Laplace: _location_scale(lambda xp, z: -xp.abs(z) - _LOG_2),
    LogNormal: _log_normal,
    Logistic: _location_scale(lambda xp, z: -xp.abs(z) - 2 * xp.log1p(xp.exp(-xp.abs(z)))),
    Maxwell: _on_half_line(lambda xp, z: _LOG_2 - HALF_LOG_TWO_PI + 2 * xp.log(z) - 0.5 * z * z),
    Moyal: _location_scale(lambda xp, z: -0.5 * (z + xp.exp(-z)) - HALF_LOG_TWO_PI),
    NegativeBinomial: _negative_binomial,
    Normal: _location_scale(lambda xp, z: -0.5 * z * z - HALF_LOG_TWO_PI),
    Pareto: _pareto,
    Poisson: _poisson,
    Rayleigh: _on_half_line(lambda xp, z: xp.log(z) - 0.5 * z * z),
    StudentT: _student,
    Uniform: _uniform,
    Weibull: _weibull,
}
