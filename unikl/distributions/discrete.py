"""Distributions on the integers: logarithmic, and uniform."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..backends import Array, Backend
from ..numerics import psi
from .base import Condition, Distribution, Support, real
from .elementary import (
    _exp_excess,
    _itakura_saito,
    _relative_entropy,
    elementwise,
    like,
    log1p,
    log_ratio,
)
from .registry import register_kl

__all__ = ["DiscreteUniform", "LogSeries"]


@dataclass(frozen=True, eq=False)
class DiscreteUniform(Distribution):
    """The uniform distribution on the integers from `low` to `high`, both included.

    The divergence is log(n_q / n_p) of the numbers of outcomes, where q's include p's.

    Parameters
    ----------
    low, high : array
        Integers, low <= high.

    References
    ----------
    .. [1] N. L. Johnson, A. W. Kemp and S. Kotz, Univariate Discrete Distributions (2005),
       section 6.10.

    Examples
    --------
    >>> from unikl.distributions import DiscreteUniform, kl
    >>> print(f"{float(kl(DiscreteUniform(1, 6), DiscreteUniform(0, 11))):.12f}")
    0.693147180560
    """

    low: Any
    high: Any

    def support(self, room: Backend) -> Support:
        """From low to high."""
        return Support(self.low, self.high, lattice=True)

    def conditions(self, room: Backend) -> list[Condition]:
        """Real bounds, low at most high."""
        above = Condition("high", self.high >= self.low, "at least low")
        return [real("low", self.low), real("high", self.high), above]

    def log_density(self, room: Backend, x: Array) -> Array:
        """log P(x)."""
        return 0 * x - room.xp.log(self.high - self.low + 1)


@register_kl(DiscreteUniform, DiscreteUniform)
def _discrete_uniform(room: Backend, p: DiscreteUniform, q: DiscreteUniform) -> Array:
    wider = (q.high - p.high) + (p.low - q.low)
    return log_ratio(room, p.high - p.low + 1, q.high - q.low + 1, wider)


@dataclass(frozen=True, eq=False)
class LogSeries(Distribution):
    r"""The logarithmic distribution, ``probs^k / (-k log(1 - probs))`` for k = 1, 2, ...

    .. math:: \mathrm{KL} = \log\frac{L_2}{L_1} - \frac{p_1}{(1-p_1) L_1} \log\frac{p_2}{p_1},
              \qquad L = -\log(1 - p)

    Parameters
    ----------
    probs : array
        Strictly between 0 and 1.

    References
    ----------
    .. [1] R. A. Fisher, A. S. Corbet and C. B. Williams, J. Animal Ecology 12 (1943) 42.

    Examples
    --------
    >>> from unikl.distributions import LogSeries, kl
    >>> print(f"{float(kl(LogSeries(0.5), LogSeries(0.9))):.12f}")
    0.352548459275
    """

    probs: Any

    def support(self, room: Backend) -> Support:
        """1, 2, ..."""
        return Support(1, math.inf, lattice=True)

    def conditions(self, room: Backend) -> list[Condition]:
        """A probability strictly between 0 and 1."""
        inside = (self.probs > 0) & (self.probs < 1)
        return [Condition("probs", inside, "strictly between 0 and 1")]

    def log_density(self, room: Backend, x: Array) -> Array:
        """log P(x)."""
        xp = room.xp
        return x * xp.log(self.probs) - xp.log(x) - xp.log(-xp.log1p(-self.probs))


@register_kl(LogSeries, LogSeries)
def _log_series(room: Backend, p: LogSeries, q: LogSeries) -> Array:
    return _log_series_bregman(room, p.probs, q.probs, q.probs - p.probs)


_TERMS = [float(k) for k in range(64)]  # 2^-64 is what the next one would add


class _Series(NamedTuple):
    """The distribution of k - 1 for probs up to 1/2, where closed forms cancel; on a last axis."""

    k: Array
    weights: Array
    mean: Array
    log_total: Array  # log(L / probs)


def _series(room: Backend, p: Array) -> _Series:
    xp, k = room.xp, like(room, _TERMS, p)
    mass = xp.exp(k * xp.expand_dims(xp.log(p), axis=-1)) / (k + 1)
    rest = room.sum(xp.where(k > 0, mass, 0.0), (-1,))
    weights = mass / (1 + rest)
    return _Series(k, weights, room.sum(k * weights, (-1,)), log1p(room, rest))


def _last(room: Backend, x: Array) -> Array:
    return room.xp.squeeze(x, axis=(-1,))


def _variance(room: Backend, p: Array) -> Array:
    """Var k."""
    xp, small = room.xp, p <= 0.5
    one = _series(room, xp.where(small, p, 0.25))
    by_sum = _last(room, room.sum(one.weights * (one.k - one.mean) ** 2, (-1,)))
    x = xp.where(small, 0.75, p)
    mean = x / ((1 - x) * -log1p(room, -x))
    return xp.where(small, by_sum, mean * (1 / (1 - x) - mean))


def _near_series(room: Backend, a: Array, h: Array) -> tuple[Array, Array]:
    """E chi(h (k - E k)) under a, and the mean under b = a exp(h) less that under a."""
    xp, one = room.xp, _series(room, a)
    x = one.k - one.mean
    power = xp.expand_dims(h, axis=-1) * x
    excess = _last(room, room.sum(one.weights * _exp_excess(room, power), (-1,)))
    slope = _last(room, room.sum(one.weights * x * xp.expm1(power), (-1,)))
    return excess, slope / (1 + excess)


class _Ways(NamedTuple):
    """How to compute with two parameters."""

    small: Array  # both at most 1/2: by the series
    near: Array  # of these: those at most e apart
    a: Array  # the parameters of the series, and log(b/a), harmless elsewhere
    b: Array
    h: Array
    x: Array  # the parameters of the logarithms, likewise
    y: Array


def _ways(room: Backend, a: Array, b: Array, d: Array) -> _Ways:
    xp, h = room.xp, _log_ratio(room, a, b, d)
    small = (a <= 0.5) & (b <= 0.5)
    near = small & (xp.abs(h) < 1)
    return _Ways(
        small,
        near,
        xp.where(small, a, 0.25),
        xp.where(small, b, 0.25),
        xp.where(near, h, 0.0),
        xp.where(small, 0.75, a),
        xp.where(small, 0.75, b),
    )


def _partials(room: Backend, a: Array, b: Array, d: Array) -> tuple[Any, ...]:
    xp, ways = room.xp, _ways(room, a, b, d)
    close = _near_series(room, ways.a, ways.h)[1]
    plain = _last(room, _series(room, ways.b).mean - _series(room, ways.a).mean)
    x, y, step = ways.x, ways.y, xp.where(ways.small, 0.0, d)
    first, second = -log1p(room, -x), -log1p(room, -y)
    logs = _log_ratio(room, x, y, step) - _log_ratio(room, 1 - x, 1 - y, -step)
    growth = _log_ratio(room, first, second, -_log_ratio(room, 1 - x, 1 - y, -step))
    of_means = x / ((1 - x) * first) * xp.expm1(logs - growth)
    slope = xp.where(ways.near, close, xp.where(ways.small, plain, of_means))
    return -_log_ratio(room, a, b, d) * _variance(room, a) / a, slope / b, None


@elementwise(_partials)
def _log_series_bregman(room: Backend, a: Array, b: Array, d: Array) -> Array:
    xp, ways = room.xp, _ways(room, a, b, d)
    close = log1p(room, _near_series(room, ways.a, ways.h)[0])
    one, other = _series(room, ways.a), _series(room, ways.b)
    apart = _last(room, other.log_total - one.log_total - one.mean * xp.log(b / a)[..., None])
    logs = _by_logarithms(room, ways.x, ways.y, xp.where(ways.small, 0.0, d))
    return xp.where(ways.near, close, xp.where(ways.small, apart, logs))


def _by_logarithms(room: Backend, a: Array, b: Array, d: Array) -> Array:
    """D/L - (w - log(1 + w)): 1 + w is the ratio of the L = -log(1 - p), D the divergence of L.

    Where the L are far apart, as it stands above.
    """
    xp = room.xp
    first, second = -log1p(room, -a), -log1p(room, -b)
    w = -_log_ratio(room, 1 - a, 1 - b, -d) / first
    curved = _itakura_saito(room, 1 - a, 1 - b, -d) + _relative_entropy(room, a, b, d) / (1 - a)
    near = (w > -0.5) & (w < 1)
    close = curved / first - psi(room, xp.where(near, w, 0.0))[0]
    far = xp.log(second / first) - a / ((1 - a) * first) * _log_ratio(room, a, b, d)
    return xp.where(near, close, far)


def _log_ratio(room: Backend, x: Array, y: Array, d: Array) -> Array:
    """``log(y/x)``, given ``d = y - x``."""
    xp, u = room.xp, d / x
    near = (u > -0.5) & (u < 1)
    return xp.where(near, psi(room, xp.where(near, u, 0.0))[1], xp.log(xp.where(near, 1.0, y / x)))
