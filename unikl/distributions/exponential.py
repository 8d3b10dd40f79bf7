"""The exponential distribution."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, View, positive
from .elementary import itakura_saito, log1p
from .gamma import Gamma
from .registry import register_kl
from .special import EULER

__all__ = ["Exponential"]


@dataclass(frozen=True, eq=False)
class Exponential(Distribution):
    r"""The exponential distribution with inverse scale `rate`.

    .. math:: \mathrm{KL} = \frac{\lambda_2}{\lambda_1} - 1 - \log\frac{\lambda_2}{\lambda_1}

    Parameters
    ----------
    rate : array
        Positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import Exponential, kl
    >>> p, q = Exponential(1.0), Exponential(2.0)
    >>> round(float(kl(p, q)), 6)
    0.306853
    """

    rate: Any
    views: ClassVar[tuple[View, ...]] = (
        View("x", Gamma, lambda room, d: Gamma(room.xp.ones_like(d.rate), d.rate)),
    )

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive rate."""
        return [positive("rate", self.rate)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return 1 / self.rate

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return 1 / self.rate / self.rate

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return 1 - room.xp.log(self.rate)

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return -EULER - room.xp.log(self.rate)

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return math.pi**2 / 6 + 0 * self.rate

    def cumulant(self, room: Backend, t: Array, m: Array) -> Array:
        """log E exp(t (x - m)), for t < rate."""
        return -t * m - log1p(room, -t / self.rate)

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where k is at most -1."""
        return Gamma(room.xp.ones_like(self.rate), self.rate).log_mean_power(room, k)

    def mean_distance(self, room: Backend, m: Array) -> Array:
        """E abs(x - m)."""
        xp = room.xp
        above = xp.where(m > 0, m, 0.0)
        inside = (m * self.rate - 1 + 2 * xp.exp(-above * self.rate)) / self.rate
        return xp.where(m > 0, inside, 1 / self.rate - m)


@register_kl(Exponential, Exponential)
def _exponential(room: Backend, p: Exponential, q: Exponential) -> Array:
    return itakura_saito(room, p.rate, q.rate, q.rate - p.rate)
