"""The Kullback-Leibler divergence of one row, its derivatives and their scales, by mpmath.

Everything follows from the definition K = sum w log(w / z), where w and z are p and q normalised
over the row. A vector is a list of mpf over the categories that the mask keeps; a tangent is a
direction of the same length. The working precision is the caller's: 100 digits leave 60 where K
is as small as 1e-36.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

Real = Any  # mpmath carries no types
Vector = list[Real]
Both = tuple[Vector, Vector]  # one for p, one for q


@dataclass(frozen=True)
class Argument:
    """One row of p or of q: log form (log_probs, logits) or linear form (probs, counts)."""

    log_form: bool
    raw: Vector
    weight: Vector
    log_weight: Vector  # -inf where the weight is 0
    total: Real  # the sum of a linear row; 1 for a log row, which has no scale to lose


@dataclass(frozen=True)
class Pair:
    """A row of p and one of q that describe distributions, and what all the formulas share."""

    p: Argument
    q: Argument
    ratio: Vector  # log(w / z), with the edge conventions of `log_ratios`
    offending: list[bool]  # w > 0 = z: the row is +inf
    finite: Real  # the sum of w log(w / z) over the other categories
    log_raw: Vector  # |log x| of the linear argument of a mixed pair (0 at x = 0), else zeros

    @property
    def mixed(self) -> bool:
        return self.p.log_form != self.q.log_form


def dot(u: Sequence[Real], v: Sequence[Real]) -> Real:
    return mp.fsum(a * b for a, b in zip(u, v, strict=True))


def norm(v: Sequence[Real]) -> Real:
    """Return the 2-norm of the finite entries."""
    return mp.sqrt(mp.fsum(x * x for x in v if mp.isfinite(x)))


def normalise(raw: Vector, log_form: bool) -> Argument | None:
    """Normalise a row; None where it describes no distribution.

    That is a row with NaN, a negative weight or +inf, and a row without mass or category.
    """
    if any(mp.isnan(x) or x == mp.inf or (x < 0 and not log_form) for x in raw):
        return None
    if log_form:
        top = max(raw, default=-mp.inf)
        if top == -mp.inf:
            return None
        exps = [mp.exp(x - top) for x in raw]
        total = mp.fsum(exps)
        offset = top + mp.log(total)
        return Argument(True, raw, [e / total for e in exps], [x - offset for x in raw], mpf(1))
    total = mp.fsum(raw)
    if total == 0:
        return None
    weight = [x / total for x in raw]
    return Argument(False, raw, weight, [mp.log(w) if w else -mp.inf for w in weight], total)


def log_ratios(p: Argument, q: Argument, tiny: Real) -> Vector:
    """Return log(w / z): 0 where both vanish, with `tiny` for p where only a linear p does."""
    noise = mpf(10) ** (15 - mp.dps)
    ratio = []
    for lw, lz in zip(p.log_weight, q.log_weight, strict=True):
        if lz == -mp.inf:
            ratio.append(mpf(0) if lw == -mp.inf else mp.inf)
        elif lw == -mp.inf:
            # The one-sided derivative of a linear p is -inf here; a log form multiplies by w = 0.
            ratio.append(mpf(0) if p.log_form else mp.log(tiny / p.total) - lz)
        else:
            # Proportional rows agree up to the working precision only; their log-ratio is 0.
            ratio.append(lw - lz if abs(lw - lz) > noise else mpf(0))
    return ratio


def pair(p_raw: Vector, q_raw: Vector, log_forms: tuple[bool, bool], tiny: Real) -> Pair | None:
    """Normalise both rows; None where the divergence is NaN.

    `tiny` is the smallest normal number of the dtype that the library computes in.
    """
    p, q = normalise(p_raw, log_forms[0]), normalise(q_raw, log_forms[1])
    if p is None or q is None:
        return None
    ratio = log_ratios(p, q, tiny)
    offending = [r == mp.inf for r in ratio]
    finite = mp.fsum(w * r for w, r, bad in zip(p.weight, ratio, offending, strict=True) if not bad)
    log_raw = [mpf(0)] * len(ratio)
    if p.log_form != q.log_form:
        linear = q if p.log_form else p
        log_raw = [abs(mp.log(x)) if x else mpf(0) for x in linear.raw]
    return Pair(p, q, ratio, offending, finite, log_raw)


def value(row: Pair) -> Real:
    return mp.inf if any(row.offending) else row.finite


def value_scale(row: Pair) -> Real:
    """Return what the error of the value is measured by.

    That is K, and in a mixed pair the rounding of one logarithm besides.
    """
    k = abs(row.finite)
    if not row.mixed:
        return k
    rms = mp.sqrt(mp.fsum(w * x * x for w, x in zip(row.p.weight, row.log_raw, strict=True)))
    return k + mp.sqrt(k) * rms


def gradient(row: Pair) -> Both:
    """Return dK/dp and dK/dq.

    With w = p / P or softmax(a): dK/dp = (log(w/z) - K) / P and dK/da = w (log(w/z) - K), where
    an infinite row has its finite part for K and +inf at the offending categories.
    With z = q / Q or softmax(b): dK/dq = (1 - w/z) / Q, -inf at the offending categories, and
    dK/db = z - w.
    """
    in_p, in_q = [], []
    for w, z, r, bad in zip(row.p.weight, row.q.weight, row.ratio, row.offending, strict=True):
        slope = r - row.finite  # +inf at an offending category
        in_p.append((slope if bad else w * slope) if row.p.log_form else slope / row.p.total)
        if row.q.log_form:
            in_q.append(z - w if r or not w else mpf(0))
        elif bad:
            in_q.append(-mp.inf)
        else:
            in_q.append((1 - w / z if r else mpf(0)) / row.q.total if w else 1 / row.q.total)
    return in_p, in_q


def gradient_rounding(row: Pair) -> Both:
    """Return how far a relative rounding of a mixed pair's logarithm moves the gradient."""
    in_p, in_q = [], []
    for w, z, x in zip(row.p.weight, row.q.weight, row.log_raw, strict=True):
        in_p.append(w * x if row.p.log_form else x / row.p.total)
        if row.q.log_form:
            in_q.append((w + z) * x)
        else:
            in_q.append(w / z * x / row.q.total if z else mpf(0))
    return in_p, in_q


