"""The comparison of one array with what it should be: what it is, then its numbers.

An error is measured in eps of the dtype, relative to the larger of two: the number itself, and its
sway, what it moves by, relative to the change, when the inputs move a little. So a sum that cancels
is not held to more digits than its inputs have, while a formula that loses more digits than that
is seen. What the smallest normal number covers is no error. Values are compared one by one,
gradients in norm: each entry relative to the largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from unikl.agreement.cases import Numbers
from unikl.agreement.compare import EPS, OVERFLOW
from unikl.agreement.structure import Leaf, Traits
from unikl.agreement.truth import Target

_TINY = {"float16": 2.0**-14, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}
_DIGITS = {"float16": 5, "bfloat16": 4, "float32": 9, "float64": 17}


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one array; the fields are those of `outcome.Row`."""

    status: Literal["agrees", "differs"]
    error: float | None = None
    ulp: float | None = None
    what: str = ""
    got: str = ""
    expected: str = ""
    index: tuple[int, ...] | None = None


def judge(
    leaf: Leaf, traits: Traits, target: Target, sway: Numbers | None, limit: float, norm: bool
) -> Verdict:
    """Compare an array with its target.

    `traits` are those that it should have; `sway` is None where it is not known; `norm` says to
    measure every entry relative to the largest.
    """
    wrong = [
        f"{field} {got} instead of {expected}"
        for field, got, expected in zip(Traits._fields, leaf.traits, traits, strict=True)
        if got != expected
    ]
    if wrong:
        return Verdict("differs", what="; ".join(wrong))
    if not (target.floating and leaf.floating):
        return _exactly(leaf.numbers, target.hi)
    return _closely(leaf, target, _scale(target, sway, norm), limit)


def _exactly(got: Numbers, expected: Numbers) -> Verdict:
    bad = np.argwhere(got != expected)
    if not len(bad):
        return Verdict("agrees", 0.0, 0.0)
    index = tuple(int(i) for i in bad[0])
    what = f"{len(bad)} of {got.size} elements differ"
    return Verdict("differs", None, None, what, f"{got[index]:g}", f"{expected[index]:g}", index)


def _scale(target: Target, sway: Numbers | None, norm: bool) -> Numbers:
    """What errors are relative to."""
    size = np.abs(np.where(np.isfinite(target.hi), target.hi, 0.0))
    if sway is not None and sway.shape == size.shape:
        size = np.fmax(size, sway)
    return np.full(size.shape, np.max(size, initial=0.0)) if norm else size


def _closely(leaf: Leaf, target: Target, scale: Numbers, limit: float) -> Verdict:
    got, dtype = leaf.numbers, leaf.traits.dtype
    if not got.size:
        return Verdict("agrees", 0.0, 0.0)
    over = np.abs(target.hi) >= OVERFLOW[dtype]
    expected = np.where(over, np.copysign(np.inf, target.hi), target.hi)
    off, astray = _distance(got, expected, target)
    with np.errstate(over="ignore"):
        errors = off / np.maximum(EPS[dtype] * scale, _TINY[dtype])
    at = int(np.argmax(np.where(astray, np.inf, errors)))
    index = tuple(int(i) for i in np.unravel_index(at, got.shape))
    number, wanted = float(got.flat[at]), float(expected.flat[at])
    shown, right = (f"{x:.{_DIGITS[dtype]}g}" for x in (number, wanted))
    if target.above is not None and target.above.flat[at] > wanted:
        right += f" to {target.above.flat[at]:.{_DIGITS[dtype]}g}"
    if astray.any():
        what = f"{_kind(number)} where {_kind(wanted)} is expected"
        return Verdict("differs", None, None, what, shown, right, index)
    error, ulp = float(errors.flat[at]), float(off.flat[at]) / _spacing(wanted, dtype)
    if error <= limit:
        return Verdict("agrees", error, ulp, "", shown, right, index)
    return Verdict("differs", error, ulp, f"{error:.3g} eps", shown, right, index)


def _distance(got: Numbers, expected: Numbers, target: Target) -> tuple[Numbers, Numbers]:
    """How far each number is off, and where it is not a question of how far."""
    above = expected if target.above is None else target.above
    with np.errstate(invalid="ignore"):
        kink = above > expected
        slack = np.maximum(np.maximum(expected - got, got - above), 0.0)
        off = np.where(kink, slack, np.abs((got - expected) - target.lo))
        fine = (got == expected) | (np.isnan(got) & np.isnan(expected))
        fine |= kink & (got >= expected) & (got <= above)
        fine |= np.isnan(expected) & target.open
        nearest = np.where(kink & (got > above), above, expected)
    finite = np.isfinite(got) & np.isfinite(nearest)
    return np.where(finite, off, 0.0), ~fine & ~finite


def _kind(x: float) -> str:
    return "NaN" if np.isnan(x) else f"{x:+}" if np.isinf(x) else "a finite number"


def _spacing(x: float, dtype: str) -> float:
    """From a number to the next larger one."""
    size = max(abs(x), _TINY[dtype]) if np.isfinite(x) else 1.0
    return float(EPS[dtype] * 2.0 ** np.floor(np.log2(size)))
