"""The Kumaraswamy distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from ..numerics import psi
from .base import Condition, Distribution, Support, positive
from .elementary import exp_excess, itakura_saito, like
from .registry import register_kl
from .special import EULER, digamma, lgamma, trigamma

__all__ = ["Kumaraswamy"]


@dataclass(frozen=True, eq=False)
class Kumaraswamy(Distribution):
    r"""The distribution function 1 - (1 - x^a)^b on the unit interval.

    With the ratio t of q's a over p's, psi(u) = u - log(1 + u), and u = x^a of p,

    .. math:: \mathrm{KL} = \psi(t - 1) + \psi(b_2/b_1 - 1)
              + (t - 1)(b_2 - b_1)\, \mathrm{E} \frac{u \log u}{1 - u} + (b_2 - 1)\, \mathrm{E} X(u)

    where X is the Bregman divergence of -log(1 - u^t) in t, from 1 on.  The expectations are by
    quadrature in z = -b log(1 - u), which has an exponential distribution.  So are E log(1 - x)
    and the divergence from a beta distribution, for which other libraries take ten terms of a
    series.

    Parameters
    ----------
    concentration1, concentration0 : array
        a and b, positive.

    References
    ----------
    .. [1] M. C. Jones, "Kumaraswamy's distribution", Statistical Methodology 6 (2009) 70.

    Examples
    --------
    >>> from unikl.distributions import Beta, Kumaraswamy, kl
    >>> print(f"{float(kl(Kumaraswamy(2.0, 3.0), Beta(2.0, 3.0))):.12f}")
    0.040186152773
    """

    concentration1: Any
    concentration0: Any

    def support(self, room: Backend) -> Support:
        """The unit interval."""
        return Support(0, 1)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive concentrations."""
        names = ("concentration1", "concentration0")
        return [positive(name, getattr(self, name)) for name in names]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return room.xp.exp(self.log_mean_power(room, 1))

    def variance(self, room: Backend) -> Array:
        """Var x."""
        mean, square = self.log_mean_power(room, 1), self.log_mean_power(room, 2)
        return room.xp.exp(square) - room.xp.exp(2 * mean)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        a, b = self.concentration1, self.concentration0
        return 1 - 1 / b - (a - 1) * self.mean_log(room) - room.xp.log(a) - room.xp.log(b)

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return -(digamma(room, self.concentration0 + 1) + EULER) / self.concentration1

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        square = math.pi**2 / 6 - trigamma(room, self.concentration0 + 1)
        return square / self.concentration1 / self.concentration1

    def mean_log1m(self, room: Backend) -> Array:
        """E log(1 - x)."""
        t = room.xp.expand_dims(1 / self.concentration1 + 0 * self.concentration0, axis=-1)
        y = _exponents(room, self.concentration0 + 0 * self.concentration1)
        far = y > 33  # where 1 - u^t is t exp(-y)
        log_u = _log_u(room, room.xp.where(far, 1.0, y))
        inner = room.xp.log(-room.xp.expm1(t * log_u))
        return _expectation(room, room.xp.where(far, room.xp.log(t) - y, inner))

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        xp, a, b = room.xp, self.concentration1, self.concentration0
        log_x = xp.log(x)
        return xp.log(a * b) + (a - 1) * log_x + (b - 1) * xp.log(-xp.expm1(a * log_x))

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where k is at most -concentration1."""
        xp, b, s = room.xp, self.concentration0, 1 + k / self.concentration1
        finite = xp.where(s > 0, s, 1.0)
        value = lgamma(room, b + 1) + lgamma(room, finite) - lgamma(room, finite + b)
        return xp.where(s > 0, value, math.inf)


# int_0^inf exp(-z) f(z) dz by the trapezoidal rule in s, z = exp(s - exp(-s)).
_STEP = 1 / 20
_S = [k * _STEP for k in range(round(-3.8 / _STEP), round(3.7 / _STEP) + 1)]
_Z = [math.exp(s - math.exp(-s)) for s in _S]
_WEIGHTS = [_STEP * z * (1 + math.exp(-s)) * math.exp(-z) for s, z in zip(_S, _Z, strict=True)]


def _exponents(room: Backend, b: Array) -> Array:
    """y = -log(1 - u) at the nodes, on a last axis, for u of a beta distribution (1, b)."""
    return like(room, _Z, b) / room.xp.expand_dims(b, axis=-1)


def _expectation(room: Backend, values: Array) -> Array:
    total = room.sum(values * like(room, _WEIGHTS, values), (-1,))
    return room.xp.squeeze(total, axis=(-1,))


def _log_u(room: Backend, y: Array) -> Array:
    """log(1 - exp(-y))."""
    xp = room.xp
    small = y < 0.7
    near = xp.log(-xp.expm1(-xp.where(small, y, 1.0)))
    return xp.where(small, near, xp.log1p(-xp.exp(-xp.where(small, 1.0, y))))


@register_kl(Kumaraswamy, Kumaraswamy)
def _kumaraswamy(room: Backend, p: Kumaraswamy, q: Kumaraswamy) -> Array:
    xp = room.xp
    a, b, c, d = room.broadcast(
        (p.concentration1, p.concentration0, q.concentration1, q.concentration0), ()
    )
    powers = itakura_saito(room, a, c, c - a)
    y = _exponents(room, b)
    far = y > 33  # where X is psi(t - 1)
    y = xp.where(far, 33.0, y)
    step = xp.expand_dims((c - a) / a, axis=-1)
    slope, excess = _bregman_of_power(room, y, step)
    # What X lacks of psi(t - 1): nothing for y to infinity.
    lack = xp.where(far, 0.0, xp.expand_dims(powers, axis=-1) - excess)
    many = d > 1
    first = xp.where(many, powers, d * powers)
    rest = xp.where(many, (d - 1) * _expectation(room, excess), (1 - d) * _expectation(room, lack))
    cross = (c - a) / a * (d - b) * _expectation(room, slope)
    return first + itakura_saito(room, b, d, d - b) + cross + rest


def _bregman_of_power(room: Backend, y: Array, step: Array) -> tuple[Array, Array]:
    """u log u / (1 - u), and the divergence of -log(1 - u^t) from t = 1 on; u = 1 - e^-y."""
    xp, log_u = room.xp, _log_u(room, y)
    odds, h = xp.expm1(y), -step * log_u
    w = odds * -xp.expm1(-h)  # (1 - u^t) / (1 - u) - 1
    near = (w > -0.5) & (w < 1)
    ratio = xp.expm1((1 + step) * log_u) / xp.expm1(log_u)
    far = w - xp.log(xp.where(near, 1.0, ratio))
    logs = xp.where(near, psi(room, xp.where(near, w, 0.0))[0], far)
    return odds * log_u, logs + odds * exp_excess(room, -h)
