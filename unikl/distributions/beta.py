"""The beta and Dirichlet distributions."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from ..core import kl_divergence
from .base import Condition, Distribution, Support, View, positive
from .binet import binet_bregman, binet_excess
from .elementary import itakura_saito, product_difference, relative_entropy
from .registry import register_kl
from .special import digamma, gamma_entropy, lgamma_bregman

__all__ = ["Beta", "Dirichlet"]


@dataclass(frozen=True, eq=False)
class Dirichlet(Distribution):
    r"""The Dirichlet distribution on the simplex; the last axis of `concentration` is its own.

    .. math:: \mathrm{KL} = \log\frac{\Gamma(a_0)}{\Gamma(b_0)} + \sum_i \Bigl(
              \log\frac{\Gamma(b_i)}{\Gamma(a_i)} + (a_i-b_i) (\psi(a_i) - \psi(a_0)) \Bigr),
              \quad a_0 = \sum_i a_i,\ b_0 = \sum_i b_i

    Parameters
    ----------
    concentration : array, shape (..., K)
        Positive.

    Notes
    -----
    Support: the simplex: K non-negative numbers with the sum 1.

    References
    ----------
    .. [1] W. D. Penny, "KL-divergences of Normal, Gamma, Dirichlet and Wishart densities",
       technical report, Wellcome Department of Cognitive Neurology (2001).

    Examples
    --------
    >>> from unikl.distributions import Dirichlet, kl
    >>> p, q = Dirichlet([1.0, 2.0, 3.0]), Dirichlet([2.0, 2.0, 2.0])
    >>> round(float(kl(p, q)), 6)
    0.806853
    """

    concentration: Any
    event_rank: ClassVar[int] = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive concentrations."""
        name, holds, requirement = positive("concentration", self.concentration)
        return [Condition(name, room.xp.all(holds, axis=-1), requirement)]


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(room: Backend, p: Dirichlet, q: Dirichlet) -> Array:
    """With log Gamma(a) = a log a - a - log(a)/2 + R(a) + const, and totals a0, b0:

    KL = b0 KL(b/b0 || a/a0)
         + (sum_i (1 - a_i/a0) D(a_i -> b_i) + KL(a/a0 || b/b0)) / 2          D of -log
         + sum_i D(a_i -> b_i) - D(a0 -> b0)                                  D of R

    All but the last one are non-negative term by term, and that one is small beside them.
    """
    xp, n = room.xp, room.shape(p.concentration)
    if n is not None and n != room.shape(q.concentration):
        _check_lengths(room, p.concentration, q.concentration)
    a, b = room.broadcast((p.concentration, q.concentration), (-1,))
    d, total_a, total_b = b - a, room.sum(a, (-1,)), room.sum(b, (-1,))
    total_d = room.sum(d, (-1,))
    means = kl_divergence(b, a, given="counts", validate=False)
    reverse = kl_divergence(a, b, given="counts", validate=False)
    logs = (1 - a / total_a) * itakura_saito(room, a, b, d)
    each = 0.5 * logs + binet_bregman(room, a, b, d)
    total = binet_bregman(room, total_a, total_b, total_d)
    rest = xp.squeeze(room.sum(each, (-1,)) - total, axis=(-1,))
    return xp.squeeze(total_b, axis=(-1,)) * means + 0.5 * reverse + rest


def _check_lengths(room: Backend, a: Array, b: Array) -> None:
    m, n = ((room.shape(x) or (None,))[-1] for x in (a, b))
    if m is not None and n is not None and m != n:
        raise ValueError(
            f"the outcomes of p and q have {m} and {n} components; they must have the same number"
        )


