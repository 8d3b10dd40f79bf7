"""The normal distribution, and those that are one in another picture."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, View, positive, real
from .elementary import itakura_saito
from .registry import register_kl
from .shapes import _OnHalfLine, _OnLine
from .special import HALF_LOG_TWO_PI, erf

__all__ = ["HalfNormal", "LogNormal", "LogitNormal", "Maxwell", "Normal", "Rayleigh"]


@dataclass(frozen=True, eq=False)
class Normal(_OnLine):
    r"""The normal distribution with mean `loc` and standard deviation `scale`.

    .. math:: \mathrm{KL} = \frac{(m_1-m_2)^2}{2 s_2^2}
              + \frac12 \Bigl( \frac{s_1^2}{s_2^2} - 1 - \log\frac{s_1^2}{s_2^2} \Bigr)

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
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import Normal, kl
    >>> p, q = Normal(0.0, 1.0), Normal(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.443147
    """

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.loc

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (HALF_LOG_TWO_PI + 0.5)

    def cumulant(self, room: Backend, t: Array, m: Array) -> Array:
        """log E exp(t (x - m))."""
        return t * (self.loc - m) + 0.5 * (t * self.scale) ** 2

    def mean_distance(self, room: Backend, m: Array) -> Array:
        """E abs(x - m)."""
        z = (self.loc - m) / self.scale
        centre = math.sqrt(2 / math.pi) * room.xp.exp(-0.5 * z * z)
        return self.scale * (centre + z * erf(room, z * math.sqrt(0.5)))


@register_kl(Normal, Normal)
def _normal(room: Backend, p: Normal, q: Normal) -> Array:
    z = (p.loc - q.loc) / q.scale
    return 0.5 * z * z + 0.5 * _scales(room, p, q)


def _scales(room: Backend, p: Any, q: Any) -> Array:
    """``s^2 - 1 - log s^2`` of the ratio s of the scales."""
    d = (p.scale - q.scale) * (p.scale + q.scale)
    return itakura_saito(room, q.scale * q.scale, p.scale * p.scale, d)


@dataclass(frozen=True, eq=False)
class LogNormal(Distribution):
    r"""exp(x) of a normal x with mean `loc` and standard deviation `scale`.

    .. math:: \mathrm{KL} = \mathrm{KL}(\mathcal{N}(m_1, s_1) \| \mathcal{N}(m_2, s_2))

    Parameters
    ----------
    loc : array
        Any real number.
    scale : array
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
    >>> from unikl.distributions import LogNormal, kl
    >>> p, q = LogNormal(0.0, 1.0), LogNormal(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.443147
    """

    loc: Any
    scale: Any
    views: ClassVar[tuple[View, ...]] = (
        View("log x", Normal, lambda room, d: Normal(d.loc, d.scale)),
    )

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return room.xp.exp(self.log_mean_power(room, 1))

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return room.xp.expm1(self.scale * self.scale) * self.mean(room) ** 2

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (HALF_LOG_TWO_PI + 0.5) + self.loc

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return self.loc

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return self.scale * self.scale

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k."""
        return k * self.loc + 0.5 * (k * self.scale) ** 2


@dataclass(frozen=True, eq=False)
class LogitNormal(Distribution):
    r"""1 / (1 + exp(-x)) of a normal x with mean `loc` and standard deviation `scale`.

    .. math:: \mathrm{KL} = \mathrm{KL}(\mathcal{N}(m_1, s_1) \| \mathcal{N}(m_2, s_2))

    Parameters
    ----------
    loc : array
        Any real number.
    scale : array
        Positive.

    Notes
    -----
    Support: the unit interval.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import LogitNormal, kl
    >>> p, q = LogitNormal(0.0, 1.0), LogitNormal(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.443147
    """

    loc: Any
    scale: Any
    views: ClassVar[tuple[View, ...]] = (
        View("logit x", Normal, lambda room, d: Normal(d.loc, d.scale)),
    )

    def support(self, room: Backend) -> Support:
        """The unit interval."""
        return Support(0, 1)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]


@dataclass(frozen=True, eq=False)
class HalfNormal(_OnHalfLine):
    r"""abs(x) of a normal x with mean 0 and standard deviation `scale`.

    .. math:: \mathrm{KL} = \frac12 \Bigl( \frac{s_1^2}{s_2^2} - 1 - \log\frac{s_1^2}{s_2^2} \Bigr)

    Parameters
    ----------
    scale : array
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
    >>> from unikl.distributions import HalfNormal, kl
    >>> p, q = HalfNormal(1.0), HalfNormal(2.0)
    >>> round(float(kl(p, q)), 6)
    0.318147
    """

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.scale * math.sqrt(2 / math.pi)

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return self.scale * self.scale * (1 - 2 / math.pi)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (0.5 + 0.5 * math.log(math.pi / 2))

    def mean_log(self, room: Backend) -> Array:
        """E log x; digamma(1/2) + log 2 = -euler - log 2."""
        return room.xp.log(self.scale) - 0.63518142273073908501

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return math.pi**2 / 8 + 0 * self.scale


@register_kl(HalfNormal, HalfNormal)
def _half_normal(room: Backend, p: HalfNormal, q: HalfNormal) -> Array:
    return 0.5 * _scales(room, p, q)


@dataclass(frozen=True, eq=False)
class Rayleigh(_OnHalfLine):
    r"""The length of a vector of two normals with mean 0 and standard deviation `scale`.

    .. math:: \mathrm{KL} = \frac{s_1^2}{s_2^2} - 1 - \log\frac{s_1^2}{s_2^2}

    Parameters
    ----------
    scale : array
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
    >>> from unikl.distributions import Rayleigh, kl
    >>> p, q = Rayleigh(1.0), Rayleigh(2.0)
    >>> round(float(kl(p, q)), 6)
    0.636294
    """


@register_kl(Rayleigh, Rayleigh)
def _rayleigh(room: Backend, p: Rayleigh, q: Rayleigh) -> Array:
    return _scales(room, p, q)


@dataclass(frozen=True, eq=False)
class Maxwell(_OnHalfLine):
    r"""The length of a vector of three normals with mean 0 and standard deviation `scale`.

    .. math:: \mathrm{KL} = \frac32 \Bigl( \frac{s_1^2}{s_2^2} - 1 - \log\frac{s_1^2}{s_2^2} \Bigr)

    Parameters
    ----------
    scale : array
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
    >>> from unikl.distributions import Maxwell, kl
    >>> p, q = Maxwell(1.0), Maxwell(2.0)
    >>> round(float(kl(p, q)), 6)
    0.954442
    """


@register_kl(Maxwell, Maxwell)
def _maxwell(room: Backend, p: Maxwell, q: Maxwell) -> Array:
    return 1.5 * _scales(room, p, q)
