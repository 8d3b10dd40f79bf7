"""The Pareto distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive
from .elementary import itakura_saito, log_ratio
from .registry import register_kl

__all__ = ["Pareto"]


@dataclass(frozen=True, eq=False)
class Pareto(Distribution):
    """The power law above `scale`, with tail index `alpha`."""

    scale: Any
    alpha: Any

    def support(self, room: Backend) -> Support:
        """The numbers above the scale."""
        return Support(self.scale, math.inf, hull=(0, math.inf))

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("scale", self.scale), positive("alpha", self.alpha)]

    def mean(self, room: Backend) -> Array:
        """E x; +inf where alpha is at most 1."""
        return self._power(room, 1)

    def variance(self, room: Backend) -> Array:
        """Var x; +inf where alpha is at most 2."""
        xp, finite = room.xp, self.alpha > 2
        a = xp.where(finite, self.alpha, 3.0)
        return xp.where(finite, a * (self.scale / (a - 1)) ** 2 / (a - 2), math.inf)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) - room.xp.log(self.alpha) + 1 / self.alpha + 1

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return room.xp.log(self.scale) + 1 / self.alpha

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return 1 / self.alpha / self.alpha + 0 * self.scale

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where alpha is at most k."""
        return room.xp.log(self._power(room, k))

    def _power(self, room: Backend, k: Any) -> Array:
        xp, finite = room.xp, self.alpha > k
        a = xp.where(finite, self.alpha, k + 1.0)
        return xp.where(finite, a / (a - k) * self.scale**k, math.inf)


@register_kl(Pareto, Pareto)
def _pareto(room: Backend, p: Pareto, q: Pareto) -> Array:
    scales = log_ratio(room, q.scale, p.scale, p.scale - q.scale)
    return itakura_saito(room, p.alpha, q.alpha, q.alpha - p.alpha) + q.alpha * scales
