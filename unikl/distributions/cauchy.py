"""The Cauchy distribution, and its absolute value."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive, real
from .elementary import log1p
from .registry import register_kl

__all__ = ["Cauchy", "HalfCauchy"]


@dataclass(frozen=True, eq=False)
class Cauchy(Distribution):
    """The Cauchy distribution with median `loc` and half width at half maximum `scale`."""

    loc: Any
    scale: Any

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]


@register_kl(Cauchy, Cauchy)
def _cauchy(room: Backend, p: Cauchy, q: Cauchy) -> Array:
    """F. Chyzak and F. Nielsen, arXiv:1905.10965."""
    distance = _ratio(p.loc - q.loc, p.scale, q.scale) + _ratio(p.scale - q.scale, p.scale, q.scale)
    return log1p(room, 0.25 * distance)


def _ratio(d: Array, s: Array, t: Array) -> Array:
    """d^2 / (s t), without overflow."""
    return (d / s) * (d / t)


@dataclass(frozen=True, eq=False)
class HalfCauchy(Distribution):
    """abs(x) of a Cauchy variable x with median 0 and half width `scale`."""

    scale: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive scale."""
        return [positive("scale", self.scale)]


@register_kl(HalfCauchy, HalfCauchy)
def _half_cauchy(room: Backend, p: HalfCauchy, q: HalfCauchy) -> Array:
    return log1p(room, 0.25 * _ratio(p.scale - q.scale, p.scale, q.scale))
