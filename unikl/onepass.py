"""The divergence in one pass over the data, and the check that tells where that is exact.

`core` takes the ratio of the totals out of the data before it adds anything up.  It can also
be taken out of the sums: with the terms of unnormalised weights, each of them non-negative,

    KL(p || q) = I / P - psi(D / P),    I = sum_i (q_i - p_i) - p_i log(q_i / p_i),
                                        D = sum_i q_i - p_i,    P = sum_i p_i.

That needs no pass of its own for the ratio, and no error-free product.  It is as exact, as long
as the subtraction takes away no more than it leaves: psi(D / P) <= KL, which fails where p and q
agree better than their totals do.  Then, and where a row is infinite or not a number,
`exact` is False and `core` does the row.  (For logarithms the weights are those that rounded
normalisers give, whose totals agree up to rounding.)

Each form has its terms (one number a category), its rows (one a distribution, from the sums of
the terms, which may be taken in parts) and its partial derivatives.  Nothing here is
differentiated: they are written out.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .backends import Array, Backend
from .numerics import chi, difference, exp_below, psi, series_of_atanh
from .pairs import NEAR

__all__ = [
    "Branch",
    "LogTerms",
    "Normalisers",
    "Rows",
    "WeightTerms",
    "centred",
    "from_logs",
    "from_weights",
    "log_partials",
    "log_rows",
    "log_terms",
    "unit_of",
    "weight_partials",
    "weight_rows",
    "weight_terms",
]

# branch(exact, quick, careful): quick if all of exact is true, else careful().
Branch = Callable[[Array, tuple[Array, ...], Callable[[], tuple[Array, ...]]], tuple[Array, ...]]

# How small a derivative may be beside what its mean is the difference of, in many categories, and
# how much more in one.
_CENTRED = 0.25, 0.75


class Rows(NamedTuple):
    """One number a distribution."""

    kl: Array
    mass_p: Array
    mass_q: Array
    exact: Array
    v: Array  # D / P (in `plain_sums` log(Q / P))
    mean: Array  # of log(z/w) as the terms have it, with p's weights


# -- weights ---------------------------------------------------------------------------------------


class WeightTerms(NamedTuple):
    """Of p and q times `unit`, which leaves room for the differences of the smallest numbers."""

    p: Array
    q: Array
    raw: Array  # q - p
    log_ratio: Array  # log(q/p); where p is 0, log q (or 0)
    term: Array


def unit_of(room: Backend, p: Array) -> tuple[float, float]:
    """The factor, and the largest mass that it suits (the smallest is the inverse); see core."""
    bits = round(math.log2(room.largest(p.dtype)))
    return 2.0 ** (bits // 4), 2.0 ** (3 * bits // 8)


def weight_terms(room: Backend, p: Array, q: Array) -> WeightTerms:
    """The terms of I."""
    xp = room.xp
    unit, _ = unit_of(room, p)
    p, q = p * unit, q * unit
    raw = q - p
    near = (raw > -0.5 * p) & (raw < p)
    s = raw / (p + q)
    tail = series_of_atanh(room, s)
    # Where p = 0 the logarithm of q, which only the derivative there needs.
    log_far = xp.log(xp.where(p == 0, xp.where(q == 0, 1.0, q), q / p))
    log_ratio = xp.where(near, 2 * s + tail, log_far)
    term = xp.where(near, raw * s - p * tail, raw - p * log_ratio)
    return WeightTerms(p, q, raw, log_ratio, xp.where(xp.minimum(p, q) < 0, math.nan, term))


def weight_rows(room: Backend, mass_p: Array, excess: Array, terms: Array) -> Rows:
    """From the sums of p, of q - p, and of the terms."""
    unit, limit = unit_of(room, mass_p)
    v, mean_term = excess / mass_p, terms / mass_p * (1 / unit)
    kl, exact = _check(room, mean_term, v)
    mass_q = mass_p * (1 + v)
    for mass in (mass_p, mass_q):
        exact = exact & (mass > 1 / limit) & (mass < limit)
    return Rows(kl, mass_p, mass_q, exact, v, v - mean_term)


def weight_partials(
    room: Backend, rows: Rows, terms: WeightTerms, wanted: tuple[bool, bool]
) -> list[Array]:
    """dKL/dp_i = -(log(q_i/p_i) - mean) / P and dKL/dq_i = (z_i - w_i) / (z_i Q), if wanted."""
    xp = room.xp
    p, q, raw = terms[:3]
    partials = []
    if wanted[0]:
        # At p = 0 < q as at the smallest normal number; where both are 0, log(z/w) counts as 0.
        at_tiny = math.log(room.smallest_normal(p.dtype)) + math.log(unit_of(room, p)[0])
        from_tiny = xp.where(q == 0, xp.log1p(rows.v), -at_tiny)
        excess = terms.log_ratio + (xp.where(p == 0, from_tiny, 0.0) - rows.mean)
        partials.append(-excess / rows.mass_p)
    if wanted[1]:
        partials.append(xp.where(q == 0, 1.0, (raw - rows.v * p) / q) / rows.mass_q)
    return partials


def from_weights(
    room: Backend, p: Array, q: Array, axis: tuple[int, ...], wanted: tuple[bool, bool]
) -> tuple[Rows, list[Array]]:
    """KL and the wanted partial derivatives."""
    terms = weight_terms(room, p, q)
    # Of p and q as they are: a compiler adds these up without an array in between.
    sums = room.sum(p, axis), room.sum(q - p, axis), room.sum(terms.term, axis)
    rows = weight_rows(room, *sums)
    return rows, weight_partials(room, rows, terms, wanted)


# -- logarithms ------------------------------------------------------------------------------------


class Normalisers(NamedTuple):
    """One number a distribution: the largest logarithm, the sum of exp(a - top)."""

    top_a: Array
    top_b: Array
    mass_a: Array
    mass_b: Array


class LogTerms(NamedTuple):
    """With the weights w and z of the rounded normalisers."""

    w: Array
    h: Array  # log(z / w)
    raw: Array  # z - w
    term: Array


def log_terms(room: Backend, a: Array, b: Array, of: Normalisers) -> LogTerms:
    """The terms of I, for P = 1."""
    xp = room.xp
    w = exp_below(room, a, of.top_a) * (1 / of.mass_a)
    z = exp_below(room, b, of.top_b) * (1 / of.mass_b)
    # h = log(z / w), up to the rounding of the masses, which v makes good.
    top, top_rest = difference(of.top_b, of.top_a)
    shift, rest = difference(top, -xp.log(of.mass_b / of.mass_a))
    rest = rest + top_rest
    hi, lo = difference(b, a)
    h = xp.where(a == -math.inf, 0.0, ((hi - shift) - rest) + lo)
    near = (a > -math.inf) & (xp.abs(h) < NEAR)
    chi_h = chi(room, xp.where(near, h, 0.0))
    raw = xp.where(near, w * (h + chi_h), z - w)
    return LogTerms(w, h, raw, xp.where(near, w * chi_h, raw - w * h))


def log_rows(room: Backend, of: Normalisers, excess: Array, terms: Array) -> Rows:
    """From the sums of z - w and of the terms."""
    xp = room.xp
    kl, exact = _check(room, terms, excess)
    masses = of.mass_a * xp.exp(of.top_a), of.mass_b * xp.exp(of.top_b)
    return Rows(kl, *masses, exact, excess, excess - terms)


def log_partials(rows: Rows, terms: LogTerms, wanted: tuple[bool, bool]) -> list[Array]:
    """dKL/da_i = -w_i (h_i - mean) and dKL/db_i = z_i - w_i, if wanted."""
    partials = []
    if wanted[0]:
        partials.append(-terms.w * (terms.h - rows.mean))
    if wanted[1]:
        partials.append((terms.raw - rows.v * terms.w) / (1 + rows.v))
    return partials


def centred(
    room: Backend, rows: Rows, of: Normalisers, sizes: list[Array], wanted: tuple[bool, bool]
) -> Array:
    """Are these derivatives exact too, whose absolute values have the sums `sizes`?

    Not where the heavy categories all have nearly the same ratio: there h - mean and
    raw - v w cancel, or the mean itself does, which is v - T.  In many categories the rounding
    errors average out, in a single heavy one they do not.
    """
    exact, v = rows.exact, room.xp.abs(rows.v)
    least = _CENTRED[0] + _CENTRED[1] / of.mass_a  # whose inverse is the largest weight
    parts = [part for part, want in zip((v + rows.kl, v), wanted, strict=True) if want]
    for size, part in zip(sizes, parts, strict=True):
        exact = exact & (size >= least * part)
    return exact


def from_logs(
    room: Backend, a: Array, b: Array, axis: tuple[int, ...], wanted: tuple[bool, bool]
) -> tuple[Rows, list[Array]]:
    """KL and the wanted partial derivatives."""
    top_a, top_b = room.max(a, axis), room.max(b, axis)
    masses = [room.sum(exp_below(room, x, top), axis) for x, top in ((a, top_a), (b, top_b))]
    of = Normalisers(top_a, top_b, *masses)
    terms = log_terms(room, a, b, of)
    rows = log_rows(room, of, room.sum(terms.raw, axis), room.sum(terms.term, axis))
    partials = log_partials(rows, terms, wanted)
    sizes = [room.sum(room.xp.abs(d), axis) for d in partials]
    rows = rows._replace(exact=centred(room, rows, of, sizes, wanted))
    return rows, partials


# -- both ------------------------------------------------------------------------------------------


def _check(room: Backend, mean_term: Array, v: Array) -> tuple[Array, Array]:
    """KL = I / P - psi(v), and whether that is exact."""
    xp = room.xp
    near = (v > -0.5) & (v < 1)
    psi_v = xp.where(near, psi(room, xp.where(near, v, 0.0))[0], v - xp.log1p(v))
    kl = mean_term - psi_v
    return kl, (psi_v <= kl) & (kl < math.inf)
