"""The Levy distribution."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, View, positive
from .elementary import itakura_saito
from .gamma import InverseGamma
from .registry import register_kl

__all__ = ["Levy"]


@dataclass(frozen=True, eq=False)
class Levy(Distribution):
    r"""The Levy distribution: 1/x is a gamma variable of shape 1/2 and rate ``scale / 2``.

    .. math:: \mathrm{KL} = \tfrac12 (c_2/c_1 - 1 - \log(c_2/c_1))

    Parameters
    ----------
    scale : array
        c, positive.

    References
    ----------
    .. [1] J. P. Nolan, Univariate Stable Distributions (2020), section 1.1.

    Examples
    --------
    >>> from unikl.distributions import Levy, kl
    >>> print(f"{float(kl(Levy(1.0), Levy(2.0))):.12f}")
    0.153426409720
    """

    scale: Any
    views: ClassVar[tuple[View, ...]] = (
        View("x", InverseGamma, lambda room, d: InverseGamma(0.5 + 0 * d.scale, 0.5 * d.scale)),
    )

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive scale."""
        return [positive("scale", self.scale)]

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        norm = 0.5 * room.xp.log(self.scale / (2 * math.pi))
        return norm - 1.5 * room.xp.log(x) - 0.5 * self.scale / x


@register_kl(Levy, Levy)
def _levy(room: Backend, p: Levy, q: Levy) -> Array:
    return 0.5 * itakura_saito(room, p.scale, q.scale, q.scale - p.scale)
