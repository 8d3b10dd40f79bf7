"""The two reductions of the core, fused: each row is read once or twice, in vector registers.

The formulas are the core's, but for the order in which rounding errors of the totals are removed:
a sweep over a row with any totals near the true ones gives

    T = sum_i (z - w - w log(z/w)),    S = sum_i (z - w),    KL = T - psi(S),

with psi(S) = S - log(1 + S), exactly, whatever S is.  Where psi(S) is not small beside T (rows
that agree to a few eps, counts of different totals), and where S would show in a gradient,
another sweep follows, with totals that S has corrected.

A row that this cannot certify is left NaN, for the caller to do in the core: rows with NaN,
without mass, out of range; where gradients are wanted also rows of infinite divergence.

Logarithms that do not nearly agree need less, one sweep with the plain sums (`log_rows`).

The gradients are written in a pass of their own, from what is saved of each row: by the backward
of a framework, with the upstream gradient inside.

Sums are taken in vector lanes over blocks of 1024, and with compensation over the blocks.
"""

import math
from typing import Any

import numpy as np

from .halves import decode, encode
from .lanes import constants, log_of
from .latent_rows import latent_gradients_row, latent_row
from .llvm import inner, kernel
from .log_rows import logs_gradients_row, logs_row
from .sums import divergence
from .weight_rows import in_range, ratio_of, weight_sweep, weights_gradients_row, weights_row

SAVED = 7  # numbers of each row; the first is its divergence
_FAR = 1e300  # that a mass is off; inf is said of rows that are left


# How a row of p or q is read: into a row of `rows`, if its formula does not take it as it is.  And
# where a gradient goes.


@inner
def _as_is(x, brain, rows, k, c):  # type: ignore[no-untyped-def]
    return x


@inner
def _log(x, brain, rows, k, c):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        rows[k, i] = log_of(x[i], c)
    return rows[k]


@inner
def _decoded(x, brain, rows, k, c):  # type: ignore[no-untyped-def]
    decode(x, brain, rows[k])
    return rows[k]


@inner
def _in_place(x, rows, k):  # type: ignore[no-untyped-def]
    return x


@inner
def _in_scratch(x, rows, k):  # type: ignore[no-untyped-def]
    return rows[k]


@inner
def _nothing(x, brain, row):  # type: ignore[no-untyped-def]
    pass


@inner
def _encoded(x, brain, row):  # type: ignore[no-untyped-def]
    encode(x, brain, row)


def _named(loop: Any, *parts: Any) -> Any:
    """Compiled under a name of its own: by their names machine code from the disk is linked."""
    loop.__qualname__ = "_".join([part.__name__ for part in parts])
    return inner(loop)


def _rows(reduce: Any, differentiate: Any, read_p: Any, read_q: Any, scratch: int = 0) -> Any:
    """The loop over the rows: the value, and the gradients or what they need later."""

    def loop(brain, p, q, kl, mass_p, mass_q, dp, dq, saved):  # type: ignore[no-untyped-def]
        c = constants(kl)
        left, off = False, 0.0
        rows, own = np.empty((scratch, p.shape[1]), kl.dtype), np.empty(SAVED)
        for r in range(p.shape[0]):
            x, y = read_p(p[r], brain, rows, 0, c), read_q(q[r], brain, rows, 1, c)
            row = own if saved is None else saved[r]
            value, total_p, total_q = reduce(x, y, row, c)
            row[0] = value
            if dp is not None or dq is not None:
                dp_row = None if dp is None else dp[r]
                dq_row = None if dq is None else dq[r]
                done = value < math.inf and differentiate(x, y, row, c.one, dp_row, dq_row, c)
                value = value if done else math.nan
            kl[r] = value
            if mass_p is not None:
                mass_p[r], mass_q[r] = total_p, total_q
            left = left or value != value
            off = max(off, min(_FAR, max(abs(total_p - 1), abs(total_q - 1))))
        return math.inf if left else off

    return _named(loop, reduce, read_p, read_q)


