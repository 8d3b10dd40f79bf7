"""The Frechet distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive
from .elementary import log_ratio
from .generalized import _stacy
from .registry import register_kl

__all__ = ["Frechet"]


@dataclass(frozen=True, eq=False)
class Frechet(Distribution):
    """The Frechet distribution of maxima, ``exp(-(x / scale)^-concentration)`` below x > 0.

    1/x has a Weibull distribution.

    Parameters
    ----------
    scale, concentration : array
        Positive.

    References
    ----------
    .. [1] C. Bauckhage, arXiv:1401.6853, for the Weibull distribution of 1/x.

    Examples
    --------
    >>> from unikl.distributions import Frechet, kl
    >>> print(f"{float(kl(Frechet(1.0, 2.0), Frechet(2.0, 3.0))):.12f}")
    7.438424288096
    """

    scale: Any
    concentration: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("scale", self.scale), positive("concentration", self.concentration)]

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        xp, c, y = room.xp, self.concentration, x / self.scale
        return xp.log(c / self.scale) - (c + 1) * xp.log(y) - y**-c


@register_kl(Frechet, Frechet)
def _frechet(room: Backend, p: Frechet, q: Frechet) -> Array:
    scales = log_ratio(room, p.scale, q.scale, q.scale - p.scale)
    a, b = p.concentration, q.concentration
    return _stacy(room, a, b, a, b, scales)
