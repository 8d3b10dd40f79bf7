"""Triton: KL from logits, one program for each row or for each part of a long one.

The mathematics stand in `unikl.kernels.triton_sweeps`.
"""

from typing import Any

import triton.language as tl

from .triton_math import jit, psi_log1p, sources, two_difference
from .triton_sweeps import load, masses, spreads, sweep, write_p

__all__ = ["logits_parts", "logits_rows"]

_INF = tl.constexpr(float("inf"))
_SWEEPS = tl.constexpr(3)
_TWO_EPS_SQUARED = tl.constexpr(2.0**-44)


# -- a row's few numbers ---------------------------------------------------------------------------


@jit
def _begin(
    top_a: tl.tensor, mass_a: tl.tensor, top_b: tl.tensor, mass_b: tl.tensor, scale: tl.tensor
) -> Any:
    """The state of the first sweep: maxima, 1 / masses, log(z / w) - (b - a) in two parts."""
    top, top_rest = two_difference(top_b, top_a)
    shift, rest = two_difference(top, -(tl.log(mass_b / mass_a) / scale))
    return top_a, top_b, 1.0 / mass_a, 1.0 / mass_b, shift, rest + top_rest


@jit
def _optimistic(sums: tl.tuple, centre: tl.tensor, scale: tl.tensor, EXACT: tl.constexpr) -> Any:
    """KL from the sums of one sweep, and whether nothing in it cancels.

    The sum of w |log(w / z)| is at most KL + 2 TV, so at most KL + sqrt(2 KL) (Pinsker).
    """
    top_a, mass_a, top_b, mass_b, mean = sums
    hi, lo = two_difference(top_a, top_b)
    log_ratio = tl.log(mass_b / mass_a)
    offset = ((centre - hi) - lo) * scale + log_ratio
    kl = (mean / mass_a) * scale + offset
    # 1/2: the logarithm of the masses is off by an eps or two.
    bound = kl + tl.sqrt(2.0 * tl.maximum(kl, 0.0)) + 2.0 * tl.abs(offset) + 0.5
    if not EXACT:
        bound += 0.25 * tl.abs(centre) * scale
    return kl, (4.0 * kl >= bound) & (bound < _INF)


@jit
def _first_centre(
    source: tl.tuple, stop: tl.tensor, MASKED: tl.constexpr, LANES: tl.constexpr
) -> Any:
    """About the shift between the two rows of logits, from the first ones: a good guess will do."""
    a, b = load(source, tl.arange(0, LANES), stop, MASKED)
    on = (a > -_INF) & (b > -_INF)
    centre = tl.sum(tl.where(on, a - b, 0.0), 0) / tl.sum(tl.where(on, 1.0, 0.0), 0)
    return tl.where(tl.abs(centre) < _INF, centre, 0.0)


@jit
def _value(
    total: tl.tensor,
    drift: tl.tensor,
    lost_w: tl.tensor,
    lost_n: tl.tensor,
    state: tl.tuple,
    scale: tl.tensor,
) -> Any:
    """KL, the mean of b - a under w in two parts, and whether KL is finite."""
    psi_s, log_s = psi_log1p(drift)
    finite = lost_n == 0.0
    kl = total - psi_s
    # The mean of log(z / w) is -KL; in an infinite row, of the other categories.
    mean = tl.where(finite, -kl, drift - total - log_s * (1.0 - lost_w))
    hi, lo = two_difference(state[4], -(state[5] + (state[6] + (log_s + mean) / scale)))
    kl = tl.where(kl < 0.0, 0.0, kl)
    kl = tl.where(finite, kl, kl + _INF)
    return kl + 0.0 * state[4], (hi, lo), finite  # no mass, no divergence: NaN


