r"""What two binomial, or negative binomial, distributions of one mean differ by.

If q has another number of trials than p, its log-likelihood has another ratio of factorials, whose
expectation is no finite formula.  But the divergence splits into that of the means, which is one,
and the divergence from the q that has the mean of p: a second difference of log Gamma(x + 1) less
that of x log x, in expectation.  With (Malmsten)

    log Gamma(x + 1) = int ((x - 1 + ...) e^-t + e^-xt / (e^t - 1)) dt/t,
    x log x          = int (e^-xt / t + ...) dt/t,

up to affine terms, which a second difference does not see, and the moment-generating functions of
the counts, that is an integral whose terms are no larger than it.  In log t the integrand is smooth
on every scale, so that the trapezoidal rule with one step serves all parameters: its error
falls as exp(-pi^2 / step).

Reference: NIST Digital Library of Mathematical Functions, 5.9.18 (Malmsten's formula).
"""

import math

from ..backends import Array, Backend
from .elementary import itakura_saito, like, log1p, log_ratio

__all__ = ["binomial_excess", "negative_binomial_excess"]

_STEP, _LOWEST, _HIGHEST = 0.25, -42, 38  # of log t: 1/t from below any scale to beyond the largest
_NODES = [math.exp(_LOWEST + _STEP * k) for k in range(round((_HIGHEST - _LOWEST) / _STEP))]


def _chi(x: float) -> float:
    """exp(x) - 1 - x."""
    if abs(x) > 0.5:
        return math.expm1(x) - x
    return math.fsum(x**k / math.factorial(k) for k in range(2, 20))


_REST = [max(math.exp(-t), 1e-30) for t in _NODES]  # where it is less, _C is 0
_FALL = [-math.expm1(-t) for t in _NODES]
_CHI_FALL = [_chi(-t) for t in _NODES]
_RISE = [math.expm1(min(t, 1.0)) for t in _NODES]
_CHI_RISE = [_chi(min(t, 1.0)) for t in _NODES]
_C = [t / math.expm1(t) if t < 700 else 0.0 for t in _NODES]
_ONE_LESS_C = [_chi(t) / math.expm1(t) if t < 700 else 1.0 for t in _NODES]


def _psi(room: Backend, u: Array, above: Array) -> Array:
    """u - log(1 + u), given 1 + u."""
    return itakura_saito(room, room.xp.ones_like(u), above, u)


def binomial_excess(room: Backend, n: Array, d: Array, probs: Array, failure: Array) -> Array:
    """KL of n trials with `probs` from n + d with the same mean, d >= 0; failure = 1 - probs.

    The integral of (1 - e^-dt)/t^2 ((1 - c) (e^-jt - e^-nt) - c (E e^-Jt - e^-jt)) with
    c = t / (e^t - 1), over the failures J, whose mean is j.
    """
    xp = room.xp
    n, d, probs, failure = room.broadcast((n, d, probs, failure), ())
    n, d, probs, failure = (xp.expand_dims(x, axis=-1) for x in (n, d, probs, failure))
    t, mean, j = like(room, _NODES, n), n * probs, n * failure
    # log E exp((j - J) t), for few successes from those.
    u, v = -failure * like(room, _FALL, n), probs * like(room, _RISE, n)
    above = probs + failure * like(room, _REST, n)
    by_j = j * like(room, _CHI_FALL, n) - n * _psi(room, u, above)
    by_k = mean * like(room, _CHI_RISE, n) - n * _psi(room, v, 1 + v)
    spread = xp.where((probs < 0.5) & (t < 1), by_k, by_j)
    spread = xp.where(probs > 0, spread, 0.0)
    falling = xp.exp(-j * t)
    first = like(room, _ONE_LESS_C, n) * falling * -xp.expm1(-mean * t)
    log_mean = n * log_ratio(room, xp.ones_like(u), above, u)
    second = _jensen(room, spread, falling, log_mean)
    return _integral(room, -xp.expm1(-d * t) / t * (first - like(room, _C, n) * second))


def negative_binomial_excess(room: Backend, r: Array, s: Array, odds: Array) -> Array:
    """KL of r failures with these odds of a success from s failures with the same mean.

    The integral of (e^-rt - e^-st)/t^2 ((E e^-kt - e^-mt) - (g - 1) (1 - E e^-kt)) with
    g = t / (1 - e^-t), over the successes k, whose mean is m.
    """
    xp = room.xp
    r, s, odds = room.broadcast((r, s, odds), ())
    r, s, odds = (xp.expand_dims(x, axis=-1) for x in (r, s, odds))
    t, fall, chi = (like(room, x, r) for x in (_NODES, _FALL, _CHI_FALL))
    mean, part = r * odds, odds * fall
    log_mean = -r * log1p(room, part)
    spread = r * _psi(room, part, 1 + part) + mean * chi
    first = _jensen(room, spread, xp.exp(-mean * t), log_mean)
    bracket = first + chi / fall * xp.expm1(log_mean)
    sooner, sign = xp.where(r < s, r, s), xp.where(r < s, 1.0, -xp.ones_like(r))
    gap = -sign * xp.exp(-sooner * t) * xp.expm1(-xp.abs(s - r) * t)
    return _integral(room, gap / t * bracket)


def _jensen(room: Backend, spread: Array, at_mean: Array, log_mean: Array) -> Array:
    """E f - f(mean) >= 0, given f(mean), log E f and their difference."""
    xp, small = room.xp, spread < 1
    near = at_mean * xp.expm1(xp.where(small, spread, 0.0))
    return xp.where(small, near, xp.exp(log_mean) - at_mean)


def _integral(room: Backend, terms: Array) -> Array:
    return _STEP * room.xp.squeeze(room.sum(terms, (-1,)), axis=(-1,))
