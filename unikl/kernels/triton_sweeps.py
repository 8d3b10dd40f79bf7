"""Triton: the sweeps over a row of logits that `unikl.kernels.triton_logits` is made of.

With s the scale, w = softmax(s a), z = softmax(s b) and h = log(z / w):

    KL = T - psi(S),    T = sum of z - w - w h,    S = sum of z - w,

for any h that is off by a constant, as it is by the rounding of the masses: S measures that
constant, and psi(S) = S - log(1 + S) is what it adds to T.  Where |h| < 1.4 the terms are
w chi(h) and w (h + chi(h)), which keep all digits.  If psi(S) is no small part of T, or S z no
small part of the gradient z - w, log(1 + S) goes into h and the row is swept again.

h comes from the raw logits by an error-free difference and a shift in three parts, the last one
what the sweeps have measured, so a shift common to all logits costs no digits.
"""

from typing import Any

import triton.language as tl

from .triton_math import chi, chunk_size, columns, exp, jit, nothing, two_difference

__all__ = ["load", "masses", "spreads", "sweep", "write_p"]

_INF = tl.constexpr(float("inf"))
_NEAR = tl.constexpr(1.4)


@jit
def load(source: tl.tuple, at: tl.tensor, stop: tl.tensor, MASKED: tl.constexpr) -> Any:
    """Logits as float32; -inf beyond the end and where a mask says so."""
    p, q, keep, p_step, q_step, keep_step = source
    inside = at < stop
    if MASKED:
        inside = inside & (tl.load(keep + at * keep_step, mask=inside, other=0) != 0)
    a = tl.load(p + at * p_step, mask=inside, other=-_INF).to(tl.float32)
    b = tl.load(q + at * q_step, mask=inside, other=-_INF).to(tl.float32)
    return a, b


@jit
def _raise(top: tl.tensor, other: tl.tensor, scale: tl.tensor) -> Any:
    """The running maximum, itself and finite, and the factor for what was summed under the old."""
    new = tl.maximum(top, other)
    safe = tl.where(new == -_INF, 0.0, new)
    return new, safe, exp((top - safe) * scale)