@dataclass(frozen=True, eq=False)
class Beta(Distribution):
    r"""The beta distribution, x^(concentration1 - 1) (1 - x)^(concentration0 - 1).

    .. math:: \mathrm{KL} = \log\frac{B(a_2, b_2)}{B(a_1, b_1)} + (a_1-a_2) \psi(a_1)
              + (b_1-b_2) \psi(b_1) + (a_2-a_1+b_2-b_1) \psi(a_1+b_1)

    Parameters
    ----------
    concentration1, concentration0 : array
        a and b, positive.

    Notes
    -----
    Support: the unit interval.

    References
    ----------
    .. [1] M. Gil, F. Alajaji and T. Linder, "Renyi divergence measures for commonly used univariate
       continuous distributions", Information Sciences 249 (2013) 124.

    Examples
    --------
    >>> from unikl.distributions import Beta, kl
    >>> p, q = Beta(2.0, 3.0), Beta(1.0, 1.0)
    >>> round(float(kl(p, q)), 6)
    0.234907
    """

    concentration1: Any
    concentration0: Any
    views: ClassVar[tuple[View, ...]] = (
        View("x", Dirichlet, lambda room, d: Dirichlet(_stacked(room, d))),
    )

    def support(self, room: Backend) -> Support:
        """The unit interval."""
        return Support(0, 1)

    def conditions(self, room: Backend) -> list[Condition]:
        """Positive concentrations."""
        names = ("concentration1", "concentration0")
        return [positive(name, getattr(self, name)) for name in names]

    def mean(self, room: Backend) -> Array:
        """E x."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    def variance(self, room: Backend) -> Array:
        """Var x."""
        total = self.concentration1 + self.concentration0
        return self.mean(room) * (self.concentration0 / total) / (total + 1)

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        a, b = self.concentration1, self.concentration0
        parts = gamma_entropy(room, a) + gamma_entropy(room, b)
        return parts - gamma_entropy(room, a + b) - digamma(room, a + b)

    def mean_log(self, room: Backend) -> Array:
        """E log x."""
        total = self.concentration1 + self.concentration0
        return digamma(room, self.concentration1) - digamma(room, total)

    def mean_log1m(self, room: Backend) -> Array:
        """E log(1 - x)."""
        total = self.concentration1 + self.concentration0
        return digamma(room, self.concentration0) - digamma(room, total)


def _stacked(room: Backend, d: Beta) -> Array:
    return room.xp.stack(room.broadcast((d.concentration1, d.concentration0), ()), axis=-1)


@register_kl(Beta, Beta)
def _beta(room: Backend, p: Beta, q: Beta) -> Array:
    """D(r -> s) + D(x -> y) - D(r + x -> s + y), with D the divergence of log-gamma.

    (x, y) is the smaller component.  As for Dirichlet, but where x and y are small all of it is in
    terms that vanish with them; for r or s below 1 by log Gamma(r) = log Gamma(r + 1) - log r in
    the first and the last divergence.
    """
    xp = room.xp
    a1, a0 = p.concentration1, p.concentration0
    b1, b0 = q.concentration1, q.concentration0
    swap = xp.log(a1) + xp.log(b1) < xp.log(a0) + xp.log(b0)
    r, s = xp.where(swap, a0, a1), xp.where(swap, b0, b1)
    x, y = xp.where(swap, a1, a0), xp.where(swap, b1, b0)
    h, k = s - r, y - x
    cross = product_difference(room, s, x, r, y)
    above = (r >= 1) & (s >= 1)
    near_zero = ~above & (x < 1) & (y < 1)
    logs, means = _logs(room, r, s, h, x, y, k, cross), _means(room, r, s, x, y, cross)
    plain = means + 0.5 * logs + binet_bregman(room, x, y, k)
    last = binet_bregman(room, r, s, h) - binet_bregman(room, r + x, s + y, h + k)
    up, high = xp.where(above, r, r + 1), xp.where(above, s, s + 1)
    excess = binet_excess(room, up, high, h, x, y, k)
    # Of x itself, at x + 1, without what the means and logarithms of the others hold already.
    at_one = lgamma_bregman(room, x + 1, y + 1, k) - relative_entropy(room, y, x, -k)
    at_one = at_one - 0.5 * itakura_saito(room, x, y, k)
    moved = _means(room, r + 1, s + 1, x, y, cross - k)
    moved = moved + 0.5 * _logs(room, r + 1, s + 1, h, x, y, k, cross - k)
    shifted = logs + (moved + at_one)
    return xp.where(near_zero, shifted + excess, plain + xp.where(above, excess, last))


def _means(room: Backend, r: Array, s: Array, x: Array, y: Array, cross: Array) -> Array:
    """(s + y) KL of the means, q's from p's, given cross = s x - r y."""
    a, b = r + x, s + y
    d = cross / a
    return relative_entropy(room, s, r * (b / a), -d) + relative_entropy(room, y, x * (b / a), d)


def _logs(
    room: Backend, r: Array, s: Array, h: Array, x: Array, y: Array, k: Array, cross: Array
) -> Array:
    """D(r -> s) + D(x -> y) - D(r + x -> s + y) for -log; non-negative term by term."""
    a, b = r + x, s + y
    d = cross / b
    kl = relative_entropy(room, r, s * (a / b), d) + relative_entropy(room, x, y * (a / b), -d)
    return (x * itakura_saito(room, r, s, h) + r * itakura_saito(room, x, y, k) + kl) / a
