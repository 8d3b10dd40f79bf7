"""The logistic and Student's t distributions: their divergences from a normal one."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive, real
from .shapes import _OnLine
from .special import digamma, lgamma

__all__ = ["Logistic", "StudentT"]


@dataclass(frozen=True, eq=False)
class Logistic(_OnLine):
    r"""The logistic distribution with mean `loc` and `scale`.

    .. math:: \mathrm{KL}(p \| \mathcal{N}(m_2, s_2)) =
              \frac{\pi^2 s^2/3 + (m-m_2)^2}{2 s_2^2} + \log\frac{s_2 \sqrt{2 \pi}}{s} - 2

    Parameters
    ----------
    loc : array
        Any real number.
    scale : array
        Positive.

    Notes
    -----
    Support: the real line.  Two logistic distributions have no closed form.

    References
    ----------
    .. [1] N. L. Johnson, S. Kotz and N. Balakrishnan, "Continuous Univariate Distributions", Wiley
       1994.

    Examples
    --------
    >>> from unikl.distributions import Logistic, Normal, kl
    >>> p, q = Logistic(0.0, 1.0), Normal(0.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.023319
    """

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.loc

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return (math.pi**2 / 3) * self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + 2


@dataclass(frozen=True, eq=False)
class StudentT(Distribution):
    r"""Student's t distribution with `df` degrees of freedom, `loc` and `scale`.

    .. math:: \mathrm{KL}(p \| \mathcal{N}(m_2, s_2)) =
              \frac{s^2 \nu/(\nu-2) + (m-m_2)^2}{2 s_2^2} + \log(s_2 \sqrt{2 \pi}) - H(p)

    Parameters
    ----------
    df : array
        The degrees of freedom nu, positive; +inf from a normal one where they are at most 2.
    loc : array
        Any real number.
    scale : array
        Positive.

    Notes
    -----
    Support: the real line.  Two Student distributions have no closed form.

    References
    ----------
    .. [1] N. L. Johnson, S. Kotz and N. Balakrishnan, "Continuous Univariate Distributions", Wiley
       1994.

    Examples
    --------
    >>> from unikl.distributions import Normal, StudentT, kl
    >>> p, q = StudentT(5.0, 0.0, 1.0), Normal(0.0, 1.0)
    >>> round(float(kl(p, q)), 6)
    0.124769
    """

    df: Any
    loc: Any
    scale: Any

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive degrees of freedom, a real location, a positive scale."""
        return [positive("df", self.df), real("loc", self.loc), positive("scale", self.scale)]

    def mean(self, room: Backend) -> Array:
        """E x, where it exists."""
        return self.loc

    def variance(self, room: Backend) -> Array:
        """Var x; +inf where df is at most 2."""
        xp, finite = room.xp, self.df > 2
        df = xp.where(finite, self.df, 3.0)
        return xp.where(finite, self.scale * self.scale * (df / (df - 2)), math.inf)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        half, xp = 0.5 * self.df, room.xp
        more = (half + 0.5) * (digamma(room, half + 0.5) - digamma(room, half))
        beta = lgamma(room, half) - lgamma(room, half + 0.5) + 0.5 * math.log(math.pi)
        return more + beta + 0.5 * xp.log(self.df) + xp.log(self.scale)
