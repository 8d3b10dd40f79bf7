"""The normal distribution, and those that are one in another picture."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, View, positive, real
from .elementary import itakura_saito
from .registry import register_kl
from .special import HALF_LOG_TWO_PI, erf

__all__ = ["HalfNormal", "LogNormal", "LogitNormal", "Maxwell", "Normal", "Rayleigh"]


@dataclass(frozen=True, eq=False)
class Normal(Distribution):
    """The normal distribution with mean `loc` and standard deviation `scale`."""

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
        return self.loc

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (HALF_LOG_TWO_PI + 0.5)

    def cumulant(self, room: Backend, t: Array, m: Array) -> Array:
        """log E exp(t (x - m))."""
        return t * (self.loc - m) + 0.5 * (t * self.scale) ** 2

    def mean_distance(self, room: Backend, m: Array) -> Array:
        """E abs(x - m)."""
        z = (self.loc - m) / self.scale
        centre = math.sqrt(2 / math.pi) * room.xp.exp(-0.5 * z * z)
        return self.scale * (centre + z * erf(room, z * math.sqrt(0.5)))


@register_kl(Normal, Normal)
def _normal(room: Backend, p: Normal, q: Normal) -> Array:
    z = (p.loc - q.loc) / q.scale
    return 0.5 * z * z + 0.5 * _scales(room, p, q)


def _scales(room: Backend, p: Any, q: Any) -> Array:
    """``s^2 - 1 - log s^2`` of the ratio s of the scales."""
    d = (p.scale - q.scale) * (p.scale + q.scale)
    return itakura_saito(room, q.scale * q.scale, p.scale * p.scale, d)


@dataclass(frozen=True, eq=False)
class LogNormal(Distribution):
    """exp(x) of a normal x with mean `loc` and standard deviation `scale`."""

    loc: Any
    scale: Any
    views: ClassVar[tuple[View, ...]] = (
        View("log x", Normal, lambda room, d: Normal(d.loc, d.scale)),
    )

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return room.xp.exp(self.log_mean_power(room, 1))

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return room.xp.expm1(self.scale * self.scale) * self.mean(room) ** 2

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (HALF_LOG_TWO_PI + 0.5) + self.loc

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return self.loc

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return self.scale * self.scale

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k."""
        return k * self.loc + 0.5 * (k * self.scale) ** 2


@dataclass(frozen=True, eq=False)
class LogitNormal(Distribution):
    """1 / (1 + exp(-x)) of a normal x with mean `loc` and standard deviation `scale`."""

    loc: Any
    scale: Any
    views: ClassVar[tuple[View, ...]] = (
        View("logit x", Normal, lambda room, d: Normal(d.loc, d.scale)),
    )

    def support(self, room: Backend) -> Support:
        """The unit interval."""
        return Support(0, 1)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]


@dataclass(frozen=True, eq=False)
class HalfNormal(Distribution):
    """abs(x) of a normal x with mean 0 and standard deviation `scale`."""

    scale: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive scale."""
        return [positive("scale", self.scale)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.scale * math.sqrt(2 / math.pi)

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return self.scale * self.scale * (1 - 2 / math.pi)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (0.5 + 0.5 * math.log(math.pi / 2))

    def mean_log(self, room: Backend) -> Array:
        """E log x; digamma(1/2) + log 2 = -euler - log 2."""
        return room.xp.log(self.scale) - 0.63518142273073908501

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return math.pi**2 / 8 + 0 * self.scale


@register_kl(HalfNormal, HalfNormal)
def _half_normal(room: Backend, p: HalfNormal, q: HalfNormal) -> Array:
    return 0.5 * _scales(room, p, q)


@dataclass(frozen=True, eq=False)
class Rayleigh(Distribution):
    """The length of a vector of two normals with mean 0 and standard deviation `scale`."""

    scale: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive scale."""
        return [positive("scale", self.scale)]


@register_kl(Rayleigh, Rayleigh)
def _rayleigh(room: Backend, p: Rayleigh, q: Rayleigh) -> Array:
    return _scales(room, p, q)


@dataclass(frozen=True, eq=False)
class Maxwell(Distribution):
    """The length of a vector of three normals with mean 0 and standard deviation `scale`."""

    scale: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive scale."""
        return [positive("scale", self.scale)]


@register_kl(Maxwell, Maxwell)
def _maxwell(room: Backend, p: Maxwell, q: Maxwell) -> Array:
    return 1.5 * _scales(room, p, q)
