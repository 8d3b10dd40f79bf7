"""The inverse Gaussian distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive
from .elementary import itakura_saito
from .registry import register_kl

__all__ = ["InverseGaussian"]


@dataclass(frozen=True, eq=False)
class InverseGaussian(Distribution):
    """The first passage time of a Brownian motion, with mean `loc` and shape `concentration`."""

    loc: Any
    concentration: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("loc", self.loc), positive("concentration", self.concentration)]


@register_kl(InverseGaussian, InverseGaussian)
def _inverse_gaussian(room: Backend, p: InverseGaussian, q: InverseGaussian) -> Array:
    a, b = p.concentration, q.concentration
    z = (p.loc - q.loc) / q.loc
    return 0.5 * (itakura_saito(room, a, b, b - a) + b * z * z / p.loc)
