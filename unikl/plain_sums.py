"""A divergence that is not small, by sums of plain products: the fewest operations.

With the totals P and Q of p and q, and m the mean of log(p / q) with p's weights,

    KL(p || q) = m + log(Q / P),    m = sum_i p_i log(p_i / q_i) / P,

whose rounding error is about one eps of the summands, not of the sum; and that of the derivatives
likewise.  So each is exact where it is not small beside its summands, and there `exact` is True;
`core` does the other rows in another form.  Nothing here is differentiated.
"""

import math
from typing import Any

from .backends import Array, Backend
from .onepass import Rows, unit_of

__all__ = ["large_from_logs", "large_from_weights"]

_LARGE = 0.45  # of 1 + |log(Q / P)|: a divergence that is not small
_FAR = 1 / 16  # of the squared norm of its summands: a derivative in which little cancels


def large_from_weights(
    room: Backend, p: Array, q: Array, axis: tuple[int, ...], wanted: tuple[bool, bool]
) -> tuple[Rows, list[Array]]:
    """KL from weights, and the wanted partial derivatives."""
    xp = room.xp
    mass_p, mass_q = room.sum(p, axis), room.sum(q, axis)
    log_ratio, moment = _logarithms(room, p, q)
    mean = room.sum(moment, axis) / mass_p
    rest = xp.log(mass_q / mass_p)
    kl = mean + rest
    limit = unit_of(room, p)[1]
    # A negative p is NaN in the logarithm, if q is not negative.
    exact = _is_large(xp, kl, rest) & (xp.min(q, axis=axis, keepdims=True) >= 0)
    for mass in (mass_p, mass_q):
        exact = exact & (mass > 1 / limit) & (mass < limit)
    rows = Rows(kl, mass_p, mass_q, exact, rest, -mean)
    partials = []
    if wanted[0]:
        rows, partial = _large_partial_p(room, rows, log_ratio, q, axis)
        partials.append(partial)
    if wanted[1]:
        rows, partial = _large_partial_q(room, rows, _ratio(xp, p, q), axis)
        partials.append(partial)
    return rows, partials


def _large_partial_p(
    room: Backend, rows: Rows, log_ratio: Array, q: Array, axis: tuple[int, ...]
) -> tuple[Rows, Array]:
    """dKL/dp_i = (l_i - m) / P with l = log(p/q) and m its mean.

    Exact where sum (l_i - m)^2 >= f sum (l_i^2 + m^2 + 1), with f = `_FAR`.  That is
    sum (l_i - m/(1-f))^2 >= n (m^2 (1/(1-f) - (1-f)) + f) / (1-f), whose left side is at least
    n times the square of the mean: one sum of numbers that are there already.
    """
    xp, mean, shrunk = room.xp, -rows.mean, 1 - _FAR
    enough = (xp.square(mean) * (1 / shrunk - shrunk) + _FAR) / shrunk
    spread = xp.square(xp.mean(log_ratio, axis=axis, keepdims=True) - mean / shrunk)
    # Where both are 0, log(z/w) counts as 0.
    partial = (xp.where(q == 0, -rows.v, log_ratio) - mean) / rows.mass_p
    return rows._replace(exact=rows.exact & (spread >= enough)), partial


def _large_partial_q(
    room: Backend, rows: Rows, ratio: Array, axis: tuple[int, ...]
) -> tuple[Rows, Array]:
    """dKL/dq_i = (1 - r_i) / Q with r = (p/P) / (q/Q).

    Exact where sum (1 - r_i)^2 >= f sum (1 + r_i^2), with f = `_FAR`.  That is
    sum (r_i - 1/(1-f))^2 >= n (1/(1-f)^2 - 1), whose left side is at least n times the square
    of the mean, and at least that of the largest.
    """
    xp, shrunk = room.xp, 1 - _FAR
    shape = room.shape(ratio)
    lengths = [] if shape is None else [shape[one] for one in axis]
    known = [n for n in lengths if n is not None]
    count = math.prod(known) if len(known) == len(axis) else math.inf
    scale, enough = rows.mass_q / rows.mass_p, 1 / shrunk**2 - 1
    even = xp.mean(ratio, axis=axis, keepdims=True) * scale - 1 / shrunk
    most = room.max(ratio, axis) * scale - 1 / shrunk
    far = (xp.square(even) >= enough) | (xp.abs(most) >= math.sqrt(count * enough))
    return rows._replace(exact=rows.exact & far), 1 / rows.mass_q - ratio / rows.mass_p


def _ratio(xp: Any, p: Array, q: Array) -> Array:
    """p / q, 0 where q is 0; in one operation where the library has it."""
    if hasattr(xp, "divide_no_nan"):
        return xp.divide_no_nan(p, q)
    return xp.where(q == 0, 0.0, p / q)


def _logarithms(room: Backend, p: Array, q: Array) -> tuple[Array, Array]:
    """log(p/q), where p is 0 as at the smallest normal number, and p log(p/q)."""
    xp, tiny = room.xp, room.smallest_normal(p.dtype)
    if hasattr(xp, "xlogy"):  # in the fewest operations
        log_ratio = xp.log(xp.maximum(p, tiny) / xp.maximum(q, tiny))
        return log_ratio, xp.xlogy(p, _ratio(xp, p, q))
    # Sums, products and one logarithm only, which compilers add up in one pass: these two are
    # `tiny` where p is 0, and where both are 0, else 0.
    low = xp.maximum(tiny - xp.abs(p), 0.0)
    lower = xp.maximum(tiny - xp.maximum(xp.abs(p), xp.abs(q)), 0.0)
    log_ratio = xp.log((p + low) / (q + lower))
    return log_ratio, p * log_ratio


def _is_large(xp: Any, kl: Array, rest: Array) -> Array:
    return (kl >= _LARGE * (1 + xp.abs(rest))) & (kl < math.inf)


def large_from_logs(
    room: Backend, a: Array, b: Array, axis: tuple[int, ...], wanted: tuple[bool, bool]
) -> tuple[Rows, list[Array]]:
    """KL from logarithms, and the wanted partial derivatives -w (log(z/w) - its mean) and z - w.

    Exact where their squares add up to `_FAR` times those of w (1 + |mean|), and of w and z.
    """
    xp, shrunk = room.xp, 1 - _FAR
    top_a, top_b = room.max(a, axis), room.max(b, axis)
    low_a, low_b = a - top_a, b - top_b
    w, z = xp.exp(low_a), xp.exp(low_b)
    mass_a, mass_b = room.sum(w, axis), room.sum(z, axis)
    gap, empty = low_b - low_a, a == -math.inf
    mean = room.sum(xp.where(empty, 0.0, w * gap), axis) / mass_a
    rest = xp.log(mass_b / mass_a)
    kl = rest - mean
    exact, partials = _is_large(xp, kl, rest), []
    w, z = w / mass_a, z / mass_b
    if wanted[0]:
        excess = xp.where(empty, 0.0, gap - mean)
        partials.append(-w * excess)
        squares = xp.square(w) * (xp.square(excess) - _FAR * xp.square(1 + xp.abs(mean)))
        exact = exact & (xp.sum(squares, axis=axis, keepdims=True) >= 0)
    if wanted[1]:
        partials.append(z - w)
        squares = shrunk * (xp.square(w) + xp.square(z)) - 2 * (w * z)
        exact = exact & (xp.sum(squares, axis=axis, keepdims=True) >= 0)
    masses = mass_a * xp.exp(top_a), mass_b * xp.exp(top_b)
    return Rows(kl, *masses, exact, rest, mean), partials
