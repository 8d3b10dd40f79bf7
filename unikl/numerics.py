"""Elementary functions without cancellation, on the namespace of a room.

The two kernels that every divergence here is made of,

    psi(u) = u - log(1 + u)  >= 0,        chi(d) = exp(d) - 1 - d  >= 0,

each from a series near zero, where the plain formulas lose all digits; and differences without
rounding error.  Python numbers in formulas keep the arrays' dtype.

References: D. E. Knuth, TAOCP vol. 2, 4.2.2 (error-free sum); T. J. Dekker, Numer. Math. 18
(1971) 224 (splitting).
"""

import math
from typing import Any

from .backends import Array, Backend

__all__ = ["chi", "difference", "exp_below", "psi", "scaled_difference", "series_of_atanh"]


def psi(room: Backend, u: Array) -> tuple[Array, Array]:
    """``u - log(1 + u)`` and ``log(1 + u)`` for -1/2 <= u <= 1, each to full relative accuracy.

    With s = u / (2 + u): log(1 + u) = 2 s + 2 s^3 R and u - log(1 + u) = u s - 2 s^3 R, where
    R = 1/3 + s^2/5 + s^4/7 + ..., and |s| <= 1/3 (the series of atanh).
    """
    s = u / (u + 2)
    tail = series_of_atanh(room, s)
    return u * s - tail, 2 * s + tail


def series_of_atanh(room: Backend, s: Array) -> Array:
    """``log((1 + s) / (1 - s)) - 2 s`` for \\|s\\| <= 1/3: 2 s^3 (1/3 + s^2/5 + s^4/7 + ...)."""
    s2 = s * s
    return 2 * s * s2 * _polynomial(room, s2, _ODD)


def chi(room: Backend, d: Array) -> Array:
    """``exp(d) - 1 - d`` for \\|d\\| <= 1.5, to full relative accuracy, never negative.

    Taylor's series at x = d/2, then chi(2 x) = x^2 + chi(x) (2 (1 + x) + chi(x)), whose terms
    are all non-negative for x >= -1.
    """
    x = 0.5 * d
    x2 = x * x
    half = x2 * _polynomial(room, x, _FACTORIALS)
    return x2 + half * (2 * (1 + x) + half)


def _polynomial(room: Backend, x: Array, series: "_Series") -> Array:
    """Sum of x^k / denominators[k], by Horner, as many terms as the dtype needs."""
    eps = room.eps(x.dtype)
    one: Any = 1.0 if eps >= 2.0**-53 else room.xp.ones_like(x)  # a float holds no 60 digits
    total: Any = 0.0
    for n in series[eps] if eps in series else _denominators(eps)[series is _ODD]:
        total = total * x + one / n
    return total


def _denominators(eps: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(... 4!, 3!, 2!) and (... 7, 5, 3): the last one first.

    Until a term is below eps/8: of chi at x = 3/4, of psi at s^2 = 1/9.
    """
    factorials, odds = [2], [3]
    while 2 * 0.75 ** len(factorials) / factorials[-1] > eps / 8:
        factorials.append(factorials[-1] * (len(factorials) + 2))
    while 3 / odds[-1] / 9.0 ** len(odds) > eps / 8:
        odds.append(odds[-1] + 2)
    return tuple(reversed(factorials)), tuple(reversed(odds))


_Series = dict[float, tuple[int, ...]]
_FACTORIALS: _Series = {eps: _denominators(eps)[0] for eps in (2.0**-23, 2.0**-52)}
_ODD: _Series = {eps: _denominators(eps)[1] for eps in (2.0**-23, 2.0**-52)}


def difference(x: Array, y: Array) -> tuple[Array, Array]:
    """x - y as a rounded difference and its rounding error, exactly (Knuth)."""
    hi = x - y
    back = hi - x
    return hi, (x - (hi - back)) - (y + back)


def exp_below(room: Backend, a: Array, top: Array) -> Array:
    """exp(a - top), with the rounding of the difference made good: it is up to |a - top| eps/2."""
    xp = room.xp
    empty = a == -math.inf
    hi, lo = difference(xp.where(empty, top, a), top)
    return xp.where(empty, 0.0, xp.exp(hi) * (1 + room.stop_gradient(lo)))


def scaled_difference(room: Backend, q: Array, scale: Array, p: Array) -> Array:
    """``q scale - p``, free of cancellation error where the two nearly agree.

    Both factors are split in halves whose products are exact, and each partial sum is exact
    where the result is small.  So the compiler may fuse multiplications and additions as it
    likes (a textbook two-product may not be fused).
    """
    splitter = 2 ** math.ceil((1 - math.log2(room.eps(p.dtype))) / 2) + 1
    q_hi, q_lo = _split(q, splitter)
    s_hi, s_lo = _split(scale, splitter)
    return ((q_hi * s_hi - p) + q_hi * s_lo + q_lo * s_hi) + q_lo * s_lo


def _split(x: Array, splitter: int) -> tuple[Array, Array]:
    """x as the sum of two numbers with half the digits each (Dekker)."""
    t = x * splitter
    hi = t - (t - x)
    return hi, x - hi
