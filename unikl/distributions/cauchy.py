"""The Cauchy distribution, and its absolute value."""

from dataclasses import dataclass

from ..backends import Array, Backend
from .elementary import log1p
from .registry import register_kl
from .shapes import _OnHalfLine, _OnLine

__all__ = ["Cauchy", "HalfCauchy"]


@dataclass(frozen=True, eq=False)
class Cauchy(_OnLine):
    r"""The Cauchy distribution with median `loc` and half width at half maximum `scale`.

    .. math:: \mathrm{KL} = \log\frac{(s_1+s_2)^2 + (m_1-m_2)^2}{4 s_1 s_2}

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
    .. [1] F. Chyzak and F. Nielsen, "A closed-form formula for the Kullback-Leibler divergence
       between Cauchy distributions", arXiv:1905.10965.

    Examples
    --------
    >>> from unikl.distributions import Cauchy, kl
    >>> p, q = Cauchy(0.0, 1.0), Cauchy(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.223144
    """


@register_kl(Cauchy, Cauchy)
def _cauchy(room: Backend, p: Cauchy, q: Cauchy) -> Array:
    """F. Chyzak and F. Nielsen, arXiv:1905.10965."""
    distance = _ratio(p.loc - q.loc, p.scale, q.scale) + _ratio(p.scale - q.scale, p.scale, q.scale)
    return log1p(room, 0.25 * distance)


def _ratio(d: Array, s: Array, t: Array) -> Array:
    """d^2 / (s t), without overflow."""
    return (d / s) * (d / t)


@dataclass(frozen=True, eq=False)
class HalfCauchy(_OnHalfLine):
    r"""abs(x) of a Cauchy variable x with median 0 and half width `scale`.

    .. math:: \mathrm{KL} = \log\frac{(s_1+s_2)^2}{4 s_1 s_2}

    Parameters
    ----------
    scale : array
        Positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] F. Chyzak and F. Nielsen, arXiv:1905.10965 (at one location both halves are alike).

    Examples
    --------
    >>> from unikl.distributions import HalfCauchy, kl
    >>> p, q = HalfCauchy(1.0), HalfCauchy(2.0)
    >>> round(float(kl(p, q)), 6)
    0.117783
    """


@register_kl(HalfCauchy, HalfCauchy)
def _half_cauchy(room: Backend, p: HalfCauchy, q: HalfCauchy) -> Array:
    return log1p(room, 0.25 * _ratio(p.scale - q.scale, p.scale, q.scale))
