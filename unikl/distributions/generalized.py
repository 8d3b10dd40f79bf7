"""The generalized gamma distribution, and the generalized normal one, whose distance it is."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support, positive, real
from .binet import binet_bregman
from .elementary import (
    exp_excess,
    itakura_saito,
    log_ratio,
    product_difference,
    relative_entropy,
)
from .registry import register_kl
from .special import digamma, lgamma, lgamma_bregman, trigamma

__all__ = ["GeneralizedGamma", "GeneralizedNormal"]


@dataclass(frozen=True, eq=False)
class GeneralizedGamma(Distribution):
    r"""Stacy's distribution, ``x^(concentration - 1) exp(-(x / scale)^power)`` for x > 0.

    (x / scale)^power is a gamma variable of shape k = concentration / power.  With the ratios
    t = power_q / power_p and k_q / k_p,

    .. math:: \mathrm{KL} = \psi(d_2/d_1 - 1) + k_2 \chi(T) + k_2 D(k_1 + 1 \to k_1 + t)
              + D(k_1 \to k_2) - R

    where d is the concentration, psi(u) = u - log(1 + u), chi(x) = exp(x) - 1 - x, D is the
    Bregman divergence of log-gamma, R that of x log x - log x, and
    exp(T) = E (x / scale_q)^power_q / k_q.

    Parameters
    ----------
    scale, concentration, power : array
        Positive.

    References
    ----------
    .. [1] C. Bauckhage, "Computing the Kullback-Leibler Divergence between two Generalized Gamma
       Distributions", arXiv:1401.6853.

    Examples
    --------
    >>> from unikl.distributions import GeneralizedGamma, kl
    >>> p, q = GeneralizedGamma(1.0, 2.0, 1.5), GeneralizedGamma(2.0, 1.0, 3.0)
    >>> print(f"{float(kl(p, q)):.12f}")
    0.066145324210
    """

    scale: Any
    concentration: Any
    power: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive(name, getattr(self, name)) for name in ("scale", "concentration", "power")]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return room.xp.exp(self.log_mean_power(room, 1))

    def variance(self, room: Backend) -> Array:
        """Var x."""
        mean, square = self.log_mean_power(room, 1), self.log_mean_power(room, 2)
        return room.xp.exp(square) - room.xp.exp(2 * mean)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        k = self.concentration / self.power
        shape = lgamma(room, k) + k - room.xp.log(self.power)
        return shape - self.concentration * self._mean_log_ratio(room) + self.mean_log(room)

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return room.xp.log(self.scale) + self._mean_log_ratio(room)

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        square = trigamma(room, self.concentration / self.power)
        return square / self.power / self.power + 0 * self.scale

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where k is at most -concentration."""
        xp, shape = room.xp, self.concentration / self.power
        finite = self.concentration + k > 0
        moved = lgamma(room, xp.where(finite, (self.concentration + k) / self.power, 1.0))
        value = k * xp.log(self.scale) + moved - lgamma(room, shape)
        return xp.where(finite, value, math.inf)

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        xp, c, p = room.xp, self.concentration, self.power
        norm = xp.log(p) - c * xp.log(self.scale) - lgamma(room, c / p)
        return norm + (c - 1) * xp.log(x) - (x / self.scale) ** p

    def _mean_log_ratio(self, room: Backend) -> Array:
        """E log(x / scale)."""
        return digamma(room, self.concentration / self.power) / self.power


@register_kl(GeneralizedGamma, GeneralizedGamma)
def _generalized_gamma(room: Backend, p: GeneralizedGamma, q: GeneralizedGamma) -> Array:
    scales = log_ratio(room, q.scale, p.scale, p.scale - q.scale)
    return _stacy(room, p.concentration, q.concentration, p.power, q.power, scales)


@register_kl(Distribution, GeneralizedGamma, needs=("entropy", "mean_log", "log_mean_power"))
def _any_generalized_gamma(room: Backend, p: Any, q: GeneralizedGamma) -> Array:
    """A rule like those of `rules`: from the entropy of p, E log x and E x^power."""
    xp, c, k = room.xp, q.concentration, q.power
    log_scale = xp.log(q.scale)
    power = xp.exp(p.log_mean_power(room, k) - k * log_scale)
    norm = xp.log(k) - c * log_scale - lgamma(room, c / k)
    return power - norm - (c - 1) * p.mean_log(room) - p.entropy(room)


def _stacy(room: Backend, c: Array, d: Array, p: Array, q: Array, scales: Array) -> Array:
    """c and d are the concentrations, p and q the powers, `scales` is log(scale_p / scale_q).

    All first-order terms are gathered in T; the others vanish to second order.
    """
    xp = room.xp
    c, d, p, q, scales = room.broadcast((c, d, p, q, scales), ())
    k, j, h = c / p, d / q, (q - p) / p
    step = product_difference(room, d, p, c, q) / (p * q)
    bregman = lgamma_bregman(room, k + 1, k + q / p, h)
    t = q * scales + bregman + digamma(room, k + 1) * h - log_ratio(room, k, j, step)
    # D(k -> j) of log-gamma, less that of x log x - log x.
    large = (k >= 1) & (j >= 1)
    above = binet_bregman(room, k, j, step) - 0.5 * itakura_saito(room, k, j, step)
    below = lgamma_bregman(room, 1 + k, 1 + j, step) - relative_entropy(room, j, k, -step)
    shapes = xp.where(large, above, below)
    return itakura_saito(room, c, d, d - c) + j * (exp_excess(room, t) + bregman) + shapes


@dataclass(frozen=True, eq=False)
class GeneralizedNormal(Distribution):
    r"""The generalized normal distribution, ``exp(-(abs(x - loc) / scale)^power)``.

    At one location the divergence is that of the generalized gamma distributions of
    abs(x - loc); at two of them no closed form is known (NaN), but against a normal one.

    Parameters
    ----------
    loc : array
    scale, power : array
        Positive; power 1 is Laplace's, power 2 the normal distribution of variance scale^2 / 2.

    References
    ----------
    .. [1] M. N. Do and M. Vetterli, "Wavelet-based texture retrieval using generalized Gaussian
       density and Kullback-Leibler distance", IEEE Trans. Image Process. 11 (2002) 146.

    Examples
    --------
    >>> from unikl.distributions import GeneralizedNormal, kl
    >>> p, q = GeneralizedNormal(0.0, 1.0, 1.5), GeneralizedNormal(0.0, 2.0, 3.0)
    >>> print(f"{float(kl(p, q)):.12f}")
    0.154492594002
    """

    loc: Any
    scale: Any
    power: Any

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location; positive scale and power."""
        return [
            real("loc", self.loc),
            positive("scale", self.scale),
            positive("power", self.power),
        ]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.loc + 0 * self.scale

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return room.xp.exp(self._distance(room).log_mean_power(room, 2)) + 0 * self.loc

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return self._distance(room).entropy(room) + math.log(2) + 0 * self.loc

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        norm = room.xp.log(0.5 * self.power / self.scale) - lgamma(room, 1 / self.power)
        return norm - (room.xp.abs(x - self.loc) / self.scale) ** self.power

    def _distance(self, room: Backend) -> GeneralizedGamma:
        """abs(x - loc)."""
        return GeneralizedGamma(self.scale, room.xp.ones_like(self.power), self.power)


@register_kl(GeneralizedNormal, GeneralizedNormal)
def _generalized_normal(room: Backend, p: GeneralizedNormal, q: GeneralizedNormal) -> Array:
    value = _generalized_gamma(room, p._distance(room), q._distance(room))
    return room.xp.where(p.loc == q.loc, value, math.nan)
