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
    r"""The gamma distribution with shape `concentration` and inverse scale `rate`.

    .. math:: \mathrm{KL} = (a_1-a_2) \psi(a_1) + \log\frac{\Gamma(a_2)}{\Gamma(a_1)}
              + a_2 \log\frac{r_1}{r_2} + a_1 \Bigl( \frac{r_2}{r_1} - 1 \Bigr)

    Parameters
    ----------
    concentration, rate : array
        The shape a and the rate r, positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] W. D. Penny, "KL-divergences of Normal, Gamma, Dirichlet and Wishart densities",
       technical report, Wellcome Department of Cognitive Neurology (2001).

    Examples
    --------
    >>> from unikl.distributions import Gamma, kl
    >>> p, q = Gamma(2.0, 1.0), Gamma(3.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.190921
    """

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
    r"""The chi-squared distribution with `df` degrees of freedom.

    .. math:: \mathrm{KL} = \tfrac{k_1-k_2}{2} \psi(\tfrac{k_1}{2})
              + \log\frac{\Gamma(k_2/2)}{\Gamma(k_1/2)}

    Parameters
    ----------
    df : array
        The degrees of freedom k, positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import Chi2, kl
    >>> p, q = Chi2(3.0), Chi2(5.0)
    >>> round(float(kl(p, q)), 6)
    0.368975
    """

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
    r"""The square root of a chi-squared variable with `df` degrees of freedom.

    .. math:: \mathrm{KL} = \mathrm{KL}(\chi^2_{k_1} \| \chi^2_{k_2})

    Parameters
    ----------
    df : array
        The degrees of freedom k, positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import Chi, kl
    >>> p, q = Chi(3.0), Chi(5.0)
    >>> round(float(kl(p, q)), 6)
    0.368975
    """

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
    r"""1/x of a gamma variable x with shape `concentration` and inverse scale `rate`.

    .. math:: \mathrm{KL} = \mathrm{KL}(\Gamma(a_1, r_1) \| \Gamma(a_2, r_2))

    Parameters
    ----------
    concentration, rate : array
        The shape a and the rate r of 1/x, positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] W. D. Penny, "KL-divergences of Normal, Gamma, Dirichlet and Wishart densities",
       technical report, Wellcome Department of Cognitive Neurology (2001).

    Examples
    --------
    >>> from unikl.distributions import InverseGamma, kl
    >>> p, q = InverseGamma(2.0, 1.0), InverseGamma(3.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.190921
    """

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
    r"""log x of a gamma variable x with shape `concentration` and inverse scale `rate`.

    .. math:: \mathrm{KL} = \mathrm{KL}(\Gamma(a_1, r_1) \| \Gamma(a_2, r_2))

    Parameters
    ----------
    concentration, rate : array
        The shape a and the rate r, positive.

    Notes
    -----
    Support: the real line.

    References
    ----------
    .. [1] W. D. Penny, "KL-divergences of Normal, Gamma, Dirichlet and Wishart densities",
       technical report, Wellcome Department of Cognitive Neurology (2001).

    Examples
    --------
    >>> from unikl.distributions import ExpGamma, kl
    >>> p, q = ExpGamma(2.0, 1.0), ExpGamma(3.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.190921
    """

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
    r"""log x of an inverse gamma variable x with shape `concentration` and scale `scale`.

    .. math:: \mathrm{KL} = \mathrm{KL}(\Gamma(a_1, r_1) \| \Gamma(a_2, r_2))

    Parameters
    ----------
    concentration, scale : array
        The shape a and the rate r of 1/x, positive.

    Notes
    -----
    Support: the real line.

    References
    ----------
    .. [1] W. D. Penny, "KL-divergences of Normal, Gamma, Dirichlet and Wishart densities",
       technical report, Wellcome Department of Cognitive Neurology (2001).

    Examples
    --------
    >>> from unikl.distributions import ExpInverseGamma, kl
    >>> p, q = ExpInverseGamma(2.0, 1.0), ExpInverseGamma(3.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.190921
    """

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