def log_weight_tangent(arg: Argument, tangent: Vector) -> Vector:
    """Return the derivative of log w along a tangent; every weight is positive."""
    if arg.log_form:
        mean = dot(arg.weight, tangent)
        return [t - mean for t in tangent]
    mean = mp.fsum(tangent) / arg.total
    return [t / x - mean for t, x in zip(tangent, arg.raw, strict=True)]


def gradient_tangent(row: Pair, grads: Both, t_p: Vector, t_q: Vector) -> Both:
    """Return the derivative of both gradients along (t_p, t_q), where no weight is 0."""
    lw, lz = log_weight_tangent(row.p, t_p), log_weight_tangent(row.q, t_q)
    dk = dot(grads[0], t_p) + dot(grads[1], t_q)
    shrink_p, shrink_q = mp.fsum(t_p) / row.p.total, mp.fsum(t_q) / row.q.total
    in_p, in_q = [], []
    for i, (w, z) in enumerate(zip(row.p.weight, row.q.weight, strict=True)):
        dr = lw[i] - lz[i]
        if row.p.log_form:
            in_p.append(lw[i] * grads[0][i] + w * (dr - dk))
        else:
            in_p.append((dr - dk) / row.p.total - shrink_p * grads[0][i])
        if row.q.log_form:
            in_q.append(z * lz[i] - w * lw[i])
        else:
            in_q.append(-w / z * dr / row.q.total - shrink_q * grads[1][i])
    return in_p, in_q


def hessian_terms(row: Pair, grads: Both, t_p: Vector, t_q: Vector) -> Both:
    """Return the sums in `gradient_tangent` with every term taken at its absolute value.

    No algorithm that follows the chain rule can round less than these: a category with nearly
    all the weight has t - sum w t near zero, from terms that are not.
    """

    def sizes(arg: Argument, tangent: Vector) -> Vector:
        size = [
            abs(t) if arg.log_form else abs(t) / x for t, x in zip(tangent, arg.raw, strict=True)
        ]
        mean = dot(arg.weight, size)
        return [one + mean for one in size]

    lw, lz = sizes(row.p, t_p), sizes(row.q, t_q)
    dk = mp.fsum(
        dot([abs(g) for g in grad], [abs(t) for t in side])
        for grad, side in zip(grads, (t_p, t_q), strict=True)
    )
    shrink_p = mp.fsum(abs(t) for t in t_p) / row.p.total
    shrink_q = mp.fsum(abs(t) for t in t_q) / row.q.total
    in_p, in_q = [], []
    for i, (w, z) in enumerate(zip(row.p.weight, row.q.weight, strict=True)):
        dr = lw[i] + lz[i]
        if row.p.log_form:
            in_p.append(lw[i] * abs(grads[0][i]) + w * (dr + dk))
        else:
            in_p.append((dr + dk) / row.p.total + shrink_p * abs(grads[0][i]))
        if row.q.log_form:
            in_q.append(z * lz[i] + w * lw[i])
        else:
            in_q.append(w / z * dr / row.q.total + shrink_q * abs(grads[1][i]))
    return in_p, in_q


def hessian_rounding(row: Pair, grads: Both, t_p: Vector, t_q: Vector) -> Both:
    """Return how far a rounding of a mixed pair's logarithm moves `gradient_tangent`.

    A rounding moves log(w/z) - K by |log x| and its mean, and each weight relatively by |log x|.
    """
    lw, lz = log_weight_tangent(row.p, t_p), log_weight_tangent(row.q, t_q)
    moved = gradient_rounding(row)
    dk_move = dot(moved[0], [abs(t) for t in t_p]) + dot(moved[1], [abs(t) for t in t_q])
    dk = dot(grads[0], t_p) + dot(grads[1], t_q)
    mean = dot(row.p.weight, row.log_raw)
    shrink_p, shrink_q = abs(mp.fsum(t_p)) / row.p.total, abs(mp.fsum(t_q)) / row.q.total
    in_p, in_q = [], []
    for i, (w, z, x) in enumerate(zip(row.p.weight, row.q.weight, row.log_raw, strict=True)):
        dr = lw[i] - lz[i]
        if row.p.log_form:
            in_p.append(w * (abs(lw[i]) * (x + mean) + x * abs(dr - dk) + dk_move))
        else:
            in_p.append((shrink_p * (x + mean) + x * abs(dr) + dk_move) / row.p.total)
        if row.q.log_form:
            in_q.append(x * (z * abs(lz[i]) + w * abs(lw[i])))
        else:
            in_q.append(w / z * x * (abs(dr) + shrink_q) / row.q.total)
    return in_p, in_q
