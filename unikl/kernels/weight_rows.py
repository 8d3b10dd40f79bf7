"""One row of weights: its divergence, and its gradients.

A sweep over the row with any ratio of the totals gives T and S; see `unikl.kernels.cpu`.
"""

import math

from .lanes import raw_difference, weight_term
from .llvm import inner, loop, where
from .sums import BLOCK, add, divergence


@loop
def _weight_block(p, q, s, t, dp, dq, c):  # type: ignore[no-untyped-def]
    """Sums of the terms, of p, q and z - p, times c.unit; log(z/p) into dp, (z - p)/z into dq.

    The unit keeps differences of the smallest numbers normal: whoever loads a library compiled
    for fast math has subnormals flushed to zero in the whole thread (XLA's threads do it, too).
    """
    terms, mass_p, mass_q, excess = c.zero, c.zero, c.zero, c.zero
    for i in range(p.shape[0]):
        x, y = p[i] * c.unit, q[i] * c.unit
        term, raw, log, z = weight_term(x, y, s, t, c)
        terms += term
        mass_p += x
        mass_q += y
        excess += raw
        if dp is not None:
            dp[i] = log
        if dq is not None:
            dq[i] = where(z > c.zero, raw / z, c.one)
    return terms, mass_p, mass_q, excess


@inner
def weight_sweep(p, q, s, t, dp, dq, c):  # type: ignore[no-untyped-def]
    """T, the masses of p and q, and S, all as given (not over the mass)."""
    terms, mass_p, mass_q, excess = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
    for o in range(0, p.shape[0], BLOCK):
        e = o + BLOCK
        dp_block = None if dp is None else dp[o:e]
        dq_block = None if dq is None else dq[o:e]
        x, y, u, v = _weight_block(p[o:e], q[o:e], s, t, dp_block, dq_block, c)
        terms, mass_p, mass_q, excess = (
            add(terms, x),
            add(mass_p, y),
            add(mass_q, u),
            add(excess, v),
        )
    back = 1 / float(c.unit)
    return (
        (terms[0] + terms[1]) * back,
        (mass_p[0] + mass_p[1]) * back,
        (mass_q[0] + mass_q[1]) * back,
        (excess[0] + excess[1]) * back,
    )


@loop
def _excess_block(p, q, s, t, c):  # type: ignore[no-untyped-def]
    """Sums of p, q and q s - p, times c.unit."""
    mass_p, mass_q, excess = c.zero, c.zero, c.zero
    for i in range(p.shape[0]):
        x, y = p[i] * c.unit, q[i] * c.unit
        mass_p += x
        mass_q += y
        excess += raw_difference(x, y, s, t)
    return mass_p, mass_q, excess


@inner
def _excess_sweep(p, q, s, t, c):  # type: ignore[no-untyped-def]
    mass_p, mass_q, excess = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
    for o in range(0, p.shape[0], BLOCK):
        x, y, v = _excess_block(p[o : o + BLOCK], q[o : o + BLOCK], s, t, c)
        mass_p, mass_q, excess = add(mass_p, x), add(mass_q, y), add(excess, v)
    back = 1 / float(c.unit)
    return (
        (mass_p[0] + mass_p[1]) * back,
        (mass_q[0] + mass_q[1]) * back,
        (excess[0] + excess[1]) * back,
    )


@inner
def in_range(mass, c):  # type: ignore[no-untyped-def]
    """Is there room for the unit, and for the ratio of two masses?  (False for NaN.)"""
    return 1 / float(c.unit) < mass < float(c.unit)


@inner
def _ratio(p, mass_p, mass_q, excess, c):  # type: ignore[no-untyped-def]
    """mass_p / mass_q as s + t, so far as it is known; excess is their difference."""
    v = excess / mass_p
    T = p.dtype.type
    if abs(v) < 8 * c.eps:
        return c.one, T(-v / (1 + v))
    return T(mass_p / mass_q), c.zero


@inner
def weights_row(p, q, c):  # type: ignore[no-untyped-def]
    """(KL or NaN, mass of p, mass of q)."""
    terms, mass_p, mass_q, excess = weight_sweep(p, q, None, None, None, None, c)
    if not (in_range(mass_p, c) and in_range(mass_q, c)):
        return math.nan, mass_p, mass_q
    kl = divergence(terms, mass_p, excess)
    s, t = _ratio(p, mass_p, mass_q, excess, c)
    for _ in range(2):
        if kl == kl:
            break
        terms, _, _, excess = weight_sweep(p, q, s, t, None, None, c)
        kl = divergence(terms, mass_p, excess)
        v = excess / mass_p
        t = p.dtype.type((t - s * v) / (1 + v))
    return kl, mass_p, mass_q


@loop
def _finish(x, offset, factor):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        x[i] = (x[i] + offset) * factor


@inner
def weights_row_with_gradients(p, q, dp, dq, c):  # type: ignore[no-untyped-def]
    """The same, with the gradients in dp and dq (None: not wanted)."""
    mass_p, mass_q, excess = _excess_sweep(p, q, None, None, c)
    if not (in_range(mass_p, c) and in_range(mass_q, c)):
        return math.nan, mass_p, mass_q
    s, t = _ratio(p, mass_p, mass_q, excess, c)
    T = p.dtype.type
    if s != c.one:
        v = _excess_sweep(p, q, s, t, c)[2] / mass_p
        t = T(-s * v / (1 + v))
    terms, _, _, excess = weight_sweep(p, q, s, t, dp, dq, c)
    kl, v = divergence(terms, mass_p, excess), excess / mass_p
    if not kl < math.inf:
        return math.nan, mass_p, mass_q
    if dp is not None:  # -(log(z/p) + KL), with what t has left of the ratio
        _finish(dp, T(kl - v), T(-1 / mass_p))
    if dq is not None:
        _finish(dq, T(-v), T(1 / mass_q))
    return kl, mass_p, mass_q
