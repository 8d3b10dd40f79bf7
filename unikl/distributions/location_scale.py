"""The logistic and Student's t distributions: their divergences from a normal one."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive, real
from .special import digamma, lgamma

__all__ = ["Logistic", "StudentT"]


@dataclass(frozen=True, eq=False)
class Logistic(Distribution):
    """The logistic distribution with mean `loc` and `scale`."""

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
        return (math.pi**2 / 3) * self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + 2


@dataclass(frozen=True, eq=False)
class StudentT(Distribution):
    """Student's t distribution with `df` degrees of freedom, `loc` and `scale`."""

    df: Any
    loc: Any
    scale: Any

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive degrees of freedom, a real location, a positive scale."""
        return [positive("df", self.df), real("loc", self.loc), positive("scale", self.scale)]

    def mean(self, room: Backend) -> Array:
        """E x, where it exists."""
        return self.loc

    def variance(self, room: Backend) -> Array:
        """Var x; +inf where df is at most 2."""
        xp, finite = room.xp, self.df > 2
        df = xp.where(finite, self.df, 3.0)
        return xp.where(finite, self.scale * self.scale * (df / (df - 2)), math.inf)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        half, xp = 0.5 * self.df, room.xp
        more = (half + 0.5) * (digamma(room, half + 0.5) - digamma(room, half))
        beta = lgamma(room, half) - lgamma(room, half + 0.5) + 0.5 * math.log(math.pi)
        return more + beta + 0.5 * xp.log(self.df) + xp.log(self.scale)
