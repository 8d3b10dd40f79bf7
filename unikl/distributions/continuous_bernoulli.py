"""The continuous Bernoulli distribution."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..backends import Array, Backend
from ..numerics import psi
from .base import Condition, Distribution, Support, real
from .elementary import elementwise, exp_excess, itakura_saito, like, log1p, log_ratio
from .registry import register_kl

__all__ = ["ContinuousBernoulli", "bregman_of_cumulants", "cumulants"]


@dataclass(frozen=True, eq=False)
class ContinuousBernoulli(Distribution):
    r"""Density proportional to ``probs^x (1 - probs)^(1 - x)`` on the unit interval.

    That is exp(eta x - A(eta)) with eta = log(probs / (1 - probs)), the `logits`, and
    A = log((exp(eta) - 1) / eta).

    .. math:: \mathrm{KL} = A(\eta_2) - A(\eta_1) - A'(\eta_1) (\eta_2 - \eta_1)

    Parameters
    ----------
    probs, logits : array
        Strictly between 0 and 1, or any real number; one of them.

    Notes
    -----
    Support: the unit interval.

    References
    ----------
    .. [1] G. Loaiza-Ganem and J. P. Cunningham, "The continuous Bernoulli: fixing a pervasive error
       in variational autoencoders", arXiv:1907.06845.

    Examples
    --------
    >>> from unikl.distributions import ContinuousBernoulli, kl
    >>> p, q = ContinuousBernoulli(logits=0.0), ContinuousBernoulli(logits=2.0)
    >>> round(float(kl(p, q)), 6)
    0.161439
    """

    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)

    def support(self, room: Backend) -> Support:
        """The unit interval."""
        return Support(0, 1)

    def conditions(self, room: Backend) -> list[Condition]:
        """Probabilities strictly between 0 and 1, or real logits."""
        if self.probs is None:
            return [real("logits", self.logits)]
        inside = (self.probs > 0) & (self.probs < 1)
        return [Condition("probs", inside, "strictly between 0 and 1")]

    def eta(self, room: Backend) -> Array:
        """The natural parameter."""
        if self.probs is None:
            return self.logits
        return log_ratio(room, 1 - self.probs, self.probs, 2 * self.probs - 1)

    def mean(self, room: Backend) -> Array:
        """E x."""
        return cumulants(room, self.eta(room))[1]

    def variance(self, room: Backend) -> Array:
        """Var x."""
        return cumulants(room, self.eta(room))[2]

    def entropy(self, room: Backend) -> Array:
        """-E log p(x)."""
        eta = self.eta(room)
        log_normaliser, mean, _ = cumulants(room, eta)
        return log_normaliser - eta * mean


_NODES, _WEIGHTS = ([float(x) for x in one] for one in np.polynomial.legendre.leggauss(24))
_WIDE = 16.0  # up to here those nodes integrate exp(eta x) to rounding


def _expectations(room: Backend, eta: Array) -> tuple[Array, Array, Array]:
    """At the nodes, on a last axis: x - 1/2 and its probabilities; and log E exp(eta (x - 1/2))."""
    xp = room.xp
    x, w = 0.5 * like(room, _NODES, eta), 0.5 * like(room, _WEIGHTS, eta)
    mass = w * xp.exp(xp.expand_dims(eta, axis=-1) * x)
    total = room.sum(mass, (-1,))
    return x, mass / total, xp.squeeze(xp.log(total), axis=(-1,))


def cumulants(room: Backend, eta: Array) -> tuple[Array, Array, Array]:
    """A(eta) and its first two derivatives: the log-normaliser, the mean and the variance."""
    xp = room.xp
    near = xp.abs(eta) < _WIDE
    x, weights, log_total = _expectations(room, xp.where(near, eta, 0.0))
    mean = room.sum(weights * x, (-1,))
    variance = xp.squeeze(room.sum(weights * (x - mean) ** 2, (-1,)), axis=(-1,))
    r = xp.where(near, _WIDE, xp.abs(eta))
    up, tail = eta > 0, xp.exp(-r)
    odds = tail / (1 - tail)
    far = (
        xp.where(up, eta, 0.0) + xp.log((1 - tail) / r),
        xp.where(up, 1 - 1 / r + odds, 1 / r - odds),
        1 / r / r - odds * (1 + odds),
    )
    close = (0.5 * eta + log_total, 0.5 + xp.squeeze(mean, axis=(-1,)), variance)
    first, second, third = (xp.where(near, a, b) for a, b in zip(close, far, strict=True))
    return first, second, third


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(room: Backend, p: ContinuousBernoulli, q: ContinuousBernoulli) -> Array:
    return bregman_of_cumulants(room, p.eta(room), q.eta(room), _step(room, p, q))


def _tilted(room: Backend, eta: Array, h: Array) -> tuple[Array, Array]:
    """log E exp(h (x - mean)) and its derivative in h, by quadrature, for x of parameter eta."""
    x, weights, _ = _expectations(room, eta)
    x = x - room.sum(weights * x, (-1,))
    power = room.xp.expand_dims(h, axis=-1) * x
    excess = room.sum(weights * exp_excess(room, power), (-1,))
    slope = room.sum(weights * x * room.xp.expm1(power), (-1,)) / (1 + excess)
    axis = (-1,)
    return log1p(room, room.xp.squeeze(excess, axis=axis)), room.xp.squeeze(slope, axis=axis)


class _Ways(NamedTuple):
    """How to compute with two natural parameters."""

    near: Array  # both moderate: by quadrature
    tails: Array  # both beyond 4, one beyond that, and of one sign: by A = log((1 - exp(-r)) / r)
    r: Array  # their absolute values and the step between them, harmless where not `tails`
    s: Array
    d: Array


def _ways(room: Backend, eta: Array, other: Array, h: Array) -> _Ways:
    xp = room.xp
    r, s = xp.abs(eta), xp.abs(other)
    near = (r < _WIDE) & (s < _WIDE)
    tails = (r > 4) & (s > 4) & ((eta > 0) == (other > 0)) & ~near
    d = xp.where(tails, xp.where(eta > 0, h, -h), 1.0)
    return _Ways(near, tails, xp.where(tails, r, 8.0), xp.where(tails, s, 9.0), d)


def _bregman_partials(room: Backend, eta: Array, other: Array, h: Array) -> tuple[Any, ...]:
    xp, ways = room.xp, _ways(room, eta, other, h)
    slope = _tilted(room, xp.where(ways.near, eta, 0.0), xp.where(ways.near, h, 0.0))[1]
    # The mean is 1/r - 1/(exp(r) - 1), or 1 minus that.
    fall, rise = (1 - xp.exp(-one) for one in (ways.r, ways.s))
    between = xp.where(ways.d > 0, -xp.expm1(-xp.abs(ways.d)), xp.expm1(-xp.abs(ways.d)))
    larger = xp.exp(-xp.where(ways.d > 0, ways.r, ways.s))
    far = larger * between / fall / rise - ways.d / ways.r / ways.s
    far = xp.where(eta > 0, -far, far)
    plain = cumulants(room, other)[1] - cumulants(room, eta)[1]
    of_other = xp.where(ways.near, slope, xp.where(ways.tails, far, plain))
    return -h * cumulants(room, eta)[2], of_other, None


@elementwise(_bregman_partials)
def bregman_of_cumulants(room: Backend, eta: Array, other: Array, h: Array) -> Array:
    """The divergence of A, given h = other - eta, in three ways.

    As log E_p exp(h (x - mean)) by quadrature, where both parameters are moderate; by that of
    log((1 - exp(-r)) / r), r = abs(eta), where they are large and of one sign; by the plain
    difference elsewhere, where they are far apart.
    """
    xp, ways = room.xp, _ways(room, eta, other, h)
    close = _tilted(room, xp.where(ways.near, eta, 0.0), xp.where(ways.near, h, 0.0))[0]
    far = _both_tails(room, ways.r, ways.s, ways.d)
    first = cumulants(room, eta)
    plain = cumulants(room, other)[0] - first[0] - first[1] * h
    return xp.where(ways.near, close, xp.where(ways.tails, far, plain))


def _step(room: Backend, p: ContinuousBernoulli, q: ContinuousBernoulli) -> Array:
    """The difference of the natural parameters."""
    if p.probs is None or q.probs is None:
        return q.eta(room) - p.eta(room)
    x, y = p.probs * (1 - q.probs), q.probs * (1 - p.probs)
    return log_ratio(room, x, y, q.probs - p.probs)


def _both_tails(room: Backend, r: Array, s: Array, d: Array) -> Array:
    """The divergence of log((1 - exp(-r)) / r) from r to s = r + d, both above 4."""
    xp = room.xp
    tail = xp.exp(-r)
    w = (tail - xp.exp(-s)) / (1 - tail)
    odds = tail / (1 - tail)
    falling = d < -1
    bend = xp.where(falling, odds * d - w, odds * exp_excess(room, -xp.where(falling, 1.0, d)))
    return itakura_saito(room, r, s, d) - bend - psi(room, w)[0]
