"""p and q in one picture: the two leaves of the algorithm, from weights and from logarithms.

A `Pair` holds the weights ``w`` of p and ``z`` of q with one total, and ``diff = z - w`` and
``log_ratio = log(z / w)`` each accurate in its own right when p and q nearly agree.  Each leaf
first divides out a rounded estimate of the ratio of the totals, exactly (an error-free product,
an error-free difference), then measures what is left of it from the data and removes that too.
A rounding error in a normalisation is common to all categories, so it cancels to first order in
the divergence.
"""

import math
from typing import Any, NamedTuple

from .backends import Array, Backend
from .numerics import chi, difference, exp_below, psi, scaled_difference

__all__ = ["NEAR", "Masses", "Pair", "log", "pair_from_logs", "pair_from_weights"]

NEAR = 1.4  # where |log(z/w)| is below this, chi's series; beyond, the plain difference


class Masses(NamedTuple):
    """The totals as given, one number a row: sum_p exp(top_p) of p, and their exact ratio."""

    top_p: Array
    sum_p: Array
    top_q: Array
    sum_q: Array
    scale: Array  # with weights about the ratio p/q of the totals (else 1) ...
    log_ratio: tuple[Array, Array]  # ... and log(scale q/p), as a sum of two


class Pair(NamedTuple):
    """p and q, both with the same `total` over the axis."""

    w: Array  # p
    z: Array  # q
    diff: Array  # z - w, accurate when they nearly agree
    log_ratio: Array  # log(z / w), likewise; 0 where p or q is 0
    term: Array  # the contribution to the divergence, without the infinite ones
    lost: Array  # p > 0 = q: an infinite contribution
    total: Array  # of w, and of z; one number a row, like those below
    scale: Array  # about the ratio of the masses; NaN where there is no distribution
    mass_p: Array  # the total of the weights as given
    mass_q: Array
    masses: Masses


def pair_from_weights(
    room: Backend, p: Array, q: Array, axis: tuple[int, ...], given: tuple[str, str]
) -> Pair:
    """The leaf for weights ("probs", "counts")."""
    xp = room.xp
    unit_p, unit_q = (
        _power_of_two(room, x, axis, form) for x, form in ((p, given[0]), (q, given[1]))
    )
    p, q = _without_negatives(xp, p) * unit_p, _without_negatives(xp, q) * unit_q
    mass_p, mass_q = room.sum(p, axis), room.sum(q, axis)
    scale = room.stop_gradient(mass_p / mass_q)
    raw = scaled_difference(room, q, scale, p)  # q scale - p, exact where they nearly agree
    v = room.sum(raw, axis) / mass_p  # the true ratio of the totals is scale (1 + v)

    on = (p > 0) & (q > 0)
    safe = xp.where(on, p, 1.0)
    u = (raw / safe - v) / (1 + v)
    near = on & (u > -0.5) & (u < 1)
    psi_near, log_near = psi(room, xp.where(near, u, 0.0))
    far = on & ~near
    ratio = xp.where(far, q / safe * scale, 1.0)
    log_far = xp.where(far, xp.log(ratio) - xp.log1p(v), 0.0)

    diff = xp.where(near, p * u, (raw - v * p) / (1 + v))
    log_ratio = xp.where(near, log_near, log_far)
    term = xp.where(near, p * psi_near, diff - p * log_ratio)
    z, lost = q * (scale / (1 + v)), (p > 0) & (q == 0)
    given_p, given_q, zero = mass_p / unit_p, mass_q / unit_q, xp.zeros_like(mass_p)
    exact_ratio = scale * (unit_q / unit_p), (zero, xp.log1p(v))
    masses = Masses(zero, given_p, zero, given_q, *exact_ratio)
    return Pair(p, z, diff, log_ratio, term, lost, mass_p, scale, given_p, given_q, masses)


def pair_from_logs(room: Backend, a: Array, b: Array, axis: tuple[int, ...]) -> Pair:
    """The leaf for logarithms ("logits", "log_probs"), up to a constant a row."""
    xp, hold = room.xp, room.stop_gradient
    top_a, top_b = hold(room.max(a, axis)), hold(room.max(b, axis))
    exp_a, exp_b = exp_below(room, a, top_a), exp_below(room, b, top_b)
    mass_a, mass_b = room.sum(exp_a, axis), room.sum(exp_b, axis)
    w = exp_a / mass_a

    # h = log(z / w) = b - a - (shift + rest): nothing lost but the rounding of the masses.
    top, top_rest = difference(top_b, top_a)
    shift, rest = difference(top, -hold(xp.log(mass_b / mass_a)))
    rest = rest + top_rest
    on = (a > -math.inf) & (b > -math.inf)
    hi, lo = difference(xp.where(on, b, 0.0), xp.where(on, a, 0.0))
    h = ((hi - shift) - rest) + hold(lo)

    # So w exp(h) is z up to a common factor 1 + s; if exp(h) is large, z comes from b itself.
    near = on & (xp.abs(h) < NEAR)
    h_near = xp.where(near, h, 0.0)
    z_raw = exp_b * (hold(mass_a) / (mass_a * hold(mass_b)))
    s = room.sum(xp.where(near, w * (h_near + chi(room, h_near)), z_raw - w), axis)
    z = z_raw / (1 + s)
    log_ratio = xp.where(on, h - xp.log1p(s), 0.0)

    d = xp.where(near, log_ratio, 0.0)
    chi_d = chi(room, d)
    diff = xp.where(near, w * (d + chi_d), z - w)
    term = xp.where(near, w * chi_d, diff - w * log_ratio)
    lost = (a > -math.inf) & (b == -math.inf)
    total_a, total_b = mass_a * xp.exp(top_a), mass_b * xp.exp(top_b)
    one = xp.ones_like(mass_a)
    masses = Masses(top_a, mass_a, top_b, mass_b, one, (shift, rest + xp.log1p(s)))
    return Pair(w, z, diff, log_ratio, term, lost, one, shift, total_a, total_b, masses)


def log(xp: Any, x: Array) -> Array:
    """log x, -inf at 0 and NaN below, with a derivative that is finite at 0."""
    positive = x > 0
    log_x = xp.where(positive, xp.log(xp.where(positive, x, 1.0)), math.nan)
    return xp.where(x == 0, -math.inf, log_x)


def _power_of_two(room: Backend, x: Array, axis: tuple[int, ...], form: str) -> Array:
    """A factor that leaves room: below, for differences of the smallest numbers (JAX and
    TensorFlow flush subnormals to zero); above and below, for the ratios of counts of any total.
    """
    xp, bits = room.xp, round(math.log2(room.largest(x.dtype)))
    usual, limit = 2.0 ** (bits // 4), 2.0 ** (3 * bits // 8)
    if form == "probs":
        return usual
    top = room.stop_gradient(room.max(x, axis))
    lower = xp.where(top > limit, 1 / usual, usual * xp.ones_like(top))
    return xp.where(top < 1 / limit, usual**3, lower)


def _without_negatives(xp: Any, x: Array) -> Array:
    return xp.where(x < 0, math.nan, x)
