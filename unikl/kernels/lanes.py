"""The formulas of the kernels, for one category: scalar functions that LLVM vectorises.

One definition serves float32 and float64: the constants and the number of terms of a series come
with the `Constants` of the dtype.

References: T. J. Dekker, Numer. Math. 18 (1971) 224 (splitting); D. E. Knuth, TAOCP vol. 2, 4.2.2
(error-free difference); W. J. Cody and W. Waite, Software Manual for the Elementary Functions
(1980) chapter 6 (exp by powers of two, with log 2 in two parts).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from .llvm import formula, head, nearest_power, polynomial, power_of_two, where


class Constants(NamedTuple):
    """Numbers in the dtype of a kernel."""

    zero: Any
    half: Any
    one: Any
    two: Any
    third: Any
    nan: Any
    inf: Any
    near: Any  # where |log(z/w)| is below this, the series of chi, at half of it
    unit: Any  # for weights: leaves room below for differences of the smallest numbers
    smallest: Any  # normal number, times the unit
    lowest: Any  # stands for -inf, so that differences stay finite
    exp_min: Any  # below, exp is 0
    exp_max: Any  # above, exp is inf
    eps: Any
    log2_e: Any
    ln2_hi: Any  # with so few digits that its multiples are exact
    ln2_lo: Any
    atanh: tuple[Any, ...]  # (atanh(x) - x) / x^3 in powers of x^2, for |x| <= 1/3
    chi: tuple[Any, ...]  # (exp(x) - 1 - x) / x^2, for |x| <= 0.7


def _make_constants(dtype: type, ln2_hi: float, ln2_lo: float) -> Constants:
    info = np.finfo(dtype)
    small = float(info.eps) / 8
    atanh = [1 / (2 * k + 3) for k in range(40) if 3 / (2 * k + 3) / 9.0**k > small]
    chi = [1 / math.factorial(k + 2) for k in range(40)]
    chi = [c for k, c in enumerate(chi) if 2 * 0.7**k * c > small]
    lowest, exp_min = -float(info.max) / 8, math.log(float(info.smallest_normal)) + 0.01
    exp_max = np.nextafter(np.log(info.max), dtype(0))
    numbers: list[Any] = [0, 0.5, 1, 2, 1 / 3, math.nan, math.inf, 1.4]
    unit = 2.0 ** (round(math.log2(info.max)) // 4)
    numbers += [unit, float(info.smallest_normal) * unit]
    numbers += [lowest, exp_min, exp_max, info.eps, 1 / math.log(2), ln2_hi, ln2_lo]
    numbers += [tuple(map(dtype, atanh)), tuple(map(dtype, chi))]
    return Constants(*[x if isinstance(x, tuple) else dtype(x) for x in numbers])


_FLOAT32 = _make_constants(np.float32, 0.693359375, -2.1219444005469058e-4)
_FLOAT64 = _make_constants(np.float64, 6.93147180369123816490e-01, 1.90821492927058770002e-10)


def constants(x: Any) -> Constants:
    """The constants in the dtype of an array."""
    return _FLOAT32 if x.dtype == np.float32 else _FLOAT64


@overload(constants, jit_options={"forceinline": True})
def _typed_constants(x):  # type: ignore[no-untyped-def]
    if x.dtype == types.float32:
        return lambda x: _FLOAT32
    return lambda x: _FLOAT64


# -- formulas --------------------------------------------------------------------------------------


@formula
def larger(x, y):  # type: ignore[no-untyped-def]
    """The larger of two numbers; y if x is NaN."""
    return where(x > y, x, y)


@formula
def raw_difference(p, q, s, t):  # type: ignore[no-untyped-def]
    """``q (s + t) - p``, free of cancellation where the two nearly agree; t is of the order eps.

    All products of the halves are exact, and so is each partial sum where the result is small.
    s and t None stand for 1 and 0.
    """
    if s is None:
        return q - p if t is None else (q - p) + q * t
    q_hi, s_hi, t_hi = head(q), head(s), head(t)
    q_lo = q - q_hi
    exact = ((q_hi * s_hi - p) + q_hi * (s - s_hi) + q_lo * s_hi) + q_lo * (s - s_hi)
    return (exact + q_hi * t_hi) + (q_lo * t_hi + q * (t - t_hi))


@formula
def times(q, s, t):  # type: ignore[no-untyped-def]
    """``q (s + t)``, likewise."""
    if s is None:
        return q if t is None else q + q * t
    return q * s + q * t


@formula
def weight_term(p, q, s, t, c):  # type: ignore[no-untyped-def]
    """The term ``z - p - p log(z/p)`` >= 0 with z = q (s + t), and z - p, log(z/p), z.

    With x = (z - p) / (z + p), log(z/p) = 2 atanh(x); beyond a factor of two, z is brought near p
    by a power of two first.  log is taken of smallest normal numbers in place of zeros.
    """
    raw = raw_difference(p, q, s, t)
    z = times(q, s, t)
    p_normal = larger(p, c.smallest)
    k, scaled = nearest_power(larger(z, c.smallest), p_normal)
    near = abs(raw) < c.third * (p + z)
    k = where(near, c.zero, k)
    numerator = where(near, raw, scaled - p_normal)
    x = numerator / (where(near, z, scaled) + p_normal)
    x2 = x * x
    tail = c.two * x * x2 * polynomial(c.atanh, x2)
    log = k * c.ln2_hi + (c.two * x + (tail + k * c.ln2_lo))
    term = where(near, raw * x - p * tail, raw - p * log)
    term = where((q == c.zero) & (p > c.zero), c.inf, term)
    term = where((p < c.zero) | (q < c.zero), c.nan, term)
    return term, raw, log, z


@formula
def log_of(x, c):  # type: ignore[no-untyped-def]
    """log x: -inf at 0, NaN below and for what is no normal number above."""
    k, m = nearest_power(larger(x * c.unit, c.smallest), c.unit)
    y = (m - c.unit) / (m + c.unit)
    y2 = y * y
    log = k * c.ln2_hi + (c.two * y + (c.two * y * y2 * polynomial(c.atanh, y2) + k * c.ln2_lo))
    log = where(x == c.zero, -c.inf, log)
    return where((x >= c.zero) & (x < c.inf), log, c.nan)


@formula
def exp_parts(x, c):  # type: ignore[no-untyped-def]
    """(r, n) with x = n log 2 + r, so exp(x) = 2^n (1 + r + chi(r)), for x >= c.exp_min."""
    n = np.rint(x * c.log2_e)
    return (x - n * c.ln2_hi) - n * c.ln2_lo, n


@formula
def exp_of(x, lo, c):  # type: ignore[no-untyped-def]
    """exp(x + lo) for x <= 0 and a lo of the order eps x; 0 where that is no normal number."""
    r, n = exp_parts(where(x < c.exp_min, c.exp_min, x), c)
    r = r + lo
    e = ((r + r * r * polynomial(c.chi, r)) + c.one) * power_of_two(n)
    return where(x < c.exp_min, c.zero, e)


@formula
def difference(x, y):  # type: ignore[no-untyped-def]
    """x - y as a rounded difference and its rounding error, exactly (Knuth)."""
    hi = x - y
    back = hi - x
    return hi, (x - (hi - back)) - (y + back)


@formula
def log_ratio_of(a, b, shift, rest):  # type: ignore[no-untyped-def]
    """``b - a - (shift + rest)`` without rounding error where it is small."""
    hi, lo = difference(b, a)
    return ((hi - shift) - rest) + lo


@formula
def log_moment(w, a, b, shift, rest, mean, c):  # type: ignore[no-untyped-def]
    """``w (log(z/w) - mean)``; a formula of its own, for a sum may not be reordered inside it."""
    a, b = where(a < c.lowest, c.lowest, a), where(b < c.lowest, c.lowest, b)
    return w * (log_ratio_of(a, b, shift, rest) - mean)


@formula
def logit_term(a, b, top_a, top_b, unit_a, unit_b, shift, rest, c):  # type: ignore[no-untyped-def]
    """The term ``z - w - w log(z/w)`` >= 0, and z - w and w, of two logits.

    w = exp(a - top_a) unit_a, z likewise; log(z/w) = b - a - (shift + rest).
    """
    lost = (b == -c.inf) & (a > -c.inf)
    a, b = where(a < c.lowest, c.lowest, a), where(b < c.lowest, c.lowest, b)
    w = exp_of(*difference(a, top_a), c) * unit_a
    h = log_ratio_of(a, b, shift, rest)
    near = abs(h) < c.near
    y, lo = difference(b, top_b)
    r, n = exp_parts(where(y < c.exp_min, c.exp_min, y), c)
    x = where(near, c.half * h, r + lo)
    chi = x * x * polynomial(c.chi, x)
    z = where(y < c.exp_min, c.zero, ((x + chi) + c.one) * power_of_two(n) * unit_b)
    chi_h = x * x + chi * (c.two * (c.one + x) + chi)
    diff = where(near, w * (h + chi_h), z - w)
    term = where(near, w * chi_h, diff - w * h)
    return where(lost, c.inf, term), diff, w


@formula
def latent_term(mean, log_var, c):  # type: ignore[no-untyped-def]
    """``mean^2 + exp(log_var) - 1 - log_var`` >= 0, and ``exp(log_var) - 1``."""
    near = abs(log_var) < c.near
    y = where(log_var < c.exp_min, c.exp_min, log_var)
    r, n = exp_parts(where(y > c.exp_max, c.exp_max, y), c)
    x = where(near, c.half * log_var, r)
    chi = x * x * polynomial(c.chi, x)
    e = ((x + chi) + c.one) * power_of_two(n - c.one) * c.two  # 2^n overflows before exp does
    e = where(log_var < c.exp_min, c.zero, where(log_var > c.exp_max, c.inf, e))
    chi_near = x * x + chi * (c.two * (c.one + x) + chi)
    growth = where(near, log_var + chi_near, e - c.one)
    term = where(near, chi_near, growth - log_var)
    return mean * mean + term, growth
