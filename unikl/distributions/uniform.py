"""The uniform distribution on an interval."""

from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, real
from .elementary import log_ratio
from .registry import register_kl

__all__ = ["Uniform"]


@dataclass(frozen=True, eq=False)
class Uniform(Distribution):
    r"""The uniform distribution between `low` and `high`.

    .. math:: \mathrm{KL} = \log\frac{h_2-l_2}{h_1-l_1} \quad (l_2 \le l_1,\ h_1 \le h_2)

    Parameters
    ----------
    low, high : array
        Real numbers l and h, low below high.

    Notes
    -----
    Support: the interval from low to high; +inf where that of p sticks out of that of q.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import Uniform, kl
    >>> p, q = Uniform(0.0, 1.0), Uniform(-1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    1.098612
    """

    low: Any
    high: Any

    def support(self, room: Backend) -> Support:
        """From low to high."""
        return Support(self.low, self.high)

    def conditions(self, room: Backend) -> list[Condition]:
        """Real bounds, low below high."""
        above = Condition("high", self.high > self.low, "above low")
        return [real("low", self.low), real("high", self.high), above]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.low + 0.5 * (self.high - self.low)

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return (self.high - self.low) ** 2 / 12

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.high - self.low)

    def cumulant(self, room: Backend, t: Array, m: Array) -> Array:
        """log E exp(t (x - m)), for t < 0."""
        width = -t * (self.high - self.low)
        return t * (self.low - m) + room.xp.log(-room.xp.expm1(-width) / width)

    def mean_log(self, room: Backend) -> Array:
        """E log x, for low >= 0."""
        return self._mean_log(room, self.low, self.high)

    def mean_log1m(self, room: Backend) -> Array:
        """E log(1 - x), for high <= 1."""
        return self._mean_log(room, 1 - self.high, 1 - self.low)

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k, for low >= 0; k is -1 or above."""
        if isinstance(k, int) and k == -1:
            return room.xp.log(room.xp.log(self.high / self.low) / (self.high - self.low))
        xp, low = room.xp, _positive_part(room, self.low)
        n = k + 1
        top = self.high**n - xp.where(self.low > 0, low**n, 0.0)
        return xp.log(top / (n * (self.high - self.low)))

    def mean_distance(self, room: Backend, m: Array) -> Array:
        """E abs(x - m)."""
        xp, above, below = room.xp, self.high - m, m - self.low
        return (above * xp.abs(above) + below * xp.abs(below)) / (2 * (self.high - self.low))

    def _mean_log(self, room: Backend, low: Array, high: Array) -> Array:
        xp, some = room.xp, low > 0
        safe = _positive_part(room, low)
        part = xp.where(some, safe * (xp.log(xp.where(high > 0, high, 1.0)) - xp.log(safe)), 0.0)
        # (high log high - low log low) / (high - low) - 1
        return xp.log(xp.where(high > 0, high, 1.0)) + part / (high - low) - 1


def _positive_part(room: Backend, x: Array) -> Array:
    """x where it is positive, else 1."""
    return room.xp.where(x > 0, x, 1.0)


@register_kl(Uniform, Uniform)
def _uniform(room: Backend, p: Uniform, q: Uniform) -> Array:
    wider = (q.high - p.high) + (p.low - q.low)
    return log_ratio(room, p.high - p.low, q.high - q.low, wider)
