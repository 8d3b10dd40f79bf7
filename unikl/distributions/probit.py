"""The Bernoulli distribution by its probit."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, real
from .elementary import elementwise, like, log1p
from .gauss import gauss_legendre
from .ordinal import bregman_term
from .registry import register_kl
from .special import HALF_LOG_TWO_PI

__all__ = ["ProbitBernoulli", "log_cdf_step", "mills_ratio", "normal_cdf"]

_NODES, _WEIGHTS = gauss_legendre(32)


def _integral(room: Backend, z: Array, end: Array) -> Array:
    """int_0^end exp(-z t - t^2/2) dt."""
    xp = room.xp
    t = xp.expand_dims(end, axis=-1) * like(room, _NODES, z)
    values = like(room, _WEIGHTS, z) * xp.exp(-t * (xp.expand_dims(z, axis=-1) + 0.5 * t))
    return end * xp.squeeze(room.sum(values, (-1,)), axis=(-1,))


@elementwise(lambda room, z: (z * mills_ratio(room, z) - 1,))
def mills_ratio(room: Backend, z: Array) -> Array:
    """(1 - Phi(z)) / phi(z) of the normal distribution, for z >= 0."""
    return _integral(room, z, 80 / (z + (z * z + 80) ** 0.5))


def _density(room: Backend, x: Array) -> Array:
    """The normal density; the square in two parts, lest its rounding be multiplied."""
    splitter = 2 ** math.ceil((1 - math.log2(room.eps(x.dtype))) / 2) + 1
    bounded = room.xp.where(room.xp.abs(x) < 64, x, 64.0)
    fixed = room.stop_gradient(bounded)
    high = fixed * splitter - (fixed * splitter - fixed)
    rest = room.xp.exp(-0.5 * (bounded - high) * (bounded + high))
    return room.xp.exp(-0.5 * high * high) * rest * (1 / math.sqrt(2 * math.pi))


@elementwise(lambda room, x: (_density(room, x),))
def normal_cdf(room: Backend, x: Array) -> Array:
    """The normal distribution function, to full relative accuracy also in the lower tail."""
    tail = _density(room, x) * mills_ratio(room, room.xp.abs(x))
    return room.xp.where(x < 0, tail, 1 - tail)


def _hazard(room: Backend, x: Array) -> Array:
    """The derivative of the logarithm of `normal_cdf`."""
    xp = room.xp
    mills = mills_ratio(room, xp.abs(x))
    density = _density(room, x)
    return xp.where(x < 0, 1 / mills, density / (1 - xp.where(x < 0, 0.0, density * mills)))


def _log_cdf(room: Backend, x: Array) -> Array:
    xp = room.xp
    mills = mills_ratio(room, xp.abs(x))
    below = xp.log(mills) - 0.5 * x * x - HALF_LOG_TWO_PI
    return xp.where(x < 0, below, log1p(room, -xp.where(x < 0, 0.0, _density(room, x) * mills)))


@elementwise(lambda room, x, y, d: (-_hazard(room, x), _hazard(room, y), None))
def log_cdf_step(room: Backend, x: Array, y: Array, d: Array) -> Array:
    """The logarithm of ``normal_cdf(y) / normal_cdf(x)``, given ``d = y - x``."""
    xp = room.xp
    near = xp.abs(d) * (1 + xp.abs(x)) < 1
    u = xp.where(near, _hazard(room, x) * _integral(room, x, xp.where(near, d, 0.0)), 0.0)
    near = near & (u > -0.5) & (u < 1)
    close = log1p(room, xp.where(near, u, 0.0))
    return xp.where(near, close, _log_cdf(room, y) - _log_cdf(room, x))


@dataclass(frozen=True, eq=False)
class ProbitBernoulli(Distribution):
    r"""1 with probability Phi(probits), else 0; Phi is the normal distribution function.

    .. math:: \mathrm{KL} = \sum_{\pm} \Phi(\pm x)\,
              \chi\!\left(\log \frac{\Phi(\pm y)}{\Phi(\pm x)}\right),
              \qquad \chi(d) = e^d - 1 - d

    with the logarithms from the integral of the density between x and y where they are near, and
    Mills' ratio elsewhere.

    Parameters
    ----------
    probits : array
        Real.

    References
    ----------
    .. [1] C. I. Bliss, "The Method of Probits", Science 79 (1934) 38.

    Examples
    --------
    >>> from unikl.distributions import ProbitBernoulli, kl
    >>> print(f"{float(kl(ProbitBernoulli(0.5), ProbitBernoulli(-1.0))):.12f}")
    0.708372866628
    """

    probits: Any

    def support(self, room: Backend) -> Support:
        """0 and 1."""
        return Support(0, 1, lattice=True)

    def conditions(self, room: Backend) -> list[Condition]:
        """Real probits."""
        return [real("probits", self.probits)]

    def log_density(self, room: Backend, x: Array) -> Array:
        """log P(x)."""
        return _log_cdf(room, room.xp.where(x > 0.5, self.probits, -self.probits))


@register_kl(ProbitBernoulli, ProbitBernoulli)
def _probit(room: Backend, p: ProbitBernoulli, q: ProbitBernoulli) -> Array:
    x, y = p.probits, q.probits
    return _side(room, x, y, y - x) + _side(room, -x, -y, x - y)


def _side(room: Backend, x: Array, y: Array, d: Array) -> Array:
    step = log_cdf_step(room, x, y, d)
    return bregman_term(room, normal_cdf(room, x), normal_cdf(room, y), step)
