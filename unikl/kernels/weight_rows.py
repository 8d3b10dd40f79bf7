"""One row of weights: its divergence, and its gradients.

A sweep over the row with any ratio of the totals gives T and S; see `unikl.kernels.cpu`.
"""

import math

from .lanes import raw_difference, weight_term
from .llvm import inner, loop, where
from .sums import BLOCK, add, divergence


@loop
def _weight_block(p, q, s, t, c):  # type: ignore[no-untyped-def]
    """Sums of the terms, of p, q and z - p, times c.unit.

    The unit keeps differences of the smallest numbers normal: whoever loads a library compiled
    for fast math has subnormals flushed to zero in the whole thread (XLA's threads do it, too).
    """
    terms, mass_p, mass_q, excess = c.zero, c.zero, c.zero, c.zero
    for i in range(p.shape[0]):
        x, y = p[i] * c.unit, q[i] * c.unit
        term, raw, _, _ = weight_term(x, y, s, t, c)
        terms += term
        mass_p += x
        mass_q += y
        excess += raw
    return terms, mass_p, mass_q, excess


@inner
def weight_sweep(p, q, s, t, c):  # type: ignore[no-untyped-def]
    """T, the masses of p and q, and S, all as given (not over the mass)."""
    terms, mass_p, mass_q, excess = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
    for o in range(0, p.shape[0], BLOCK):
        e = o + BLOCK
        x, y, u, v = _weight_block(p[o:e], q[o:e], s, t, c)
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
    """The sum of q (s + t) - p, times c.unit."""
    excess = c.zero
    for i in range(p.shape[0]):
        excess += raw_difference(p[i] * c.unit, q[i] * c.unit, s, t)
    return excess


@inner
def _excess_sweep(p, q, s, t, c):  # type: ignore[no-untyped-def]
    excess = (0.0, 0.0)
    for o in range(0, p.shape[0], BLOCK):
        excess = add(excess, _excess_block(p[o : o + BLOCK], q[o : o + BLOCK], s, t, c))
    return (excess[0] + excess[1]) / float(c.unit)


@inner
def in_range(mass, c):  # type: ignore[no-untyped-def]
    """Is there room for the unit, and for the ratio of two masses?  (False for NaN.)"""
    return 1 / float(c.unit) < mass < float(c.unit)


@inner
def ratio_of(p, mass_p, mass_q, excess, c):  # type: ignore[no-untyped-def]
    """mass_p / mass_q as s + t, so far as it is known; excess is their difference."""
    v = excess / mass_p
    T = p.dtype.type
    if abs(v) < 8 * c.eps:
        return c.one, T(-v / (1 + v))
    return T(mass_p / mass_q), c.zero


@inner
def weights_row(p, q, saved, c):  # type: ignore[no-untyped-def]
    """(KL or NaN, mass of p, mass of q); what the gradients need of it into saved."""
    terms, mass_p, mass_q, excess = weight_sweep(p, q, None, None, c)
    if not (in_range(mass_p, c) and in_range(mass_q, c)):
        return math.nan, mass_p, mass_q
    kl = divergence(terms, mass_p, excess)
    s, t = ratio_of(p, mass_p, mass_q, excess, c)
    known = s == c.one
    for _ in range(2):
        if kl == kl:
            break
        terms, _, _, excess = weight_sweep(p, q, s, t, c)
        kl = divergence(terms, mass_p, excess)
        v = excess / mass_p
        t, known = p.dtype.type((t - s * v) / (1 + v)), True
    if saved is not None:
        if not known:
            v = _excess_sweep(p, q, s, t, c) / mass_p
            t = p.dtype.type(-s * v / (1 + v))
        saved[1], saved[2], saved[3], saved[4] = s, t, mass_p, mass_q
    return kl, mass_p, mass_q


@inner
def _gradient_block(p, q, s, t, kl, over_p, over_q, g, dp, dq, c):  # type: ignore[no-untyped-def]
    """-(log(z/p) + KL) / mass_p and (z - p) / z / mass_q, times g."""
    for i in range(p.shape[0]):
        _, raw, log, z = weight_term(p[i] * c.unit, q[i] * c.unit, s, t, c)
        if dp is not None:
            dp[i] = ((log + kl) * over_p) * g
        if dq is not None:
            dq[i] = (where(z > c.zero, raw / z, c.one) * over_q) * g


@inner
def weights_gradients_row(p, q, saved, g, dp, dq, c):  # type: ignore[no-untyped-def]
    """The gradients times g, of a row whose divergence is finite."""
    T = p.dtype.type
    kl, s, t = T(saved[0]), T(saved[1]), T(saved[2])
    over_p, over_q = T(-1 / saved[3]), T(1 / saved[4])
    if s == c.one:
        _gradient_block(p, q, None, t, kl, over_p, over_q, g, dp, dq, c)
    else:
        _gradient_block(p, q, s, t, kl, over_p, over_q, g, dp, dq, c)
    return True