@jit
def _masses(
    source: tl.tuple,
    start: tl.tensor,
    end: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    centre: tl.tensor,
    MASKED: tl.constexpr,
    EXACT: tl.constexpr,
    VALUE: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """What `masses` gives, of the columns from start to end."""
    top_a = tl.full([], -_INF, tl.float32)
    top_b = tl.full([], -_INF, tl.float32)
    mass_a = tl.zeros([LANES], tl.float32)
    mass_b = tl.zeros([LANES], tl.float32)
    mean = tl.zeros([LANES], tl.float32)
    for block in range(start, end, TILES * LANES):
        a, b = load(source, columns(block, TILES, LANES), stop, MASKED)
        top_a, safe_a, keep_a = _raise(top_a, tl.max(tl.max(a, 0), 0), scale)
        top_b, safe_b, keep_b = _raise(top_b, tl.max(tl.max(b, 0), 0), scale)
        w = exp((a - safe_a) * scale)
        mass_a = mass_a * keep_a + tl.sum(w, 0)
        mass_b = mass_b * keep_b + tl.sum(exp((b - safe_b) * scale), 0)
        if VALUE:
            hi, lo = two_difference(a, b)
            g = hi - centre
            if EXACT:  # that of two half precision numbers hardly ever has a rounding error
                g = g + lo
            g = tl.where(a == -_INF, 0.0, g)
            mean = mean * keep_a + tl.sum(w * g, 0)
    return top_a, tl.sum(mass_a, 0), top_b, tl.sum(mass_b, 0), tl.sum(mean, 0)


@jit
def masses(
    source: tl.tuple,
    start: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    centre: tl.tensor,
    MASKED: tl.constexpr,
    EXACT: tl.constexpr,
    VALUE: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """Maxima and masses in one sweep; VALUE: the sum of w (a - b - centre)."""
    top_a = tl.full([], -_INF, tl.float32)
    top_b = tl.full([], -_INF, tl.float32)
    mass_a, mass_b, mean = nothing(), nothing(), nothing()
    size = chunk_size(TILES, LANES)
    for chunk in range(start, stop, size):
        end = tl.minimum(chunk + size, stop)
        found = _masses(
            *(source, chunk, end, stop, scale, centre, MASKED, EXACT, VALUE, TILES, LANES)
        )
        top_a, safe_a, keep_a = _raise(top_a, found[0], scale)
        top_b, safe_b, keep_b = _raise(top_b, found[2], scale)
        part_a, part_b = exp((found[0] - safe_a) * scale), exp((found[2] - safe_b) * scale)
        mass_a = mass_a * keep_a + (found[1] * part_a).to(tl.float64)
        mass_b = mass_b * keep_b + (found[3] * part_b).to(tl.float64)
        mean = mean * keep_a + (found[4] * part_a).to(tl.float64)
    single = tl.float32
    return top_a, mass_a.to(single), top_b, mass_b.to(single), mean.to(single)


@jit
def _weights(a: tl.tensor, b: tl.tensor, state: tl.tuple, scale: tl.tensor) -> Any:
    """w, z, and b - a as an error-free difference, where both are finite."""
    top_a, top_b, unit_a, unit_b = state[0], state[1], state[2], state[3]
    w = exp((a - top_a) * scale) * unit_a
    z = exp((b - top_b) * scale) * unit_b
    on = (a > -_INF) & (b > -_INF)
    hi, lo = two_difference(tl.where(on, b, 0.0), tl.where(on, a, 0.0))
    return w, z, on, hi, lo


@jit
def _sweep(
    source: tl.tuple,
    start: tl.tensor,
    end: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    state: tl.tuple,
    grad: tl.tensor,
    factor: tl.tensor,
    MASKED: tl.constexpr,
    WRITE: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """What `sweep` gives, of the columns from start to end."""
    total = tl.zeros([LANES], tl.float32)
    drift = tl.zeros([LANES], tl.float32)
    lost_w = tl.zeros([LANES], tl.float32)
    lost_n = tl.zeros([LANES], tl.float32)
    z2 = tl.zeros([LANES], tl.float32)
    diff2 = tl.zeros([LANES], tl.float32)
    for block in range(start, end, TILES * LANES):
        at = columns(block, TILES, LANES)
        a, b = load(source, at, stop, MASKED)
        w, z, on, hi, lo = _weights(a, b, state, scale)
        h = ((((hi - state[4]) - state[5]) + lo) - state[6]) * scale
        near = on & (tl.abs(h) < _NEAR)
        h_near = tl.where(near, h, 0.0)
        chi_h = chi(h_near)
        diff = tl.where(near, w * (h_near + chi_h), z - w)
        far = diff - tl.where(on & (w > 0.0), w * h, 0.0)
        lost = (a > -_INF) & (b == -_INF)
        total += tl.sum(tl.where(near, w * chi_h, far), 0)
        drift += tl.sum(diff, 0)
        lost_w += tl.sum(tl.where(lost, w, 0.0), 0)
        lost_n += tl.sum(tl.where(lost, 1.0, 0.0), 0)
        if WRITE:
            z2 += tl.sum(z * z, 0)
            diff2 += tl.sum(diff * diff, 0)
            tl.store(grad + at, diff * factor, mask=at < stop)
    sums = tl.sum(total, 0), tl.sum(drift, 0), tl.sum(lost_w, 0), tl.sum(lost_n, 0)
    return sums[0], sums[1], sums[2], sums[3], tl.sum(z2, 0), tl.sum(diff2, 0)


@jit
def sweep(
    source: tl.tuple,
    start: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    state: tl.tuple,
    grad: tl.tensor,
    factor: tl.tensor,
    MASKED: tl.constexpr,
    WRITE: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """T, S, the weight and number of p > 0 = q, (|z|^2, |z - w|^2); WRITE: the gradient in b."""
    total, drift, lost_w = nothing(), nothing(), nothing()
    lost_n, z2, diff2 = nothing(), nothing(), nothing()
    size = chunk_size(TILES, LANES)
    for chunk in range(start, stop, size):
        end = tl.minimum(chunk + size, stop)
        found = _sweep(
            *(source, chunk, end, stop, scale, state, grad, factor, MASKED, WRITE, TILES, LANES)
        )
        total += found[0].to(tl.float64)
        drift += found[1].to(tl.float64)
        lost_w += found[2].to(tl.float64)
        lost_n += found[3].to(tl.float64)
        z2 += found[4].to(tl.float64)
        diff2 += found[5].to(tl.float64)
    single = tl.float32
    norms = (z2.to(single), diff2.to(single))
    return total.to(single), drift.to(single), lost_w.to(single), lost_n.to(single), norms


@jit
def _excess(
    source: tl.tuple,
    at: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    state: tl.tuple,
    centre: tl.tuple,
    MASKED: tl.constexpr,
) -> Any:
    """w, h over its mean (in units of the logits), and p > 0 = q."""
    a, b = load(source, at, stop, MASKED)
    w, _z, on, hi, lo = _weights(a, b, state, scale)
    lost = (a > -_INF) & (b == -_INF)
    return w, tl.where(on, ((hi - centre[0]) + lo) - centre[1], 0.0), lost


@jit
def _spreads(
    source: tl.tuple,
    start: tl.tensor,
    end: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    state: tl.tuple,
    centre: tl.tuple,
    MASKED: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """What `spreads` gives, of the columns from start to end."""
    every = tl.zeros([LANES], tl.float32)
    others = tl.zeros([LANES], tl.float32)
    weight = tl.zeros([LANES], tl.float32)
    for block in range(start, end, TILES * LANES):
        at = columns(block, TILES, LANES)
        w, excess, _lost = _excess(source, at, stop, scale, state, centre, MASKED)
        every += tl.sum(w * excess, 0)
        others += tl.sum(tl.where(w > 0.5, 0.0, w * excess), 0)
        weight += tl.sum(tl.where(w > 0.5, 0.0, w), 0)
    return tl.sum(every, 0), tl.sum(others, 0), tl.sum(weight, 0)


@jit
def spreads(
    source: tl.tuple,
    start: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    state: tl.tuple,
    centre: tl.tuple,
    MASKED: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """Sums of w excess: of all, and of all but the category with more than half of the weight."""
    every, others, weight = nothing(), nothing(), nothing()
    size = chunk_size(TILES, LANES)
    for chunk in range(start, stop, size):
        end = tl.minimum(chunk + size, stop)
        found = _spreads(source, chunk, end, stop, scale, state, centre, MASKED, TILES, LANES)
        every += found[0].to(tl.float64)
        others += found[1].to(tl.float64)
        weight += found[2].to(tl.float64)
    return every.to(tl.float32), others.to(tl.float32), weight.to(tl.float32)


@jit
def write_p(
    source: tl.tuple,
    start: tl.tensor,
    stop: tl.tensor,
    scale: tl.tensor,
    state: tl.tuple,
    centre: tl.tuple,
    spread: tl.tuple,
    finite: tl.tensor,
    grad: tl.tensor,
    factor: tl.tensor,
    MASKED: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """The gradient in a, -w (log ratio + KL), centred once more.

    The one category that may hold more than half of the weight gets what the others leave, since
    the derivatives sum to zero; not in a row that is infinite, where they do not.
    """
    mean = tl.where(finite, spread[0], 0.0)
    heaviest = spread[1] - mean * spread[2]
    heavy = tl.where(finite, 0.5, 2.0)
    slope = factor * scale
    for block in range(start, stop, TILES * LANES):
        at = columns(block, TILES, LANES)
        w, excess, lost = _excess(source, at, stop, scale, state, centre, MASKED)
        partial = tl.where(w > heavy, heaviest, -w * (excess - mean)) * slope
        # An upstream of 0 gives 0 also here.
        partial = tl.where(lost, tl.where(slope == 0.0, 0.0, slope * _INF), partial)
        tl.store(grad + at, partial, mask=at < stop)
