"""The Gumbel distribution, and the Weibull distribution, whose logarithm it is."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive, real
from .elementary import exp_excess, log_ratio
from .registry import register_kl
from .special import EULER, lgamma, lgamma_bregman

__all__ = ["Gumbel", "Weibull"]


@dataclass(frozen=True, eq=False)
class Gumbel(Distribution):
    """The Gumbel distribution of maxima, with mode `loc` and `scale`."""

    loc: Any
    scale: Any

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.loc + EULER * self.scale

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return (math.pi**2 / 6) * self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (1 + EULER)


@register_kl(Gumbel, Gumbel)
def _gumbel(room: Backend, p: Gumbel, q: Gumbel) -> Array:
    shift = (p.loc - q.loc) / q.scale
    return _extremes(room, p.scale / q.scale, (p.scale - q.scale) / q.scale, shift)


def _extremes(room: Backend, t: Array, d: Array, shift: Array) -> Array:
    """With t = s_p / s_q, d = t - 1 and shift = (m_p - m_q) / s_q: KL = chi(y) + D(1 -> t),

    chi(y) = exp(y) - 1 - y, y = log Gamma(1 + t) - shift, D the divergence of log-gamma.
    """
    xp = room.xp
    t, d, shift = room.broadcast((t, d, shift), ())
    one = xp.ones_like(t)
    # log Gamma(1 + t) from its tangent at t = 1, where it is zero.
    y = lgamma_bregman(room, 2 * one, 1 + t, d) + ((1 - EULER) * d - shift)
    return exp_excess(room, y) + lgamma_bregman(room, one, t, d)


@dataclass(frozen=True, eq=False)
class Weibull(Distribution):
    """The Weibull distribution, exp(-(x / scale)^concentration) beyond x."""

    scale: Any
    concentration: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("scale", self.scale), positive("concentration", self.concentration)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return room.xp.exp(self.log_mean_power(room, 1))

    def variance(self, room: Backend) -> Array:
        """Var x."""
        mean = self.log_mean_power(room, 1)
        square = self.log_mean_power(room, 2)
        return room.xp.exp(square) - room.xp.exp(2 * mean)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        k = self.concentration
        return room.xp.log(self.scale) - room.xp.log(k) + EULER * (1 - 1 / k) + 1

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return room.xp.log(self.scale) - EULER / self.concentration

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return math.pi**2 / 6 / self.concentration / self.concentration + 0 * self.scale

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where k is at most -concentration."""
        xp, t = room.xp, 1 + k / self.concentration
        value = lgamma(room, xp.where(t > 0, t, 1.0)) + k * xp.log(self.scale)
        return xp.where(t > 0, value, math.inf)


@register_kl(Weibull, Weibull)
def _weibull(room: Backend, p: Weibull, q: Weibull) -> Array:
    """-log x is Gumbel with m = -log scale and s = 1 / concentration."""
    a, b = p.concentration, q.concentration
    shift = b * log_ratio(room, p.scale, q.scale, q.scale - p.scale)
    return _extremes(room, b / a, (b - a) / a, shift)
