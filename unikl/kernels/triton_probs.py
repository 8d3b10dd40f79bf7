"""Triton: KL from probabilities, the sweeps over a row and the kernels that are made of them.

With P and Q the totals of p and q, and z = c q for any c near P / Q:

    KL = T / P - psi(S / P),    T = sum of z - p - p log(z / p),    S = sum of z - p:

psi(S / P) is what T has too much for c not being P / Q.  Where u = z/p - 1 lies between -1/2
and 1 the term is p psi(u), which keeps all digits.  The first sweep has c = 1, as rows that
sum to 1 nearly do; if psi(S / P) is no small part of T / P, the next has c = P / Q rounded, and
the last one takes from u what is left.
"""

from typing import Any

import triton.language as tl

from .triton_math import (
    chunk_size,
    columns,
    jit,
    nothing,
    psi_log1p,
    scaled_difference,
    sources,
)

__all__ = ["probs_parts", "probs_rows"]

_INF = tl.constexpr(float("inf"))
_SWEEPS = tl.constexpr(3)
# Room for the differences of the smallest numbers.
_UNIT = tl.constexpr(2.0**32)
# -log of the smallest normal number, in that unit.
_LOG_TINY = tl.constexpr(-65.15583535263451)  # (32 - 126) log 2


@jit
def _load(source: tl.tuple, at: tl.tensor, stop: tl.tensor, MASKED: tl.constexpr) -> Any:
    """Weights as float32 in the unit above, NaN if negative; 0 where there is no category."""
    p, q, keep, p_step, q_step, keep_step = source
    inside = at < stop
    if MASKED:
        inside = inside & (tl.load(keep + at * keep_step, mask=inside, other=0) != 0)
    p = tl.load(p + at * p_step, mask=inside, other=0.0).to(tl.float32)
    q = tl.load(q + at * q_step, mask=inside, other=0.0).to(tl.float32)
    p = tl.where(p < 0.0, float("nan"), p) * _UNIT
    return p, tl.where(q < 0.0, float("nan"), q) * _UNIT, inside


@jit
def _terms(p: tl.tensor, q: tl.tensor, ratio: tl.tensor, left: tl.tensor) -> Any:
    """z - p, log(z / p) and the term, for z = ratio q / (1 + left)."""
    on = (p > 0.0) & (q > 0.0)
    raw = scaled_difference(q, ratio, p)
    safe = tl.where(on, p, 1.0)
    u = (raw / safe - left) / (1.0 + left)
    near = on & (u > -0.5) & (u < 1.0)
    far = on & ~near
    psi_u, log_u = psi_log1p(tl.where(near, u, 0.0))
    log_far = tl.log(tl.where(far, q / safe * ratio, 1.0)) - psi_log1p(left)[1]
    log_ratio = tl.where(near, log_u, tl.where(far, log_far, 0.0))
    diff = tl.where(near, p * u, (raw - left * p) / (1.0 + left))
    return diff, log_ratio, tl.where(near, p * psi_u, diff - p * log_ratio)


