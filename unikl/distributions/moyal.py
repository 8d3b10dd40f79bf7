"""The Moyal distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive, real
from .elementary import exp_excess, itakura_saito
from .registry import register_kl
from .special import EULER, lgamma_bregman

__all__ = ["Moyal"]


@dataclass(frozen=True, eq=False)
class Moyal(Distribution):
    """``loc - scale log(x)`` of a chi-squared variable x with one degree of freedom."""

    loc: Any
    scale: Any

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]


@register_kl(Moyal, Moyal)
def _moyal(room: Backend, p: Moyal, q: Moyal) -> Array:
    """With r the ratio of the scales, d the distance in scales of q, and z = (x - loc_q)/scale_q:

    E_p z = r c + d, c = log 2 + gamma, and log E_p exp(-z) = T = -d + (2 - c) (r - 1) + B, where B
    is log-gamma's Bregman divergence from 3/2 to r + 1/2.  So all first-order terms cancel:
    KL = (r - 1 - log r) + (exp T - 1 - T)/2 + B/2.
    """
    h = (p.scale - q.scale) / q.scale
    d = (p.loc - q.loc) / q.scale
    a = 1.5 + 0 * h
    bregman = lgamma_bregman(room, a, a + h, h)
    t = (2 - math.log(2) - EULER) * h + bregman - d
    scales = itakura_saito(room, q.scale, p.scale, p.scale - q.scale)
    return scales + 0.5 * (exp_excess(room, t) + bregman)
