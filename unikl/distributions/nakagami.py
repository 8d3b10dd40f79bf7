"""The Nakagami distribution."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, View, positive
from .binet import binet_bregman
from .elementary import itakura_saito
from .gamma import Gamma
from .registry import register_kl
from .special import lgamma

__all__ = ["Nakagami"]


@dataclass(frozen=True, eq=False)
class Nakagami(Distribution):
    r"""The Nakagami distribution: x^2 is a gamma variable of this shape, and of mean `spread`.

    .. math:: \mathrm{KL} = m_2 \psi(\Omega_1/\Omega_2 - 1) + D(m_1 \to m_2)

    with psi(u) = u - log(1 + u), the spread Omega, and the Bregman divergence D of
    log Gamma(m) - m log m.

    Parameters
    ----------
    concentration, spread : array
        Positive.

    References
    ----------
    .. [1] M. Nakagami, "The m-Distribution", in Statistical Methods in Radio Wave Propagation
       (1960), section 2.

    Examples
    --------
    >>> from unikl.distributions import Nakagami, kl
    >>> print(f"{float(kl(Nakagami(1.0, 2.0), Nakagami(2.0, 3.0))):.12f}")
    0.335184853331
    """

    concentration: Any
    spread: Any
    views: ClassVar[tuple[View, ...]] = (
        View("x^2", Gamma, lambda room, d: Gamma(d.concentration, d.concentration / d.spread)),
    )

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("concentration", self.concentration), positive("spread", self.spread)]

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        xp, m, rate = room.xp, self.concentration, self.concentration / self.spread
        norm = math.log(2) + m * xp.log(rate) - lgamma(room, m)
        return norm + (2 * m - 1) * xp.log(x) - rate * x * x


@register_kl(Nakagami, Nakagami)
def _nakagami(room: Backend, p: Nakagami, q: Nakagami) -> Array:
    a, b = p.concentration, q.concentration
    spreads = b * itakura_saito(room, q.spread, p.spread, p.spread - q.spread)
    return spreads + (0.5 * itakura_saito(room, a, b, b - a) + binet_bregman(room, a, b, b - a))
