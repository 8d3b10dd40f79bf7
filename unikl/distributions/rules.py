"""General rules: a family that knows a few expectations has a divergence from many others.

KL(p || q) = -H(p) - E_p log q(x), and where log q is made of x, x^2, log x, ... a few expectations
under p are enough.  A more specific pair goes first.  Unlike the pairs of one family, these sums
have terms of both signs: the error is a few eps of the largest term.
"""

import math
from typing import Any

from ..backends import Array, Backend
from . import atoms, special_cases  # noqa: F401  (they register their pairs)
from .base import Distribution
from .beta import Beta
from .continuous_bernoulli import ContinuousBernoulli, cumulants
from .exponential import Exponential
from .gamma import Gamma, InverseGamma
from .gumbel import Gumbel, Weibull
from .laplace import Laplace
from .normal import HalfNormal, LogNormal, Normal, Rayleigh
from .pareto import Pareto
from .registry import register_kl
from .special import HALF_LOG_TWO_PI, lgamma
from .uniform import Uniform

__all__: list[str] = []

_H = "entropy"


@register_kl(Distribution, Normal, needs=(_H, "mean", "variance"))
def _any_normal(room: Backend, p: Any, q: Normal) -> Array:
    z = (p.mean(room) - q.loc) / q.scale
    square = p.variance(room) / q.scale / q.scale + z * z
    return 0.5 * square + room.xp.log(q.scale) + HALF_LOG_TWO_PI - p.entropy(room)


@register_kl(Distribution, HalfNormal, needs=(_H, "mean", "variance"))
def _any_half_normal(room: Backend, p: Any, q: HalfNormal) -> Array:
    z = p.mean(room) / q.scale
    square = p.variance(room) / q.scale / q.scale + z * z
    return 0.5 * square + room.xp.log(q.scale) + 0.5 * math.log(math.pi / 2) - p.entropy(room)


@register_kl(Distribution, Rayleigh, needs=(_H, "mean", "variance", "mean_log"))
def _any_rayleigh(room: Backend, p: Any, q: Rayleigh) -> Array:
    z = p.mean(room) / q.scale
    square = p.variance(room) / q.scale / q.scale + z * z
    return 0.5 * square + 2 * room.xp.log(q.scale) - p.mean_log(room) - p.entropy(room)


@register_kl(Distribution, Exponential, needs=(_H, "mean"))
def _any_exponential(room: Backend, p: Any, q: Exponential) -> Array:
    return q.rate * p.mean(room) - room.xp.log(q.rate) - p.entropy(room)


@register_kl(Distribution, Gamma, needs=(_H, "mean", "mean_log"))
def _any_gamma(room: Backend, p: Any, q: Gamma) -> Array:
    a = q.concentration
    power = (a - 1) * p.mean_log(room) + a * room.xp.log(q.rate) - lgamma(room, a)
    return q.rate * p.mean(room) - power - p.entropy(room)


@register_kl(Distribution, InverseGamma, needs=(_H, "log_mean_power", "mean_log"))
def _any_inverse_gamma(room: Backend, p: Any, q: InverseGamma) -> Array:
    a, xp = q.concentration, room.xp
    power = a * xp.log(q.rate) - (a + 1) * p.mean_log(room) - lgamma(room, a)
    return q.rate * xp.exp(p.log_mean_power(room, -1)) - power - p.entropy(room)


@register_kl(Distribution, LogNormal, needs=(_H, "mean_log", "variance_log"))
def _any_log_normal(room: Backend, p: Any, q: LogNormal) -> Array:
    mean = p.mean_log(room)
    z = (mean - q.loc) / q.scale
    square = p.variance_log(room) / q.scale / q.scale + z * z
    return 0.5 * square + room.xp.log(q.scale) + HALF_LOG_TWO_PI + mean - p.entropy(room)


@register_kl(Distribution, Weibull, needs=(_H, "mean_log", "log_mean_power"))
def _any_weibull(room: Backend, p: Any, q: Weibull) -> Array:
    k, xp = q.concentration, room.xp
    log_scale = xp.log(q.scale)
    power = xp.exp(p.log_mean_power(room, k) - k * log_scale)
    return power + k * log_scale - xp.log(k) - (k - 1) * p.mean_log(room) - p.entropy(room)


@register_kl(Distribution, Pareto, needs=(_H, "mean_log"))
def _any_pareto(room: Backend, p: Any, q: Pareto) -> Array:
    xp, a = room.xp, q.alpha
    power = (a + 1) * p.mean_log(room) - a * xp.log(q.scale)
    return power - xp.log(a) - p.entropy(room)


@register_kl(Distribution, Uniform, needs=(_H,))
def _any_uniform(room: Backend, p: Any, q: Uniform) -> Array:
    return room.xp.log(q.high - q.low) - p.entropy(room)


@register_kl(Distribution, Beta, needs=(_H, "mean_log", "mean_log1m"))
def _any_beta(room: Backend, p: Any, q: Beta) -> Array:
    a, b = q.concentration1, q.concentration0
    log_beta = lgamma(room, a) + lgamma(room, b) - lgamma(room, a + b)
    powers = (a - 1) * p.mean_log(room) + (b - 1) * p.mean_log1m(room)
    return log_beta - powers - p.entropy(room)


@register_kl(Distribution, ContinuousBernoulli, needs=(_H, "mean"))
def _any_continuous_bernoulli(room: Backend, p: Any, q: ContinuousBernoulli) -> Array:
    eta = q.eta(room)
    return cumulants(room, eta)[0] - eta * p.mean(room) - p.entropy(room)


@register_kl(Distribution, Gumbel, needs=(_H, "mean", "cumulant"))
def _any_gumbel(room: Backend, p: Any, q: Gumbel) -> Array:
    xp, m, s = room.xp, q.loc, q.scale
    tail = xp.exp(p.cumulant(room, -1 / s, m))
    return tail + (p.mean(room) - m) / s + xp.log(s) - p.entropy(room)


@register_kl(Distribution, Laplace, needs=(_H, "mean_distance"))
def _any_laplace(room: Backend, p: Any, q: Laplace) -> Array:
    distance = p.mean_distance(room, q.loc) / q.scale
    return distance + room.xp.log(q.scale) + math.log(2) - p.entropy(room)
