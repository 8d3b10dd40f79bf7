"""One row of logarithms of weights: its divergence, and its gradients; see `unikl.kernels.cpu`."""

import math

from .lanes import exp_of, log_moment, logit_term
from .llvm import from_ordered_bits, inner, loop, ordered_bits, where
from .sums import BLOCK, SMALL, add, psi


@inner
def _top(a):  # type: ignore[no-untyped-def]
    """The largest of a block; NaNs are not seen (they show in the mass)."""
    top = ordered_bits(a[0])
    for i in range(a.shape[0]):
        top = max(top, ordered_bits(a[i]))
    return from_ordered_bits(top)


@loop
def _mass_block(a, top, c):  # type: ignore[no-untyped-def]
    mass = c.zero
    for i in range(a.shape[0]):
        mass += exp_of(a[i] - top, c.zero, c)
    return mass


@inner
def _top_and_mass(a, c):  # type: ignore[no-untyped-def]
    """The largest logit and the sum of exp(a - top)."""
    top, mass = -c.inf, (0.0, 0.0)
    for o in range(0, a.shape[0], BLOCK):
        block = a[o : o + BLOCK]
        new = _top(block)
        if new > top:
            factor = math.exp(float(top) - float(new))
            top, mass = new, (mass[0] * factor, mass[1] * factor)
        mass = add(mass, _mass_block(block, top, c))
    return top, mass[0] + mass[1]


@loop
def _logit_block(a, b, top_a, top_b, unit_a, unit_b, shift, rest, da, db, c):  # type: ignore[no-untyped-def]
    """Sums of the terms, of z - w, and of their squares; w into da, z - w into db."""
    terms, excess, squares, weights = c.zero, c.zero, c.zero, c.zero
    for i in range(a.shape[0]):
        term, diff, w = logit_term(a[i], b[i], top_a, top_b, unit_a, unit_b, shift, rest, c)
        terms += term
        excess += diff
        if da is not None:
            da[i] = w
        if db is not None:
            db[i] = diff
            squares += diff * diff
            weights += w * w
    return terms, excess, squares, weights


@inner
def _logit_sweep(a, b, top_a, top_b, mass_a, mass_b, shift, da, db, c):  # type: ignore[no-untyped-def]
    """T, S, and the sums of (z - w)^2 and w^2."""
    T = a.dtype.type
    hi = T(shift[0])
    rest = T((shift[0] - float(hi)) + shift[1])
    unit_a, unit_b = T(1 / mass_a), T(1 / mass_b)
    terms, excess, squares, weights = (0.0, 0.0), (0.0, 0.0), 0.0, 0.0
    for o in range(0, a.shape[0], BLOCK):
        e = o + BLOCK
        da_block = None if da is None else da[o:e]
        db_block = None if db is None else db[o:e]
        x, y, u, v = _logit_block(
            a[o:e], b[o:e], top_a, top_b, unit_a, unit_b, hi, rest, da_block, db_block, c
        )
        terms, excess = add(terms, x), add(excess, y)
        squares += u
        weights += v
    return terms[0] + terms[1], excess[0] + excess[1], squares, weights


@inner
def logs_row(a, b, da, db, c):  # type: ignore[no-untyped-def]
    """(KL or NaN, mass of exp a, mass of exp b), with the gradients in da and db."""
    top_a, mass_a = _top_and_mass(a, c)
    top_b, mass_b = _top_and_mass(b, c)
    total_a, total_b = mass_a * math.exp(top_a), mass_b * math.exp(top_b)
    if not (mass_a + mass_b < math.inf and abs(top_a) < -c.lowest and abs(top_b) < -c.lowest):
        return math.nan, total_a, total_b
    shift = add((float(top_b), 0.0), -float(top_a))
    shift = add(shift, math.log(mass_b / mass_a))
    for _ in range(3):
        terms, excess, squares, weights = _logit_sweep(
            a, b, top_a, top_b, mass_a, mass_b, shift, da, db, c
        )
        surplus = psi(excess)
        exact = surplus <= SMALL * terms
        if da is not None or db is not None:
            exact = exact and terms < math.inf
        if db is not None:
            exact = exact and excess * excess * weights <= 4 * c.eps * c.eps * squares
        if exact:
            kl = terms - surplus
            if da is not None:
                _logit_da(a, b, da, top_a, mass_a, add(shift, excess - terms), c)
            return kl, total_a, total_b
        if not excess > -1:
            break
        shift = add(shift, math.log1p(excess))
        mass_b *= 1 + excess
    return math.nan, total_a, total_b


@loop
def _moment_block(a, b, w, shift, rest, c):  # type: ignore[no-untyped-def]
    """Sums of w (log(z/w) + KL) and of w."""
    moment, mass = c.zero, c.zero
    for i in range(a.shape[0]):
        moment += log_moment(w[i], a[i], b[i], shift, rest, c.zero, c)
        mass += w[i]
    return moment, mass


@loop
def _da_block(a, b, w, shift, rest, mean, c):  # type: ignore[no-untyped-def]
    """dKL/da in place of w, and its sum without the categories of more than half the weight."""
    total = c.zero
    for i in range(a.shape[0]):
        partial = -log_moment(w[i], a[i], b[i], shift, rest, mean, c)
        partial = where(w[i] > c.half, c.zero, partial)
        total += partial
        w[i] = partial
    return total


@inner
def _logit_da(a, b, w, top_a, mass_a, shift, c):  # type: ignore[no-untyped-def]
    """dKL/da = -w (log(z/w) + KL) in place of w; see the core for the two means and the heavy one.

    shift is that of log(z/w) + KL, but for a rounding error that the second mean removes.
    """
    T = a.dtype.type
    hi = T(shift[0])
    rest = T((shift[0] - float(hi)) + shift[1])
    moment, mass, total = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
    for o in range(0, a.shape[0], BLOCK):
        e = o + BLOCK
        x, y = _moment_block(a[o:e], b[o:e], w[o:e], hi, rest, c)
        moment, mass = add(moment, x), add(mass, y)
    mean = T((moment[0] + moment[1]) / (mass[0] + mass[1]))
    for o in range(0, a.shape[0], BLOCK):
        e = o + BLOCK
        total = add(total, _da_block(a[o:e], b[o:e], w[o:e], hi, rest, mean, c))
    if mass_a < 2:
        for i in range(a.shape[0]):
            if a[i] == top_a:
                w[i] = -(total[0] + total[1])
                break
