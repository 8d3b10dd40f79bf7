"""One row of logarithms of weights: its divergence, and its gradients; see `unikl.kernels.cpu`."""

import math

from .lanes import exp_of, larger, log_moment, logit_term
from .llvm import from_ordered_bits, inner, loop, ordered_bits, where
from .sums import BLOCK, LARGE, SMALL, add, psi


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
        # Of a block that is all -inf, 0; NaNs are kept.
        mass = add(mass, _mass_block(block, larger(top, c.lowest), c))
    return top, mass[0] + mass[1]


@loop
def _moments_block(a, b, top_a, top_b, shift, c):  # type: ignore[no-untyped-def]
    """Sums of exp(a - top_a), of exp(b - top_b), and of the first times b - a - shift."""
    mass_a, mass_b, moment = c.zero, c.zero, c.zero
    for i in range(a.shape[0]):
        w = exp_of(a[i] - top_a, c.zero, c)
        mass_a += w
        mass_b += exp_of(b[i] - top_b, c.zero, c)
        lost = (b[i] == -c.inf) & (a[i] > -c.inf)
        moment += where(lost, -c.inf, log_moment(w, a[i], b[i], shift, c.zero, c.zero, c))
    return mass_a, mass_b, moment


@inner
def _plain_sums(a, b, c):  # type: ignore[no-untyped-def]
    """(KL or NaN, top of a, its mass over exp(top), top of b, its mass) in a single sweep.

    The plain sum  log(B/A) - sum w (b - a)  cancels down to KL, with an error of about an eps of
    1 + KL, so it holds only where KL is not small.  (For the mean of |log(w/z)|, which sizes the
    error, is at most KL + sqrt(2 KL).)  A first block that agrees ends the attempt.
    """
    T = a.dtype.type
    top_a, top_b = -c.inf, -c.inf
    mass_a, mass_b, moment, shift = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), c.zero
    kl = math.nan
    for o in range(0, a.shape[0], BLOCK):
        x, y = a[o : o + BLOCK], b[o : o + BLOCK]
        new_a, new_b = _top(x), _top(y)
        if mass_a[0] == 0 and abs(new_b - new_a) < c.inf:
            shift = T(new_b - new_a)
        if new_a > top_a:
            factor = math.exp(float(top_a) - float(new_a))
            mass_a = (mass_a[0] * factor, mass_a[1] * factor)
            moment = (moment[0] * factor, moment[1] * factor)
            top_a = new_a
        if new_b > top_b:
            factor = math.exp(float(top_b) - float(new_b))
            top_b, mass_b = new_b, (mass_b[0] * factor, mass_b[1] * factor)
        ref_a, ref_b = larger(top_a, c.lowest), larger(top_b, c.lowest)
        u, v, m = _moments_block(x, y, ref_a, ref_b, shift, c)
        mass_a, mass_b, moment = add(mass_a, u), add(mass_b, v), add(moment, m)
        last = o + BLOCK >= a.shape[0]
        if last or o == 0:
            total_a, total_b = mass_a[0] + mass_a[1], mass_b[0] + mass_b[1]
            rest = add(add((float(top_b), 0.0), -float(top_a)), -float(shift))
            rest = add(rest, math.log(total_b / total_a))
            kl = (rest[0] - (moment[0] + moment[1]) / total_a) + rest[1]
            enough = LARGE * (1 + abs(rest[0]))
            if kl < 0.5 * enough or (last and not kl >= enough):
                kl = math.nan
                break
    return kl, top_a, mass_a[0] + mass_a[1], top_b, mass_b[0] + mass_b[1]


@loop
def _terms_block(a, b, top_a, top_b, unit_a, unit_b, shift, rest, c):  # type: ignore[no-untyped-def]
    """Sums of the terms, and of z - w."""
    terms, excess = c.zero, c.zero
    for i in range(a.shape[0]):
        term, diff, _ = logit_term(a[i], b[i], top_a, top_b, unit_a, unit_b, shift, rest, c)
        terms += term
        excess += diff
    return terms, excess


@inner
def _terms_sweep(a, b, top_a, top_b, mass_a, mass_b, shift, c):  # type: ignore[no-untyped-def]
    """T and S."""
    hi, rest = _split(a, shift)
    unit_a, unit_b = a.dtype.type(1 / mass_a), a.dtype.type(1 / mass_b)
    terms, excess = (0.0, 0.0), (0.0, 0.0)
    for o in range(0, a.shape[0], BLOCK):
        e = o + BLOCK
        x, y = _terms_block(a[o:e], b[o:e], top_a, top_b, unit_a, unit_b, hi, rest, c)
        terms, excess = add(terms, x), add(excess, y)
    return terms[0] + terms[1], excess[0] + excess[1]


@inner
def _split(a, shift):  # type: ignore[no-untyped-def]
    """A sum of two in the dtype of a."""
    T = a.dtype.type
    hi = T(shift[0])
    return hi, T((shift[0] - float(hi)) + shift[1])


