"""Elementary functions for the Triton kernels, on float32.

The same two series as in `unikl.numerics`, and an exponential that keeps its digits for large
arguments: the hardware's exp2 sees only a fraction of at most 1/2.  Nothing here depends on
whether the compiler fuses a multiplication with an addition: error-free steps are sums, or
products that are exact.  A NaN goes through everything.
"""

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

__all__ = [
    "chi",
    "chunk_size",
    "columns",
    "exp",
    "jit",
    "nothing",
    "psi_log1p",
    "scaled_difference",
    "sources",
    "two_difference",
]

# Triton ships no types: said once, so that the kernels are functions to the type checker.
jit: Callable[[Callable[..., Any]], Any] = triton.jit

_LOG2_E = tl.constexpr(1.4426950408889634)
_ROUND = tl.constexpr(6144.0)  # 1.5 * 2^12: adding and subtracting it rounds to 2^-11
_LN_2_HI = tl.constexpr(0.6875)  # four bits: exact times a multiple of 2^-11 below 512
_LN_2_LO = tl.constexpr(0.005647180559945309)
_SPLITTER = tl.constexpr(4097.0)  # 2^12 + 1: halves of a float32's 24 bits


@jit
def exp(x: tl.tensor) -> Any:
    """exp(x) for x <= 0: 2^t for an exact t, times the exponential of a rest below 2^-12.

    To hand exp2 a rounded x log2(e) would cost up to |x|/4 eps.  Seven instructions, and none
    for the processor's slow pipes (conversions, comparisons) but one maximum and exp2 itself.
    """
    x = tl.maximum(x, -200.0, propagate_nan=tl.PropagateNan.ALL)  # 0 from there on, also at -inf
    t = (x * _LOG2_E + _ROUND) - _ROUND
    rest = (x - t * _LN_2_HI) - t * _LN_2_LO
    power = tl.exp2(t)
    return power + power * rest


@jit
def two_difference(x: tl.tensor, y: tl.tensor) -> Any:
    """x - y as a rounded difference and its rounding error (Knuth, TAOCP vol. 2, 4.2.2)."""
    hi = x - y
    back = hi - x
    return hi, (x - (hi - back)) - (y + back)


@jit
def scaled_difference(q: tl.tensor, scale: tl.tensor, p: tl.tensor) -> Any:
    """q scale - p, free of cancellation error where the two nearly agree (Dekker's halves)."""
    t = q * _SPLITTER
    q_hi = t - (t - q)
    q_lo = q - q_hi
    t = scale * _SPLITTER
    s_hi = t - (t - scale)
    s_lo = scale - s_hi
    return ((q_hi * s_hi - p) + q_hi * s_lo + q_lo * s_hi) + q_lo * s_lo


@jit
def chi(d: tl.tensor) -> Any:
    """exp(d) - 1 - d for |d| <= 1.5: Taylor's series at d/2, then one doubling."""
    x = 0.5 * d
    s = 1 / 3628800 * x + 1 / 362880
    s = s * x + 1 / 40320
    s = s * x + 1 / 5040
    s = s * x + 1 / 720
    s = s * x + 1 / 120
    s = s * x + 1 / 24
    s = s * x + 1 / 6
    s = s * x + 0.5
    half = x * x * s
    return x * x + half * (2.0 * (1.0 + x) + half)


@jit
def psi_log1p(u: tl.tensor) -> Any:
    """u - log(1 + u) and log(1 + u): for -1/2 < u < 1 by the series of atanh, s = u / (2 + u)."""
    near = (u > -0.5) & (u < 1.0)
    v = tl.where(near, u, 0.0)
    s = v / (v + 2.0)
    y = s * s
    r = 1 / 19 * y + 1 / 17
    r = r * y + 1 / 15
    r = r * y + 1 / 13
    r = r * y + 1 / 11
    r = r * y + 1 / 9
    r = r * y + 1 / 7
    r = r * y + 1 / 5
    r = r * y + 1 / 3
    tail = 2.0 * s * y * r
    log_far = tl.log(tl.where(near, 1.0, 1.0 + u))
    return tl.where(near, v * s - tail, u - log_far), tl.where(near, 2.0 * s + tail, log_far)


# Blocks that a lane adds up in float32: with more, equal numbers would pile up rounding errors.
# The chunks of so many blocks are added up in float64, a few numbers for each.
_CHAIN = tl.constexpr(8)


@jit
def chunk_size(TILES: tl.constexpr, LANES: tl.constexpr) -> Any:
    """How many columns the lanes sum before the lanes are summed."""
    return _CHAIN * TILES * LANES


@jit
def nothing() -> Any:
    """A sum to begin with."""
    return tl.full([], 0.0, tl.float64)


@jit
def columns(start: tl.tensor, TILES: tl.constexpr, LANES: tl.constexpr) -> Any:
    """The columns of one block: lanes run along a row, and a lane's tiles lie in one thread."""
    return start + (tl.arange(0, TILES)[:, None] * LANES + tl.arange(0, LANES)[None, :])


@jit
def sources(
    p: tl.tensor, q: tl.tensor, keep: tl.tensor, row: tl.tensor, inner: tl.tensor, steps: tl.tuple
) -> Any:
    """Where a row of p, q and keep begins, and the steps along it.

    `steps` are three for each array: over the outer rows, over the `inner` inner ones, along a row.
    """
    outer, within = row // inner, row % inner
    return (
        p + outer * steps[0] + within * steps[1],
        q + outer * steps[3] + within * steps[4],
        keep + outer * steps[6] + within * steps[7],
        steps[2],
        steps[5],
        steps[8],
    )
