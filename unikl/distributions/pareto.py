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
    r"""The power law above `scale`, with tail index `alpha`.

    .. math:: \mathrm{KL} = \frac{a_2}{a_1} - 1 - \log\frac{a_2}{a_1}
              + a_2 \log\frac{s_1}{s_2} \quad (s_1 \ge s_2)

    Parameters
    ----------
    scale : array
        The least outcome s, positive.
    alpha : array
        The tail index a, positive.

    Notes
    -----
    Support: the numbers above the scale; +inf where that of p is below that of q.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import Pareto, kl
    >>> p, q = Pareto(2.0, 1.0), Pareto(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    1.693147
    """

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
