r"""Ratios of Bessel functions: the cosine under the von Mises and von Mises-Fisher distributions.

The cosine t = cos x of the angle to the mean direction has the density

    exp(kappa t - A(kappa)) sin(x)^n dx,      0 <= x <= pi,      n = dimension - 2,

with A(kappa) = log(I_v(kappa) / (kappa/2)^v) + const, v = n/2, its mean A' = I_(v+1) / I_v, and
variance A''.  All of them are expectations of positive functions here, by Gauss's rule on the
part of [0, pi] that holds the distribution; the integrands are entire.  So neither series nor
continued fractions are needed, nor branches on kappa, and nothing cancels:

    A'(kappa) = kappa E sin(x)^2 / (n + 1)                       (by parts)
    A(b) - A(a) - A'(a) h = log(1 + E_a chi(h (t - A'(a)))),     h = b - a,  chi(d) = exp(d) - 1 - d

where one rule serves both distributions, and the plain difference where they are far apart.

Reference: NIST Digital Library of Mathematical Functions, 10.32.2.
"""

import math
from typing import Any, NamedTuple

from ..backends import Array, Backend
from .elementary import _exp_excess, elementwise, like, log1p
from .gauss import gauss_legendre

__all__ = ["cosine_bregman", "cosine_deficit", "cosine_mean", "log_cosine_normaliser"]

_NODES, _WEIGHTS = gauss_legendre(64)
_TAIL = 44.0  # exp(-44) of the density at the mode, where the interval ends
_RESOLVED = (
    22.0  # the longest interval, in the smaller standard deviation, that these nodes resolve
)


class _Interval(NamedTuple):
    """The angles where a distribution is, and about 1 over their variance."""

    low: Array
    high: Array
    curvature: Array


class _Moments(NamedTuple):
    """Nodes and what is known of them, on a last axis."""

    u: Array  # 1 - cos x
    square: Array  # sin(x)^2
    weights: Array  # probabilities
    total: Array  # the integral of exp(-kappa u) sin(x)^n over its integrand at the mode
    at_mode: Array  # sin(x)^2 at the mode (1 for n = 0)
    power: Array  # kappa u at the mode


def _mode(room: Backend, kappa: Array, n: Array) -> tuple[Array, Array, Array]:
    """1 - cos, 1 + cos and cos of the most likely angle."""
    q = (n * n + 4 * kappa * kappa) ** 0.5
    total = room.xp.where(n + q > 0, n + q, 1.0)
    some = room.xp.where(q + kappa > 0, q + 2 * kappa, 1.0)
    c = 2 * kappa / total
    return room.xp.where(q > 0, (n + n * (n / some)) / total, 0.0), 1 + c, c


def _interval(room: Backend, kappa: Array, n: Array) -> _Interval:
    """At an angle y from the mode the density is exp(-2 curvature sin(y/2)^2) of it, or less."""
    xp = room.xp
    less, more, c = _mode(room, kappa, n)
    mode = 4 * _arctan((0.5 * less) ** 0.5 / (1 + (0.5 * more) ** 0.5))
    curvature = kappa * c + n
    sine = 0.5 * _TAIL / xp.where(curvature > 1, curvature, 1.0)
    sine = xp.where(sine < 1, sine, 1.0) ** 0.5
    reach = 4 * _arctan(sine / (1 + (1 - sine * sine) ** 0.5))
    low, high = mode - reach, mode + reach
    low = xp.where(low > 0, low, 0.0)
    return _Interval(low, xp.where(high < math.pi, high, math.pi), curvature)


def _arctan(x: Array) -> Array:
    """To 1 percent for 0 <= x <= 1, as the ends of an interval need not be exact."""
    return x * (15 + 4 * x * x) / (15 + 9 * x * x)


def _both(room: Backend, a: Array, b: Array, n: Array) -> tuple[Array, Array, Array]:
    """An interval that holds both distributions, and whether the rule serves both there."""
    xp = room.xp
    one, other = _interval(room, a, n), _interval(room, b, n)
    low = xp.where(one.low < other.low, one.low, other.low)
    high = xp.where(one.high > other.high, one.high, other.high)
    sharper = xp.where(one.curvature > other.curvature, one.curvature, other.curvature)
    resolved = (high - low) * sharper**0.5 < _RESOLVED
    cosines = 2 * (xp.sin(0.5 * high) ** 2 - xp.sin(0.5 * low) ** 2)
    return low, high, resolved & (xp.abs(b - a) * cosines < 80)  # exp(80) fits in float32


