"""Sums over the blocks of a row, and the divergence from them, for Numba kernels."""

import math

from .llvm import inner

BLOCK = 1024  # elements that are summed in vector lanes
SMALL = 0.125  # of T, that psi(S) may be
LARGE = 1.0  # of 1 + |log of the ratio of the masses|: a divergence that plain sums do hold


@inner
def add(total, x):  # type: ignore[no-untyped-def]
    """(sum, its rounding error) plus x, by Knuth's two-sum."""
    new = total[0] + x
    if not abs(new) < math.inf:
        return new, 0.0
    back = new - total[0]
    return new, total[1] + ((total[0] - (new - back)) + (x - back))


@inner
def psi(v):  # type: ignore[no-untyped-def]
    """v - log(1 + v) for one number."""
    if abs(v) > 0.25:
        return v - math.log1p(v)
    s = v / (v + 2)
    s2 = s * s
    total = 0.0
    for k in range(12, -1, -1):
        total = total * s2 + 1 / (2 * k + 3)
    return v * s - 2 * s * s2 * total


@inner
def divergence(terms, mass, excess):  # type: ignore[no-untyped-def]
    """KL from T and S, or NaN where that would cancel."""
    kl, surplus = terms / mass, psi(excess / mass)
    return kl - surplus if surplus <= SMALL * kl else math.nan
