"""The comparison: what an array is, then where it is infinite or NaN, then how far off it is.

Errors are measured in eps of the dtype that the contract computes in, relative to the scale of the
reference; those of a gradient row by row, in norm. Gradients in half precision are rounded once
more, to the inputs' dtype: their error is what goes beyond that rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unikl.agreement.cases import Case, Numbers, Reference
from unikl.agreement.runners import Traits

ALLOWED = 8.0  # eps
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
# What rounding to half may lose of a small number: the subnormals of float16 are coarse, and those
# of bfloat16, which are those of float32, JAX and TensorFlow take for 0.
_UNDERFLOW = {"float16": 2.0**-24, "bfloat16": 2.0**-126}
# Halfway between the largest number and the next power of two: from here on rounding overflows.
OVERFLOW = {
    "float16": 2.0**16 - 2.0**4,
    "bfloat16": 2.0**128 - 2.0**119,
    "float32": 2.0**128 - 2.0**103,
    "float64": np.inf,
}
_SHOWN = 3


@dataclass(frozen=True)
class Checked:
    """The worst error in eps (NaN where no finite number was compared), and what failed."""

    worst: float
    failures: tuple[str, ...] = ()


def traits(got: Traits, expected: Traits) -> tuple[str, ...]:
    """What is wrong with an array before its values are looked at."""
    return tuple(
        f"{field} is {ours}, expected {theirs}"
        for field, ours, theirs in zip(Traits._fields, got, expected, strict=True)
        if ours != theirs
    )


def numbers(case: Case, what: str, argument: str, got: Numbers) -> Checked:
    """Compare the numbers of one check with the reference.

    A value must be NaN exactly where the reference is, and is never negative. In derivatives a
    NaN of the reference means that nothing is specified. An infinity must have the right sign.
    """
    ref = case.reference(what, argument)
    if what == "value":
        wrong = (np.isnan(got) != np.isnan(ref.hi)) | (got < 0)
        return _entrywise(case, what, ref, got, wrong)
    if what == "jvp":
        return _entrywise(case, what, ref, got, np.zeros(got.shape, bool))
    return _rowwise(case, what, argument, ref, got)


def apart(first: Numbers, second: Numbers, unit: Numbers) -> Numbers:
    """How many units lie between two results; 0 where both are the same inf or both NaN."""
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    finite = np.isfinite(first) & np.isfinite(second)
    difference = np.abs(np.where(finite, first, 0) - np.where(finite, second, 0))
    return np.where(same, 0.0, np.where(finite, _ratio(difference, unit), np.inf))


def apart_in_norm(first: Numbers, second: Numbers, ref: Reference, eps: float) -> Numbers:
    """How many eps lie between two gradients, a row at a time, where the reference is a number."""
    index = np.arange(first.size) if ref.index is None else ref.index
    rows = _row_numbers(ref.scale, first.shape)[index]
    one, other = first.reshape(-1)[index], second.reshape(-1)[index]
    distance = apart(one, other, ref.scale.reshape(-1)[rows] * eps)
    known = np.where(np.isfinite(ref.hi.reshape(-1)), distance, 0)
    return _norms(known, rows, ref.scale.size)


def _entrywise(case: Case, what: str, ref: Reference, got: Numbers, wrong: Numbers) -> Checked:
    known = np.isfinite(ref.hi)
    wrong = wrong | (known & ~np.isfinite(got)) | (np.isinf(ref.hi) & (got != ref.hi))
    scored = known & ~wrong
    errors = _ratio(np.abs(_difference(ref, got, scored)), ref.scale * EPS[case.compute_dtype])
    bad = np.flatnonzero(wrong | (errors > ALLOWED))
    messages = []
    for i in bad[:_SHOWN]:
        off = "" if wrong.flat[i] else f" ({errors.flat[i]:.4g} eps off, {ALLOWED:g} allowed)"
        numbers = f"got {float(got.flat[i])!r}, expected {float(ref.hi.flat[i])!r}"
        messages.append(f"row {case.rows[i]!r}: {numbers}{off}")
    return Checked(_worst(errors, scored, wrong), _report(case, what, messages, len(bad)))


def _rowwise(case: Case, what: str, argument: str, ref: Reference, got: Numbers) -> Checked:
    index = np.arange(got.size) if ref.index is None else ref.index
    hi, entries = ref.hi.reshape(-1), got.reshape(-1)[index]
    scale, rows = ref.scale.reshape(-1), _row_numbers(ref.scale, got.shape)[index]
    wrong = _misplaced(case.dtype, hi, entries)
    scored = np.isfinite(hi) & np.isfinite(entries)
    difference = _difference(Reference(hi, ref.lo.reshape(-1), hi), entries, scored)
    off = _ratio(np.abs(difference), scale[rows] * EPS[case.compute_dtype])
    errors = np.maximum(_norms(off, rows, scale.size) - _rounding(case, scale, got.size), 0.0)
    bad_rows = np.bincount(rows, wrong, scale.size) > 0
    bad = np.flatnonzero(bad_rows | (errors > ALLOWED))
    messages = []
    for row in bad[:_SHOWN]:
        here = np.flatnonzero(rows == row)
        at = here[np.argmax(np.where(wrong, np.inf, off)[here])]
        place = ", ".join(str(i) for i in np.unravel_index(index[at], got.shape))
        entry = f"{argument}[{place}]: got {float(entries[at])!r}, expected {float(hi[at])!r}"
        more = f" (the row is {errors[row]:.4g} eps off in norm, {ALLOWED:g} allowed)"
        label = repr(case.rows[row]) if scale.size == len(case.rows) else str(row)
        messages.append(f"row {label}, {entry}{'' if bad_rows[row] else more}")
    compared = np.bincount(rows, scored, scale.size) > 0
    worst = _worst(errors, compared, bad_rows)
    return Checked(worst, _report(case, f"{what} in {argument}", messages, len(bad)))


def _misplaced(dtype: str, expected: Numbers, got: Numbers) -> Numbers:
    """Where a number should be an infinity, or the other way round; a number that the dtype
    cannot hold may come back as the infinity of its sign."""
    signs_agree = np.sign(expected) == np.sign(got)
    overflow = (np.abs(expected) >= OVERFLOW[dtype]) & np.isinf(got) & signs_agree
    wrong = np.isfinite(expected) & ~np.isfinite(got) & ~overflow
    return np.asarray(wrong | (np.isinf(expected) & (got != expected)))


def _rounding(case: Case, scale: Numbers, size: int) -> Numbers:
    """What rounding a row to half precision may move it by, in norm and in eps of float32."""
    if not case.half:
        return np.zeros(scale.shape)
    underflow = np.sqrt(size / scale.size) * _UNDERFLOW[case.dtype] * np.max(case.weight)
    return np.asarray((0.5 * EPS[case.dtype] + underflow / scale) / EPS[case.compute_dtype])


def _difference(ref: Reference, got: Numbers, scored: Numbers) -> Numbers:
    """got - ref: the difference from ``hi`` is exact where the two are close; ``lo`` follows."""
    hi, lo, ours = (np.where(scored, x, 0.0) for x in (ref.hi, ref.lo, got))
    return np.asarray((ours - hi) - lo)


def _ratio(error: Numbers, unit: Numbers) -> Numbers:
    """error / unit, where no error is 0 even of nothing."""
    with np.errstate(over="ignore"):
        quotient = error / np.where(unit > 0, unit, 1.0)
    return np.where(error == 0, 0.0, np.where(unit > 0, quotient, np.inf))


def _norms(errors: Numbers, rows: Numbers, count: int) -> Numbers:
    """The norm of each row's errors."""
    with np.errstate(over="ignore"):
        return np.asarray(np.sqrt(np.bincount(rows, np.square(errors), count)))


def _row_numbers(scale: Numbers, shape: tuple[int, ...]) -> Numbers:
    """For each entry of an argument, flat, the row of it that its scale belongs to."""
    return np.broadcast_to(np.arange(scale.size).reshape(scale.shape), shape).reshape(-1)


def _worst(errors: Numbers, compared: Numbers, wrong: Numbers) -> float:
    if np.any(wrong):
        return np.inf
    return float(np.max(errors[compared])) if np.any(compared) else np.nan


def _report(case: Case, what: str, messages: Sequence[str], bad: int) -> tuple[str, ...]:
    if not bad:
        return ()
    more = f"; and {bad - len(messages)} more rows" if bad > len(messages) else ""
    return (f"{what} of {case.call} on {case.name} in {case.dtype}: {'; '.join(messages)}{more}",)