def _moments(room: Backend, kappa: Array, n: Array, low: Array, high: Array) -> _Moments:
    xp, hold = room.xp, room.stop_gradient
    less, more, _ = (hold(x) for x in _mode(room, kappa, n))
    low, high, k, m = (xp.expand_dims(x, axis=-1) for x in (hold(low), hold(high), kappa, n))
    angle = low + (high - low) * like(room, _NODES, kappa)
    sine, u = xp.sin(angle), 2 * xp.sin(0.5 * angle) ** 2
    # Both terms from the mode on, where they are largest: there they nearly cancel.
    top, flat = xp.expand_dims(less, axis=-1), m == 0
    at_mode = xp.where(n == 0, 1.0, less * more)
    x = (u - top) * (2 - u - top) / xp.expand_dims(at_mode, axis=-1)
    near = (x > -0.5) & ~flat
    ratio = xp.where(near | flat, 1.0, sine * sine / xp.expand_dims(at_mode, axis=-1))
    log_ratio = xp.where(near, log1p(room, xp.where(near, x, 0.0)), xp.log(ratio))
    mass = like(room, _WEIGHTS, kappa) * xp.exp(0.5 * m * log_ratio - k * (u - top))
    total = room.sum(mass, (-1,))
    size = xp.squeeze(total * (high - low), axis=(-1,))
    return _Moments(u, sine * sine, mass / total, size, at_mode, kappa * less)


def _own(room: Backend, kappa: Array, n: Array) -> _Moments:
    low, high, _ = _interval(room, room.stop_gradient(kappa), n)
    return _moments(room, kappa, n, low, high)


def _mean(room: Backend, moments: _Moments, x: Array) -> Array:
    return room.xp.squeeze(room.sum(moments.weights * x, (-1,)), axis=(-1,))


def _variance(room: Backend, kappa: Array, n: Array) -> Array:
    own = _own(room, kappa, n)
    centred = own.u - room.sum(own.weights * own.u, (-1,))
    return _mean(room, own, centred * centred)


@elementwise(lambda room, kappa, n: (_variance(room, kappa, n), None))
def cosine_mean(room: Backend, kappa: Array, n: Array) -> Array:
    """``I_(v+1)(kappa) / I_v(kappa)``, v = n/2, for kappa >= 0: the mean resultant length."""
    own = _own(room, kappa, n)
    return kappa * _mean(room, own, own.square) / (n + 1)


@elementwise(lambda room, kappa, n: (-_variance(room, kappa, n), None))
def cosine_deficit(room: Backend, kappa: Array, n: Array) -> Array:
    """``1 - I_(v+1)(kappa) / I_v(kappa)``."""
    own = _own(room, kappa, n)
    return _mean(room, own, own.u)


@elementwise(lambda room, kappa, n: (-cosine_deficit(room, kappa, n), None))
def log_cosine_normaliser(room: Backend, kappa: Array, n: Array) -> Array:
    """``A(kappa) - A(0) - kappa``; log of I_0(kappa) exp(-kappa) on the circle."""
    return _log_normaliser(room, kappa, n)


def _log_normaliser(room: Backend, kappa: Array, n: Array) -> Array:
    return _log_quotient(room, _own(room, kappa, n), _own(room, 0 * kappa, n), n)


def _log_quotient(room: Backend, one: _Moments, other: _Moments, n: Array) -> Array:
    """The logarithm of the integral of exp(-kappa u) sin(x)^n over that of another kappa."""
    xp = room.xp
    sines = 0.5 * n * xp.log(one.at_mode / other.at_mode)
    return xp.log(one.total / other.total) + sines + (other.power - one.power)


class _Near(NamedTuple):
    """The expectation of ``chi(h (t - E t))``, its slope in h, and where they are good."""

    excess: Array
    slope: Array
    near: Array


def _tilted(room: Backend, a: Array, b: Array, h: Array, n: Array) -> _Near:
    xp, hold = room.xp, room.stop_gradient
    low, high, near = _both(room, hold(a), hold(b), n)
    one = _moments(room, xp.where(near, a, 1.0), n, low, high)
    x = room.sum(one.weights * one.u, (-1,)) - one.u
    power = xp.expand_dims(xp.where(near, h, 0.0), axis=-1) * x
    excess = _mean(room, one, _exp_excess(room, power))
    slope = _mean(room, one, x * xp.expm1(power)) / (1 + excess)
    return _Near(excess, slope, near)


def _partials(room: Backend, a: Array, b: Array, h: Array, n: Array) -> tuple[Any, ...]:
    tilted = _tilted(room, a, b, h, n)
    far = cosine_deficit(room, a, n) - cosine_deficit(room, b, n)
    return -h * _variance(room, a, n), room.xp.where(tilted.near, tilted.slope, far), None, None


@elementwise(_partials)
def cosine_bregman(room: Backend, a: Array, b: Array, h: Array, n: Array) -> Array:
    """``A(b) - A(a) - A'(a) (b - a) >= 0`` for non-negative a and b, given ``h = b - a``."""
    tilted, own = _tilted(room, a, b, h, n), _own(room, a, n)
    plain = _log_quotient(room, _own(room, b, n), own, n) + h * _mean(room, own, own.u)
    return room.xp.where(tilted.near, log1p(room, tilted.excess), plain)
