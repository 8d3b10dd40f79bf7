"""The inverse Gaussian distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive
from .elementary import itakura_saito
from .registry import register_kl

__all__ = ["InverseGaussian"]


@dataclass(frozen=True, eq=False)
class InverseGaussian(Distribution):
    r"""The first passage time of a Brownian motion, with mean `loc` and shape `concentration`.

    .. math:: \mathrm{KL} = \frac12 \Bigl( \frac{c_2}{c_1} - 1 - \log\frac{c_2}{c_1}
              + \frac{c_2 (m_1-m_2)^2}{m_2^2 m_1} \Bigr)

    Parameters
    ----------
    loc : array
        The mean m, positive.
    concentration : array
        The shape c, positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import InverseGaussian, kl
    >>> p, q = InverseGaussian(1.0, 1.0), InverseGaussian(2.0, 1.0)
    >>> round(float(kl(p, q)), 6)
    0.125
    """

    loc: Any
    concentration: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("loc", self.loc), positive("concentration", self.concentration)]


@register_kl(InverseGaussian, InverseGaussian)
def _inverse_gaussian(room: Backend, p: InverseGaussian, q: InverseGaussian) -> Array:
    a, b = p.concentration, q.concentration
    z = (p.loc - q.loc) / q.loc
    return 0.5 * (itakura_saito(room, a, b, b - a) + b * z * z / p.loc)