@jit
def _careful(
    source: tl.tuple,
    n: tl.tensor,
    scale: tl.tensor,
    sums: tl.tuple,
    grad: tl.tensor,
    factor: tl.tensor,
    MASKED: tl.constexpr,
    WRITE: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> Any:
    """Sweeps until h is off by too little to matter; WRITE: with the gradient in b."""
    top_a, top_b, unit_a, unit_b, shift, rest = _begin(sums[0], sums[1], sums[2], sums[3], scale)
    total, drift, lost_w, lost_n, left = 0.0, 0.0, 0.0, 0.0, 0.0
    count = 0
    while count < _SWEEPS:
        unit_b, left = unit_b / (1.0 + drift), left + psi_log1p(drift)[1] / scale
        state = (top_a, top_b, unit_a, unit_b, shift, rest, left)
        total, drift, lost_w, lost_n, norms = sweep(
            source, 0, n, scale, state, grad, factor, MASKED, WRITE, TILES, LANES
        )
        again = psi_log1p(drift)[0] > 0.125 * total
        if WRITE:
            again = again | (drift * drift * norms[0] > norms[1] * _TWO_EPS_SQUARED)
        count = tl.where(again, count + 1, _SWEEPS)
    state = (top_a, top_b, unit_a, unit_b, shift, rest, left)
    kl, centre, finite = _value(total, drift, lost_w, lost_n, state, scale)
    return kl, state, centre, finite


# -- kernels ---------------------------------------------------------------------------------------


@jit
def logits_rows(
    p: tl.tensor,
    q: tl.tensor,
    keep: tl.tensor,
    grad_p: tl.tensor,
    grad_q: tl.tensor,
    upstream: tl.tensor,
    out: tl.tensor,  # of each row: KL, the mass of p, the mass of q
    n: tl.tensor,
    inner: tl.tensor,
    steps: tl.tuple,
    scale: tl.tensor,
    MASKED: tl.constexpr,
    EXACT: tl.constexpr,
    WANT_P: tl.constexpr,
    WANT_Q: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """One program for each row: the value and the wanted gradients."""
    row = tl.program_id(0).to(tl.int64)
    source = sources(p, q, keep, row, inner, steps)
    to_p, to_q = grad_p + row * n, grad_q + row * n
    if WANT_P or WANT_Q:
        sums = masses(source, 0, n, scale, 0.0, MASKED, EXACT, False, TILES, LANES)
        factor = tl.load(upstream + row) * scale
        kl, state, centre, finite = _careful(
            source, n, scale, sums, to_q, factor, MASKED, WANT_Q, TILES, LANES
        )
        if WANT_P:
            factor = tl.where(kl != kl, kl, factor)
            spread = spreads(source, 0, n, scale, state, centre, MASKED, TILES, LANES)
            write_p(
                *(source, 0, n, scale, state, centre, spread, finite, to_p, factor),
                *(MASKED, TILES, LANES),
            )
    else:
        centre = _first_centre(source, n, MASKED, LANES)
        sums = masses(source, 0, n, scale, centre, MASKED, EXACT, True, TILES, LANES)
        kl, fine = _optimistic(sums, centre, scale, EXACT)
        if not fine:
            kl = _careful(source, n, scale, sums, to_q, 0.0, MASKED, False, TILES, LANES)[0]
    rows = tl.num_programs(0)
    tl.store(out + row, kl)
    tl.store(out + rows + row, sums[1] * tl.exp(sums[0] * scale))
    tl.store(out + 2 * rows + row, sums[3] * tl.exp(sums[2] * scale))


@jit
def _pair(at: tl.tensor) -> Any:
    return tl.load(at), tl.load(at + 1)


@jit
def logits_parts(
    p: tl.tensor,
    q: tl.tensor,
    keep: tl.tensor,
    grad: tl.tensor,  # in b when sweeping, in a in the last phase
    upstream: tl.tensor,
    state: tl.tensor,  # of each row: maxima, units, shift; centre, spread, finite
    sums: tl.tensor,  # of each part: what the phase's sweep gives
    n: tl.tensor,
    inner: tl.tensor,
    steps: tl.tuple,
    parts: tl.tensor,
    length: tl.tensor,  # of a part
    scale: tl.tensor,
    MASKED: tl.constexpr,
    PHASE: tl.constexpr,
    WRITE: tl.constexpr,
    TILES: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """One program for each part of a row: one sweep of those that `logits_rows` makes."""
    program = tl.program_id(0).to(tl.int64)
    row, part = program // parts, program % parts
    source = sources(p, q, keep, row, inner, steps)
    start = (part * length).to(tl.int32)
    stop = tl.minimum(start + length, n)
    grad, sums, state = grad + row * n, sums + program * 4, state + row * 13
    factor = tl.load(upstream + row) * scale
    if PHASE == "masses":
        found = masses(source, start, stop, scale, 0.0, MASKED, False, False, TILES, LANES)
    else:
        tops, units, shift = _pair(state), _pair(state + 2), _pair(state + 4)
        left = tl.load(state + 6)
        known = (tops[0], tops[1], units[0], units[1], shift[0], shift[1], left)
        centre = _pair(state + 7)
        if PHASE == "sweep":
            found = sweep(
                source, start, stop, scale, known, grad, factor, MASKED, WRITE, TILES, LANES
            )
        elif PHASE == "spread":
            found = spreads(source, start, stop, scale, known, centre, MASKED, TILES, LANES)
        else:
            spread = (tl.load(state + 9), tl.load(state + 10), tl.load(state + 11))
            finite = tl.load(state + 12) != 0.0
            write_p(
                *(source, start, stop, scale, known, centre, spread, finite, grad, factor),
                *(MASKED, TILES, LANES),
            )
    if PHASE != "write":
        for i in tl.static_range(3 if PHASE == "spread" else 4):
            tl.store(sums + i, found[i])
