"""The two reductions of the core, fused: each row is read once or twice, in vector registers.

The formulas are the core's, but for the order in which rounding errors of the totals are removed:
a sweep over a row with any totals near the true ones gives

    T = sum_i (z - w - w log(z/w)),    S = sum_i (z - w),    KL = T - psi(S),

with psi(S) = S - log(1 + S), exactly, whatever S is.  Where psi(S) is not small beside T (rows
that agree to a few eps, counts of different totals), and where S would show in a gradient,
another sweep follows, with totals that S has corrected.

A row that this cannot certify is left NaN, for the caller to do in the core: rows with NaN,
without mass, out of range; where gradients are wanted also rows of infinite divergence.

Sums are taken in vector lanes over blocks of 1024, and with compensation over the blocks.
"""

import math

import numpy as np

from .halves import decode, encode
from .lanes import constants, latent_term
from .llvm import inner, kernel, loop
from .log_rows import logs_row
from .sums import BLOCK, add, divergence
from .weight_rows import in_range, weight_sweep, weights_row, weights_row_with_gradients

_FAR = 1e300  # that a mass is off; inf is said of rows that are left


@loop
def _latent_block(mean, log_var, dm, dv, c):  # type: ignore[no-untyped-def]
    terms = c.zero
    for i in range(mean.shape[0]):
        term, growth = latent_term(mean[i], log_var[i], c)
        terms += term
        if dm is not None:
            dm[i] = mean[i]
        if dv is not None:
            dv[i] = c.half * growth
    return terms


@inner
def _latent_row(mean, log_var, dm, dv, c):  # type: ignore[no-untyped-def]
    """KL(N(mean, exp(log_var)) || N(0, 1))."""
    terms = (0.0, 0.0)
    for o in range(0, mean.shape[0], BLOCK):
        e = o + BLOCK
        dm_block = None if dm is None else dm[o:e]
        dv_block = None if dv is None else dv[o:e]
        terms = add(terms, _latent_block(mean[o:e], log_var[o:e], dm_block, dv_block, c))
    return 0.5 * (terms[0] + terms[1])


# `linear` is True for weights and None for logarithms: a type of its own, so that a kernel holds
# the code of one branch only.


@inner
def _reduce(linear, p, q, dp, dq, c):  # type: ignore[no-untyped-def]
    if linear is None:
        return logs_row(p, q, dp, dq, c)
    if dp is None and dq is None:
        return weights_row(p, q, c)
    return weights_row_with_gradients(p, q, dp, dq, c)


@inner
def _rows(linear, p, q, kl, mass_p, mass_q, dp, dq):  # type: ignore[no-untyped-def]
    c = constants(p)
    left, off = False, 0.0
    for r in range(p.shape[0]):
        dp_row = None if dp is None else dp[r]
        dq_row = None if dq is None else dq[r]
        value, total_p, total_q = _reduce(linear, p[r], q[r], dp_row, dq_row, c)
        kl[r] = value
        if mass_p is not None:
            mass_p[r], mass_q[r] = total_p, total_q
        left = left or value != value
        off = max(off, min(_FAR, max(abs(total_p - 1), abs(total_q - 1))))
    return math.inf if left else off


@inner
def _half_rows(linear, brain, p, q, kl, mass_p, mass_q, dp, dq, upstream):  # type: ignore[no-untyped-def]
    c = constants(kl)
    left, off = False, 0.0
    rows = np.empty((4, p.shape[1]), np.float32)
    for r in range(p.shape[0]):
        decode(p[r], brain, rows[0])
        decode(q[r], brain, rows[1])
        dp_row = None if dp is None else rows[2]
        dq_row = None if dq is None else rows[3]
        value, total_p, total_q = _reduce(linear, rows[0], rows[1], dp_row, dq_row, c)
        factor = c.one if upstream is None else upstream[r]
        if dp is not None:
            encode(rows[2], factor, brain, dp[r])
        if dq is not None:
            encode(rows[3], factor, brain, dq[r])
        kl[r], mass_p[r], mass_q[r] = value, total_p, total_q
        left = left or value != value
        off = max(off, min(_FAR, max(abs(total_p - 1), abs(total_q - 1))))
    return math.inf if left else off


@kernel
def weights(p, q, kl, mass_p, mass_q, dp, dq):  # type: ignore[no-untyped-def]
    """The rows' divergences into kl, and what is not None of the masses and the gradients.

    Returns the largest distance of a mass from 1, or inf if rows are left NaN.
    """
    return _rows(True, p, q, kl, mass_p, mass_q, dp, dq)


@kernel
def logs(a, b, kl, mass_a, mass_b, da, db):  # type: ignore[no-untyped-def]
    """The same for logarithms."""
    return _rows(None, a, b, kl, mass_a, mass_b, da, db)


@kernel
def latents(mean, log_var, kl, mass_p, mass_q, dm, dv):  # type: ignore[no-untyped-def]
    """The same for normals against the standard normal; there are no masses, so they are 1."""
    c = constants(mean)
    left = False
    for r in range(mean.shape[0]):
        dm_row = None if dm is None else dm[r]
        dv_row = None if dv is None else dv[r]
        kl[r] = _latent_row(mean[r], log_var[r], dm_row, dv_row, c)
        left = left or kl[r] != kl[r]
        if mass_p is not None:
            mass_p[r], mass_q[r] = c.one, c.one
    return math.inf if left else 0.0


@kernel
def part_of_row(p, q, sums):  # type: ignore[no-untyped-def]
    """Sums over a part of one row of weights, for `whole_row`."""
    sums[:] = weight_sweep(p, q, None, None, None, None, constants(p))


@kernel
def whole_row(sums, c):  # type: ignore[no-untyped-def]
    """(KL or NaN, mass of p, mass of q) of a row from the sums over its parts, one in each row."""
    terms, mass_p, mass_q, excess = sums.sum(axis=0)
    fits = in_range(mass_p, c) and in_range(mass_q, c)
    return divergence(terms, mass_p, excess) if fits else math.nan, mass_p, mass_q


@kernel
def half_weights(brain, p, q, kl, mass_p, mass_q, dp, dq, upstream):  # type: ignore[no-untyped-def]
    """The same for the bits of bfloat16 (brain) or float16 weights, computed in float32.

    upstream: None, or one factor for each row's gradients, which are rounded after it.
    """
    return _half_rows(True, brain, p, q, kl, mass_p, mass_q, dp, dq, upstream)


@kernel
def half_logs(brain, a, b, kl, mass_a, mass_b, da, db, upstream):  # type: ignore[no-untyped-def]
    """The same for the bits of bfloat16 (brain) or float16 logarithms."""
    return _half_rows(None, brain, a, b, kl, mass_a, mass_b, da, db, upstream)