@inner
def logs_row(a, b, saved, c):  # type: ignore[no-untyped-def]
    """(KL or NaN, mass of exp a, mass of exp b); what the gradients need of it into saved."""
    kl, top_a, mass_a, top_b, mass_b = _plain_sums(a, b, c)
    if kl != kl:
        top_a, mass_a = _top_and_mass(a, c)
        top_b, mass_b = _top_and_mass(b, c)
    total_a, total_b = mass_a * math.exp(top_a), mass_b * math.exp(top_b)
    if not (mass_a + mass_b < math.inf and abs(top_a) < -c.lowest and abs(top_b) < -c.lowest):
        return math.nan, total_a, total_b
    shift = add((float(top_b), 0.0), -float(top_a))
    shift = add(shift, math.log(mass_b / mass_a))
    for _ in range(3):
        if kl == kl:
            break
        terms, excess = _terms_sweep(a, b, top_a, top_b, mass_a, mass_b, shift, c)
        surplus = psi(excess)
        if surplus <= SMALL * terms:
            kl = terms - surplus
        if not excess > -1:
            break
        shift = add(shift, math.log1p(excess))
        mass_b *= 1 + excess
    if saved is not None:
        saved[1], saved[2], saved[3], saved[4] = top_a, mass_a, top_b, mass_b
        saved[5], saved[6] = shift
    return kl, total_a, total_b


@loop
def _gradient_block(  # type: ignore[no-untyped-def]
    a, b, top_a, top_b, unit_a, unit_b, shift, rest, g, da, db, c
):
    """w into da, g (z - w) into db; sums of z - w, of its square, and of that of w."""
    excess, squares, weights = c.zero, c.zero, c.zero
    for i in range(a.shape[0]):
        _, diff, w = logit_term(a[i], b[i], top_a, top_b, unit_a, unit_b, shift, rest, c)
        if da is not None:
            da[i] = w
        if db is not None:
            db[i] = g * diff
            excess += diff
            squares += diff * diff
            weights += w * w
    return excess, squares, weights


@inner
def _gradient_sweep(a, b, top_a, top_b, mass_a, mass_b, shift, g, da, db, c):  # type: ignore[no-untyped-def]
    """S, and the sums of (z - w)^2 and w^2."""
    hi, rest = _split(a, shift)
    unit_a, unit_b = a.dtype.type(1 / mass_a), a.dtype.type(1 / mass_b)
    excess, squares, weights = (0.0, 0.0), 0.0, 0.0
    for o in range(0, a.shape[0], BLOCK):
        e = o + BLOCK
        da_block = None if da is None else da[o:e]
        db_block = None if db is None else db[o:e]
        x, u, v = _gradient_block(
            a[o:e], b[o:e], top_a, top_b, unit_a, unit_b, hi, rest, g, da_block, db_block, c
        )
        excess = add(excess, x)
        squares += u
        weights += v
    return excess[0] + excess[1], squares, weights


@inner
def logs_gradients_row(a, b, saved, g, da, db, c):  # type: ignore[no-untyped-def]
    """The gradients times g, of a row whose divergence is finite; whether they are exact.

    Where what the sums left of the ratio of the masses would show in z - w, it is divided out.
    """
    T = a.dtype.type
    kl, mass_a, mass_b, shift = saved[0], saved[2], saved[4], (saved[5], saved[6])
    top_a, top_b = T(saved[1]), T(saved[3])
    for _ in range(3):
        excess, squares, weights = _gradient_sweep(
            a, b, top_a, top_b, mass_a, mass_b, shift, g, da, db, c
        )
        if db is None or excess * excess * weights <= 4 * c.eps * c.eps * squares:
            if da is not None:
                _logit_da(a, b, da, top_a, mass_a, add(shift, -kl), g, c)
            return True
        if not excess > -1:
            break
        shift = add(shift, math.log1p(excess))
        mass_b *= 1 + excess
    return False


@loop
def _moment_block(a, b, w, shift, rest, c):  # type: ignore[no-untyped-def]
    """Sums of w (log(z/w) + KL) and of w."""
    moment, mass = c.zero, c.zero
    for i in range(a.shape[0]):
        moment += log_moment(w[i], a[i], b[i], shift, rest, c.zero, c)
        mass += w[i]
    return moment, mass


@loop
def _da_block(a, b, w, shift, rest, mean, g, c):  # type: ignore[no-untyped-def]
    """g dKL/da in place of w; the sum of dKL/da but of categories of more than half the weight."""
    total = c.zero
    for i in range(a.shape[0]):
        partial = -log_moment(w[i], a[i], b[i], shift, rest, mean, c)
        partial = where(w[i] > c.half, c.zero, partial)
        total += partial
        w[i] = g * partial
    return total


@inner
def _logit_da(a, b, w, top_a, mass_a, shift, g, c):  # type: ignore[no-untyped-def]
    """-g w (log(z/w) + KL) in place of w; see the core for the two means and the heavy one.

    shift is that of log(z/w) + KL, but for a rounding error that the second mean removes.
    """
    hi, rest = _split(a, shift)
    moment, mass, total = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
    for o in range(0, a.shape[0], BLOCK):
        e = o + BLOCK
        x, y = _moment_block(a[o:e], b[o:e], w[o:e], hi, rest, c)
        moment, mass = add(moment, x), add(mass, y)
    mean = a.dtype.type((moment[0] + moment[1]) / (mass[0] + mass[1]))
    for o in range(0, a.shape[0], BLOCK):
        e = o + BLOCK
        total = add(total, _da_block(a[o:e], b[o:e], w[o:e], hi, rest, mean, g, c))
    if mass_a < 2:
        for i in range(a.shape[0]):
            if a[i] == top_a:
                w[i] = g * a.dtype.type(-(total[0] + total[1]))
                break
