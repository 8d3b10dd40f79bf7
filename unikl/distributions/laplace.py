"""The Laplace distribution."""

import math
from dataclasses import dataclass

from ..backends import Array, Backend
from .elementary import exp_excess_of_ratio, itakura_saito, log1p
from .registry import register_kl
from .shapes import _OnLine

__all__ = ["Laplace"]


@dataclass(frozen=True, eq=False)
class Laplace(_OnLine):
    r"""The Laplace distribution with mean `loc` and mean absolute deviation `scale`.

    .. math:: \mathrm{KL} = \log\frac{s_2}{s_1} - 1 + \frac{|m_1-m_2|}{s_2}
              + \frac{s_1}{s_2} e^{-|m_1-m_2|/s_1}

    Parameters
    ----------
    loc : array
        Any real number.
    scale : array
        Positive.

    Notes
    -----
    Support: the real line.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import Laplace, kl
    >>> p, q = Laplace(0.0, 1.0), Laplace(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.377087
    """

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.loc

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return 2 * self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (1 + math.log(2))

    def cumulant(self, room: Backend, t: Array, m: Array) -> Array:
        """log E exp(t (x - m)); +inf where abs(t) scale is at least 1."""
        xp, square = room.xp, (t * self.scale) ** 2
        finite = square < 1
        excess = xp.where(finite, -log1p(room, -xp.where(finite, square, 0.0)), math.inf)
        return t * (self.loc - m) + excess


@register_kl(Laplace, Laplace)
def _laplace(room: Backend, p: Laplace, q: Laplace) -> Array:
    scales = itakura_saito(room, q.scale, p.scale, p.scale - q.scale)
    return exp_excess_of_ratio(room, room.xp.abs(p.loc - q.loc), p.scale) / q.scale + scales
