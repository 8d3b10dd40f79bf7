"""The gamma distribution, its special cases and its pictures."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, View, positive
from .binet import binet_bregman
from .elementary import itakura_saito, log1p, product_difference, relative_entropy
from .registry import register_kl
from .special import digamma, gamma_entropy, lgamma, trigamma

__all__ = ["Chi", "Chi2", "ExpGamma", "ExpInverseGamma", "Gamma", "InverseGamma"]


@dataclass(frozen=True, eq=False)
class Gamma(Distribution):
    """The gamma distribution with shape `concentration` and inverse scale `rate`."""

    concentration: Any
    rate: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("concentration", self.concentration), positive("rate", self.rate)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.concentration / self.rate

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return self.concentration / self.rate / self.rate

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return gamma_entropy(room, self.concentration) - room.xp.log(self.rate)

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return digamma(room, self.concentration) - room.xp.log(self.rate)

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return trigamma(room, self.concentration) + 0 * self.rate

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where the concentration is at most -k."""
        a, xp = self.concentration, room.xp
        finite = a + k > 0
        ratio = lgamma(room, xp.where(finite, a + k, 1.0)) - lgamma(room, a)
        return xp.where(finite, ratio, math.inf) - k * xp.log(self.rate)

    def cumulant(self, room: Backend, t: Array, m: Array) -> Array:
        """log E exp(t (x - m)), for t < rate."""
        return -t * m - self.concentration * log1p(room, -t / self.rate)


@register_kl(Gamma, Gamma)
def _gamma(room: Backend, p: Gamma, q: Gamma) -> Array:
    """With log Gamma(a) = a log a - a - log(a)/2 + R(a) + const, and the mean m of p in q's scale:

    KL = (b log(b/m) - b + m) + D(a -> b), D the Bregman divergence of R(a) - log(a)/2.
    """
    a, b = p.concentration, q.concentration
    d = product_difference(room, a, q.rate, b, p.rate) / p.rate
    means = relative_entropy(room, b, a * (q.rate / p.rate), d)
    return means + (0.5 * itakura_saito(room, a, b, b - a) + binet_bregman(room, a, b, b - a))


@dataclass(frozen=True, eq=False)
class Chi2(Distribution):
    """The chi-squared distribution with `df` degrees of freedom."""

    df: Any
    views: ClassVar[tuple[View, ...]] = (
        View("x", Gamma, lambda room, d: Gamma(0.5 * d.df, 0.5 * room.xp.ones_like(d.df))),
    )

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive degrees of freedom."""
        return [positive("df", self.df)]


@dataclass(frozen=True, eq=False)
class Chi(Distribution):
    """The square root of a chi-squared variable with `df` degrees of freedom."""

    df: Any
    views: ClassVar[tuple[View, ...]] = (View("x^2", Chi2, lambda room, d: Chi2(d.df)),)

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive degrees of freedom."""
        return [positive("df", self.df)]


@dataclass(frozen=True, eq=False)
class InverseGamma(Distribution):
    """1/x of a gamma variable x with shape `concentration` and inverse scale `rate`."""

    concentration: Any
    rate: Any
    views: ClassVar[tuple[View, ...]] = (
        View("1/x", Gamma, lambda room, d: Gamma(d.concentration, d.rate)),
    )

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("concentration", self.concentration), positive("rate", self.rate)]

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return self._inverse().entropy(room) + 2 * self.mean_log(room)

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return -self._inverse().mean_log(room)

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return self._inverse().variance_log(room)

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where the concentration is at most k."""
        return self._inverse().log_mean_power(room, -k)

    def mean(self, room: Backend) -> Array:
        """E x; +inf where the concentration is at most 1."""
        return room.xp.exp(self.log_mean_power(room, 1))

    def _inverse(self) -> Gamma:
        return Gamma(self.concentration, self.rate)


@dataclass(frozen=True, eq=False)
class ExpGamma(Distribution):
    """log x of a gamma variable x with shape `concentration` and inverse scale `rate`."""

    concentration: Any
    rate: Any
    views: ClassVar[tuple[View, ...]] = (
        View("exp x", Gamma, lambda room, d: Gamma(d.concentration, d.rate)),
    )

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("concentration", self.concentration), positive("rate", self.rate)]


@dataclass(frozen=True, eq=False)
class ExpInverseGamma(Distribution):
    """log x of an inverse gamma variable x with shape `concentration` and scale `scale`."""

    concentration: Any
    scale: Any
    views: ClassVar[tuple[View, ...]] = (
        View("exp x", InverseGamma, lambda room, d: InverseGamma(d.concentration, d.scale)),
    )

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("concentration", self.concentration), positive("scale", self.scale)]
