"""The Laplace distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive, real
from .elementary import exp_excess_of_ratio, itakura_saito, log1p
from .registry import register_kl

__all__ = ["Laplace"]


@dataclass(frozen=True, eq=False)
class Laplace(Distribution):
    """The Laplace distribution with mean `loc` and mean absolute deviation `scale`."""

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
        return 2 * self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (1 + math.log(2))

    def cumulant(self, room: Backend, t: Array, m: Array) -> Array:
        """log E exp(t (x - m)); +inf where abs(t) scale is at least 1."""
        xp, square = room.xp, (t * self.scale) ** 2
        finite = square < 1
        excess = xp.where(finite, -log1p(room, -xp.where(finite, square, 0.0)), math.inf)
        return t * (self.loc - m) + excess


@register_kl(Laplace, Laplace)
def _laplace(room: Backend, p: Laplace, q: Laplace) -> Array:
    scales = itakura_saito(room, q.scale, p.scale, p.scale - q.scale)
    return exp_excess_of_ratio(room, room.xp.abs(p.loc - q.loc), p.scale) / q.scale + scales
