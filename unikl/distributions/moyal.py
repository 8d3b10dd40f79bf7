"""The Moyal distribution."""

import math
from dataclasses import dataclass

from ..backends import Array, Backend
from .elementary import exp_excess, itakura_saito
from .registry import register_kl
from .shapes import _OnLine
from .special import EULER, lgamma_bregman

__all__ = ["Moyal"]


@dataclass(frozen=True, eq=False)
class Moyal(_OnLine):
    r"""``loc - scale log(x)`` of a chi-squared variable x with one degree of freedom.

    .. math:: \mathrm{KL} = \log\frac{s_2}{s_1} + \frac12 \Bigl( z + e^{-(m_1-m_2)/s_2}
              \frac{2^r \Gamma(r+1/2)}{\sqrt{\pi}} - c - 1 \Bigr),\quad r = \frac{s_1}{s_2},
              \ c = \log 2 + \gamma,\ z = r c + \frac{m_1-m_2}{s_2}

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
    .. [1] J. E. Moyal, "Theory of ionization fluctuations", Philosophical Magazine 46 (1955) 263.

    Examples
    --------
    >>> from unikl.distributions import Moyal, kl
    >>> p, q = Moyal(0.0, 1.0), Moyal(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.283301
    """


@register_kl(Moyal, Moyal)
def _moyal(room: Backend, p: Moyal, q: Moyal) -> Array:
    """With r the ratio of the scales, d the distance in scales of q, and z = (x - loc_q)/scale_q:

    E_p z = r c + d, c = log 2 + gamma, and log E_p exp(-z) = T = -d + (2 - c) (r - 1) + B, where B
    is log-gamma's Bregman divergence from 3/2 to r + 1/2.  So all first-order terms cancel:
    KL = (r - 1 - log r) + (exp T - 1 - T)/2 + B/2.
    """
    h = (p.scale - q.scale) / q.scale
    d = (p.loc - q.loc) / q.scale
    a = 1.5 + 0 * h
    bregman = lgamma_bregman(room, a, a + h, h)
    t = (2 - math.log(2) - EULER) * h + bregman - d
    scales = itakura_saito(room, q.scale, p.scale, p.scale - q.scale)
    return scales + 0.5 * (exp_excess(room, t) + bregman)