def _gradient_rows(
    differentiate: Any,
    read_p: Any,
    read_q: Any,
    scratch: int = 0,
    place: Any = _in_place,
    put: Any = _nothing,
) -> Any:
    """The loop over the rows that writes the gradients."""

    def loop(brain, p, q, saved, upstream, dp, dq):  # type: ignore[no-untyped-def]
        c = constants(upstream)
        left = False
        rows = np.empty((scratch, p.shape[1]), upstream.dtype)
        for r in range(p.shape[0]):
            x, y = read_p(p[r], brain, rows, 0, c), read_q(q[r], brain, rows, 1, c)
            dp_row: Any = None if dp is None else place(dp[r], rows, 2)
            dq_row: Any = None if dq is None else place(dq[r], rows, 3)
            done = saved[r, 0] < math.inf
            done = done and differentiate(x, y, saved[r], upstream[r], dp_row, dq_row, c)
            left = left or not done
            if dp is not None:
                dp_row[0] = dp_row[0] if done else c.nan
                put(dp_row, brain, dp[r])
            if dq is not None:
                dq_row[0] = dq_row[0] if done else c.nan
                put(dq_row, brain, dq[r])
        return math.inf if left else 0.0

    return _named(loop, differentiate, read_p, read_q)


_weights = _rows(weights_row, weights_gradients_row, _as_is, _as_is)
_logs = _rows(logs_row, logs_gradients_row, _as_is, _as_is)
_weights_logs = _rows(logs_row, logs_gradients_row, _log, _as_is, 1)
_logs_weights = _rows(logs_row, logs_gradients_row, _as_is, _log, 2)
_half_weights = _rows(weights_row, weights_gradients_row, _decoded, _decoded, 2)
_half_logs = _rows(logs_row, logs_gradients_row, _decoded, _decoded, 2)
_weights_back = _gradient_rows(weights_gradients_row, _as_is, _as_is)
_logs_back = _gradient_rows(logs_gradients_row, _as_is, _as_is)
_weights_logs_back = _gradient_rows(logs_gradients_row, _log, _as_is, 1)
_logs_weights_back = _gradient_rows(logs_gradients_row, _as_is, _log, 2)
_half: Any = (_decoded, _decoded, 4, _in_scratch, _encoded)
_half_weights_back = _gradient_rows(weights_gradients_row, *_half)
_half_logs_back = _gradient_rows(logs_gradients_row, *_half)


@kernel
def weights(p, q, kl, mass_p, mass_q, dp, dq, saved):  # type: ignore[no-untyped-def]
    """The rows' divergences into kl, and what is not None of the masses and the gradients.

    Into saved (floats of 64 bits, SAVED a row) goes what `weights_gradients` needs later.
    Returns the largest distance of a mass from 1, or inf if rows are left NaN.
    """
    return _weights(None, p, q, kl, mass_p, mass_q, dp, dq, saved)


@kernel
def logs(a, b, kl, mass_a, mass_b, da, db, saved):  # type: ignore[no-untyped-def]
    """The same for logarithms."""
    return _logs(None, a, b, kl, mass_a, mass_b, da, db, saved)


@kernel
def weights_logs(p, b, kl, mass_p, mass_b, dp, db, saved):  # type: ignore[no-untyped-def]
    """The same for weights of p and logarithms of q's; dp must be None."""
    return _weights_logs(None, p, b, kl, mass_p, mass_b, dp, db, saved)


@kernel
def logs_weights(a, q, kl, mass_a, mass_q, da, dq, saved):  # type: ignore[no-untyped-def]
    """The same for logarithms of p's weights and weights of q; dq must be None."""
    return _logs_weights(None, a, q, kl, mass_a, mass_q, da, dq, saved)


@kernel
def half_weights(brain, p, q, kl, mass_p, mass_q, saved):  # type: ignore[no-untyped-def]
    """The same for the bits of bfloat16 (brain) or float16 weights, computed in float32."""
    return _half_weights(brain, p, q, kl, mass_p, mass_q, None, None, saved)


@kernel
def half_logs(brain, a, b, kl, mass_a, mass_b, saved):  # type: ignore[no-untyped-def]
    """The same for the bits of bfloat16 (brain) or float16 logarithms."""
    return _half_logs(brain, a, b, kl, mass_a, mass_b, None, None, saved)


