"""The Gumbel distribution, and the Weibull distribution, whose logarithm it is."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..backends import Array, Backend
from ..numerics import difference
from .base import Condition, Distribution, Support, positive
from .binet import binet
from .elementary import exp_excess_given, log_ratio, product_difference
from .registry import register_kl
from .shapes import _OnLine
from .special import EULER, lgamma, lgamma_bregman

__all__ = ["Gumbel", "Scales", "Weibull", "weibulls"]


@dataclass(frozen=True, eq=False)
class Gumbel(_OnLine):
    r"""The Gumbel distribution of maxima, with mode `loc` and `scale`.

    .. math:: \mathrm{KL} = \log\frac{s_2}{s_1} + \gamma \Bigl( \frac{s_1}{s_2} - 1 \Bigr) - 1
              + \frac{m_1-m_2}{s_2} + e^{(m_2-m_1)/s_2} \Gamma\Bigl( \frac{s_1}{s_2} + 1 \Bigr)

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
    .. [1] C. Bauckhage, "Computing the Kullback-Leibler divergence between two Weibull
       distributions", arXiv:1310.3713. (-log x of a Weibull variable x is Gumbel)

    Examples
    --------
    >>> from unikl.distributions import Gumbel, kl
    >>> p, q = Gumbel(0.0, 1.0), Gumbel(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.365681
    """

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.loc + EULER * self.scale

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return (math.pi**2 / 6) * self.scale * self.scale

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        return room.xp.log(self.scale) + (1 + EULER)


@register_kl(Gumbel, Gumbel)
def _gumbel(room: Backend, p: Gumbel, q: Gumbel) -> Array:
    hold = room.stop_gradient
    apart, apart_rest = difference(p.loc, q.loc)
    shift, rest = _quotient(room, apart, q.scale)
    rest = rest + hold(apart_rest / q.scale)
    half = room.xp.exp(-0.5 * shift)
    t, t_rest = _quotient(room, p.scale, q.scale)
    return _extremes(
        room, _Ratio(t, t_rest, (p.scale - q.scale) / q.scale), _Shift(shift, half, -rest)
    )


class _Ratio(NamedTuple):
    """The ratio t of two scales, its rounding error, and t - 1."""

    t: Array
    rest: Array
    less_one: Array


class _Shift(NamedTuple):
    """A distance x in scales of q, exp(-x/2), and what is left of log exp(-x) beside its square."""

    x: Array
    half: Array
    rest: Array


def _quotient(room: Backend, x: Array, y: Array) -> tuple[Array, Array]:
    """x / y, rounded, and the rounding error (a constant)."""
    ratio = x / y
    hold = room.stop_gradient
    x, y, held = room.broadcast((hold(x), hold(y), hold(ratio)), ())
    one = room.xp.ones_like(x)
    return ratio, product_difference(room, x, one, held, y) / y


def _extremes(room: Backend, ratio: _Ratio, shift: _Shift) -> Array:
    """With t = s_p / s_q, d = t - 1 and shift = (m_p - m_q) / s_q: KL = chi(y) + D(1 -> t),

    chi(y) = exp(y) - 1 - y, y = log Gamma(1 + t) - shift, D the divergence of log-gamma.

    A large exp(y) would multiply the rounding of y; it is Gamma(1 + t) exp(-shift) then, by
    Stirling's formula with powers instead of logarithms, and with the rounding errors of t and
    the shift put right.
    """
    xp, hold = room.xp, room.stop_gradient
    arrays = room.broadcast((*ratio, *shift), ())
    t, t_rest, d, x, half, rest = arrays
    one = xp.ones_like(t)
    # log Gamma(1 + t) from its tangent at t = 1, where it is zero.
    log_gamma = lgamma_bregman(room, 2 * one, 1 + t, d) + (1 - EULER) * d
    power = _power(room, *[hold(z) for z in (t, log_gamma, half)])
    # digamma(1 + t) times what t lacks, to the few digits that this needs.
    lacking = hold(t_rest * xp.log(t + 0.5) + rest)
    y = log_gamma - x
    return exp_excess_given(room, y, power * (1 + lacking)) + lgamma_bregman(room, one, t, d)


def _power(room: Backend, t: Array, log_gamma: Array, half: Array) -> Array:
    """Gamma(1 + t) half^2, a few eps off; 0 where its parts leave the range of the numbers."""
    xp, large = room.xp, t > 2
    u = xp.where(large, t, 2.0)
    root = u ** (0.5 * u) * xp.exp(-0.5 * u) * half
    stirling = root * root * xp.sqrt(u) * (math.sqrt(2 * math.pi) * xp.exp(binet(room, u)))
    return xp.where(large, stirling, xp.exp(xp.where(large, 0.0, log_gamma)) * half * half)


@dataclass(frozen=True, eq=False)
class Weibull(Distribution):
    r"""The Weibull distribution, exp(-(x / scale)^concentration) beyond x.

    .. math:: \mathrm{KL} = \log\frac{k_1}{s_1^{k_1}} - \log\frac{k_2}{s_2^{k_2}}
              + (k_1-k_2) \Bigl( \log s_1 - \frac{\gamma}{k_1} \Bigr)
              + \Bigl( \frac{s_1}{s_2} \Bigr)^{k_2} \Gamma\Bigl( \frac{k_2}{k_1} + 1 \Bigr) - 1

    Parameters
    ----------
    scale : array
        Positive.
    concentration : array
        The shape k, positive.

    Notes
    -----
    Support: the positive numbers.

    References
    ----------
    .. [1] C. Bauckhage, "Computing the Kullback-Leibler divergence between two Weibull
       distributions", arXiv:1310.3713.

    Examples
    --------
    >>> from unikl.distributions import Weibull, kl
    >>> p, q = Weibull(1.0, 2.0), Weibull(2.0, 1.0)
    >>> round(float(kl(p, q)), 6)
    0.5408
    """

    scale: Any
    concentration: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive parameters."""
        return [positive("scale", self.scale), positive("concentration", self.concentration)]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return room.xp.exp(self.log_mean_power(room, 1))

    def variance(self, room: Backend) -> Array:
        """Var x."""
        mean = self.log_mean_power(room, 1)
        square = self.log_mean_power(room, 2)
        return room.xp.exp(square) - room.xp.exp(2 * mean)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        k = self.concentration
        return room.xp.log(self.scale) - room.xp.log(k) + EULER * (1 - 1 / k) + 1

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        return room.xp.log(self.scale) - EULER / self.concentration

    def variance_log(self, room: Backend) -> Array:
        """Var log x."""
        return math.pi**2 / 6 / self.concentration / self.concentration + 0 * self.scale

    def log_mean_power(self, room: Backend, k: Any) -> Array:
        """log E x^k; +inf where k is at most -concentration."""
        xp, t = room.xp, 1 + k / self.concentration
        value = lgamma(room, xp.where(t > 0, t, 1.0)) + k * xp.log(self.scale)
        return xp.where(t > 0, value, math.inf)


class Scales(NamedTuple):
    """The ratio of p's scale to q's: its logarithm, it rounded, and its rounding error."""

    log: Array
    ratio: Array
    rest: Array


@register_kl(Weibull, Weibull)
def _weibull(room: Backend, p: Weibull, q: Weibull) -> Array:
    log = log_ratio(room, q.scale, p.scale, p.scale - q.scale)
    ratio, rest = (room.stop_gradient(x) for x in _quotient(room, p.scale, q.scale))
    return weibulls(room, p.concentration, q.concentration, Scales(log, ratio, rest))


def weibulls(room: Backend, a: Array, b: Array, scales: Scales) -> Array:
    """KL of two Weibull distributions by their concentrations and the ratio of their scales.

    -log x is Gumbel with m = -log scale and s = 1 / concentration.
    """
    t, t_rest = _quotient(room, b, a)
    half = scales.ratio ** (0.5 * room.stop_gradient(b))
    shift = _Shift(-b * scales.log, half, b * scales.rest / scales.ratio)
    return _extremes(room, _Ratio(t, t_rest, (b - a) / a), shift)