@jit
def _sums(
    source: tl.tuple,
    start: tl.tensor,
    end: tl.tensor,
    stop: tl.tensor,
    ratio: tl.tensor,
    left: tl.tensor,
    MASKED: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """What `_sweep` gives, of the columns from start to end."""
    mass_p = tl.zeros([LANES], tl.float32)
    mass_q = tl.zeros([LANES], tl.float32)
    total = tl.zeros([LANES], tl.float32)
    drift = tl.zeros([LANES], tl.float32)
    lost_p = tl.zeros([LANES], tl.float32)
    lost_n = tl.zeros([LANES], tl.float32)
    for block in range(start, end, TILES * LANES):
        p, q, _inside = _load(source, columns(block, TILES, LANES), stop, MASKED)
        diff, _log_ratio, term = _terms(p, q, ratio, left)
        lost = (p > 0.0) & (q == 0.0)
        mass_p += tl.sum(p, 0)
        mass_q += tl.sum(q, 0)
        total += tl.sum(term, 0)
        drift += tl.sum(diff, 0)
        lost_p += tl.sum(tl.where(lost, p, 0.0), 0)
        lost_n += tl.sum(tl.where(lost, 1.0, 0.0), 0)
    lost = (tl.sum(lost_p, 0), tl.sum(lost_n, 0))
    return tl.sum(mass_p, 0), tl.sum(mass_q, 0), tl.sum(total, 0), tl.sum(drift, 0), lost


@jit
def _sweep(
    source: tl.tuple,
    start: tl.tensor,
    stop: tl.tensor,
    ratio: tl.tensor,
    left: tl.tensor,
    MASKED: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """The totals of p and q, T, S, the weight and number of p > 0 = q (in one)."""
    mass_p, mass_q, total = nothing(), nothing(), nothing()
    drift, lost_p, lost_n = nothing(), nothing(), nothing()
    size = chunk_size(TILES, LANES)
    for chunk in range(start, stop, size):
        end = tl.minimum(chunk + size, stop)
        found = _sums(source, chunk, end, stop, ratio, left, MASKED, TILES, LANES)
        mass_p += found[0].to(tl.float64)
        mass_q += found[1].to(tl.float64)
        total += found[2].to(tl.float64)
        drift += found[3].to(tl.float64)
        lost_p += found[4][0].to(tl.float64)
        lost_n += found[4][1].to(tl.float64)
    single = tl.float32
    lost = (lost_p.to(single), lost_n.to(single))
    return mass_p.to(single), mass_q.to(single), total.to(single), drift.to(single), lost


@jit
def _write(
    source: tl.tuple,
    start: tl.tensor,
    stop: tl.tensor,
    state: tl.tuple,
    grad_p: tl.tensor,
    grad_q: tl.tensor,
    factor: tl.tensor,
    MASKED: tl.constexpr,
    WANT_P: tl.constexpr,
    WANT_Q: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """The gradients -(log ratio + KL) / P and (1 - p/z) / Q."""
    ratio, left, mean, mass_p, mass_q = state
    slope_p, slope_q = factor / (mass_p / _UNIT), factor / (mass_q / _UNIT)
    endless = tl.where(factor == 0.0, 0.0, factor * _INF)  # an upstream of 0 gives 0 here too
    for block in range(start, stop, TILES * LANES):
        at = columns(block, TILES, LANES)
        p, q, inside = _load(source, at, stop, MASKED)
        diff, log_ratio, _term = _terms(p, q, ratio, left)
        z = q * (ratio / (1.0 + left))
        lost = (p > 0.0) & (q == 0.0)
        if WANT_P:
            # At p = 0 < q the derivative is -inf: the one at the smallest normal number.
            empty = (p == 0.0) & (z > 0.0)
            above = tl.where(empty, tl.log(tl.where(empty, z, 1.0)) - _LOG_TINY, 0.0)
            partial = -slope_p * ((log_ratio - mean) + above)
            partial = tl.where(lost, endless, tl.where(inside, partial, 0.0))
            tl.store(grad_p + at, partial, mask=at < stop)
        if WANT_Q:
            partial = slope_q * tl.where(z > 0.0, diff / tl.where(z > 0.0, z, 1.0), 1.0)
            partial = tl.where(lost, -endless, tl.where(inside, partial, 0.0))
            tl.store(grad_q + at, partial, mask=at < stop)


@jit
def _value(sums: tl.tuple, left: tl.tensor) -> Any:
    """KL, what is left of the ratio of the totals, and the mean of log(z / p) under p."""
    mass_p, mass_q, total, drift, lost = sums
    rest = drift / mass_p
    psi_rest, log_rest = psi_log1p(rest)
    finite = lost[1] == 0.0
    kl = total / mass_p - psi_rest
    # The mean is -KL; in an infinite row, of the other categories.
    others = (drift - total) / mass_p - log_rest * (1.0 - lost[0] / mass_p)
    mean = tl.where(finite, -kl, others)
    kl = tl.where(kl < 0.0, 0.0, kl)
    kl = tl.where(finite, kl, kl + _INF)
    kl = kl + 0.0 * (mass_p / mass_q) + 0.0 * (mass_q / mass_p)  # no mass, no divergence: NaN
    return kl, left + rest + left * rest, mean


@jit
def probs_rows(
    p: tl.tensor,
    q: tl.tensor,
    keep: tl.tensor,
    grad_p: tl.tensor,
    grad_q: tl.tensor,
    upstream: tl.tensor,
    out: tl.tensor,  # of each row: KL, the total of p, the total of q
    n: tl.tensor,
    inner: tl.tensor,
    steps: tl.tuple,
    MASKED: tl.constexpr,
    WANT_P: tl.constexpr,
    WANT_Q: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """One program for each row: the value and the wanted gradients."""
    row = tl.program_id(0).to(tl.int64)
    source = sources(p, q, keep, row, inner, steps)
    ratio, left = tl.full([], 1.0, tl.float32), tl.full([], 0.0, tl.float32)
    sums = _sweep(source, 0, n, ratio, left, MASKED, TILES, LANES)
    kl, rest, mean = _value(sums, left)
    count = 1
    while count < _SWEEPS:
        if psi_log1p(sums[3] / sums[0])[0] > 0.125 * (sums[2] / sums[0]):
            left = tl.where(count == 1, 0.0, rest)
            ratio = tl.where(count == 1, sums[0] / sums[1], ratio)
            sums = _sweep(source, 0, n, ratio, left, MASKED, TILES, LANES)
            kl, rest, mean = _value(sums, left)
            count += 1
        else:
            count = _SWEEPS
    rows = tl.num_programs(0)
    tl.store(out + row, kl)
    tl.store(out + rows + row, sums[0] / _UNIT)
    tl.store(out + 2 * rows + row, sums[1] / _UNIT)
    if WANT_P or WANT_Q:
        state = (ratio, rest, mean, sums[0], sums[1])
        factor = tl.load(upstream + row)
        factor = tl.where(kl != kl, kl, factor)
        _write(
            *(source, 0, n, state, grad_p + row * n, grad_q + row * n, factor),
            *(MASKED, WANT_P, WANT_Q, TILES, LANES),
        )


@jit
def probs_parts(
    p: tl.tensor,
    q: tl.tensor,
    keep: tl.tensor,
    grad_p: tl.tensor,
    grad_q: tl.tensor,
    upstream: tl.tensor,
    state: tl.tensor,  # of each row: the ratio, what is left of it, the mean, the totals
    sums: tl.tensor,  # of each part: what `_sweep` gives
    n: tl.tensor,
    inner: tl.tensor,
    steps: tl.tuple,
    parts: tl.tensor,
    length: tl.tensor,  # of a part
    MASKED: tl.constexpr,
    WRITE: tl.constexpr,
    WANT_P: tl.constexpr,
    WANT_Q: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """One program for each part of a row: one sweep, or the gradients."""
    program = tl.program_id(0).to(tl.int64)
    row, part = program // parts, program % parts
    source = sources(p, q, keep, row, inner, steps)
    start = (part * length).to(tl.int32)
    stop = tl.minimum(start + length, n)
    state += row * 5
    ratio, left = tl.load(state), tl.load(state + 1)
    if WRITE:
        known = (ratio, left, tl.load(state + 2), tl.load(state + 3), tl.load(state + 4))
        _write(
            *(source, start, stop, known, grad_p + row * n, grad_q + row * n),
            *(tl.load(upstream + row), MASKED, WANT_P, WANT_Q, TILES, LANES),
        )
    else:
        found = _sweep(source, start, stop, ratio, left, MASKED, TILES, LANES)
        for i in tl.static_range(4):
            tl.store(sums + program * 6 + i, found[i])
        tl.store(sums + program * 6 + 4, found[4][0])
        tl.store(sums + program * 6 + 5, found[4][1])


@jit
def scale_rows(grad: tl.tensor, upstream: tl.tensor, n: tl.tensor, LANES: tl.constexpr) -> None:
    """Each row of a gradient times a number, in place; an infinite entry times 0 is 0."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * LANES + tl.arange(0, LANES)
    factor = tl.load(upstream + row)
    x = tl.load(grad + row * n + at, mask=at < n, other=0.0).to(tl.float32)
    y = x * factor
    y = tl.where((y != y) & (x == x), factor * 0.0, y)
    tl.store(grad + row * n + at, y, mask=at < n)