@kernel
def weights_gradients(p, q, saved, upstream, dp, dq):  # type: ignore[no-untyped-def]
    """The gradients, each row's times upstream, into what is not None of dp and dq.

    Rows whose divergence is not finite, and what is not exact, are left with NaN in front; inf
    says that there are some.
    """
    return _weights_back(None, p, q, saved, upstream, dp, dq)


@kernel
def logs_gradients(a, b, saved, upstream, da, db):  # type: ignore[no-untyped-def]
    """The same for logarithms."""
    return _logs_back(None, a, b, saved, upstream, da, db)


@kernel
def weights_logs_gradients(p, b, saved, upstream, dp, db):  # type: ignore[no-untyped-def]
    """The same for weights of p and logarithms of q's; dp must be None."""
    return _weights_logs_back(None, p, b, saved, upstream, dp, db)


@kernel
def logs_weights_gradients(a, q, saved, upstream, da, dq):  # type: ignore[no-untyped-def]
    """The same for logarithms of p's weights and weights of q; dq must be None."""
    return _logs_weights_back(None, a, q, saved, upstream, da, dq)


@kernel
def half_weights_gradients(brain, p, q, saved, upstream, dp, dq):  # type: ignore[no-untyped-def]
    """The same for half precision: computed in float32, and rounded once."""
    return _half_weights_back(brain, p, q, saved, upstream, dp, dq)


@kernel
def half_logs_gradients(brain, a, b, saved, upstream, da, db):  # type: ignore[no-untyped-def]
    """The same for half precision."""
    return _half_logs_back(brain, a, b, saved, upstream, da, db)


@kernel
def latents(mean, log_var, kl, mass_p, mass_q, dm, dv, saved):  # type: ignore[no-untyped-def]
    """Normals against the standard normal; there are no masses, so they are 1."""
    c = constants(mean)
    left = False
    for r in range(mean.shape[0]):
        kl[r] = latent_row(mean[r], log_var[r], c)
        dm_row = None if dm is None else dm[r]
        dv_row = None if dv is None else dv[r]
        latent_gradients_row(mean[r], log_var[r], c.one, dm_row, dv_row, c)
        left = left or kl[r] != kl[r]
        if mass_p is not None:
            mass_p[r], mass_q[r] = c.one, c.one
        if saved is not None:
            saved[r, 0] = kl[r]
    return math.inf if left else 0.0


@kernel
def latents_gradients(mean, log_var, saved, upstream, dm, dv):  # type: ignore[no-untyped-def]
    """The same for their gradients."""
    c = constants(mean)
    left = False
    for r in range(mean.shape[0]):
        dm_row = None if dm is None else dm[r]
        dv_row = None if dv is None else dv[r]
        latent_gradients_row(mean[r], log_var[r], upstream[r], dm_row, dv_row, c)
        if saved[r, 0] != saved[r, 0]:
            left = True
            if dm is not None:
                dm[r, 0] = c.nan
            if dv is not None:
                dv[r, 0] = c.nan
    return math.inf if left else 0.0


@kernel
def part_of_row(p, q, sums):  # type: ignore[no-untyped-def]
    """Sums over a part of one row of weights, for `whole_row`."""
    sums[:] = weight_sweep(p, q, None, None, constants(p))


@kernel
def whole_row(p, sums, saved):  # type: ignore[no-untyped-def]
    """(KL or NaN, mass of p, mass of q) of a row from the sums over its parts, one in each row."""
    c = constants(p)
    terms, mass_p, mass_q, excess = sums.sum(axis=0)
    if not (in_range(mass_p, c) and in_range(mass_q, c)):
        return math.nan, mass_p, mass_q
    kl = divergence(terms, mass_p, excess)
    s, t = ratio_of(p, mass_p, mass_q, excess, c)
    if saved is not None:
        saved[1], saved[2], saved[3], saved[4] = s, t, mass_p, mass_q
        if s != c.one:
            kl = math.nan
        saved[0] = kl
    return kl, mass_p, mass_q
