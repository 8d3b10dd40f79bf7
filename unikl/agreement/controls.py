"""Errors planted on purpose, which the comparison must see: a check that cannot fail is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from unikl.agreement import compare
from unikl.agreement.cases import Case, Numbers
from unikl.agreement.judge import judge
from unikl.agreement.structure import Leaf, Traits
from unikl.agreement.truth import Target


def unseen(cases: Iterable[Case]) -> tuple[str, ...]:
    """The planted errors that the comparison missed, and sound results that it called wrong."""
    found = [f"control: {text}" for text in _unseen_traits()]
    for case in cases:
        checks = [("value", "")]
        if "gradient" in case.checks:
            checks += [("gradient", "p"), ("gradient", "q")]
        for what, argument in checks:
            where = f"control: {what} {argument} of {case.name} in {case.dtype}".replace("  ", " ")
            found += (f"{where}: {text}" for text in _unseen_numbers(case, what, argument))
    return tuple(found)


def _unseen_traits() -> Iterator[str]:
    right = Traits("torch", "float32", (3,), "cpu")
    if compare.traits(right, right):
        yield "an array as expected was called wrong"
    changes = {"library": "numpy", "dtype": "float64", "shape": (1, 3), "device": "cuda:0"}
    for field, change in changes.items():
        if not compare.traits(right._replace(**{field: change}), right):  # type: ignore[arg-type]
            yield f"an array of another {field} went unseen"


def _unseen_numbers(case: Case, what: str, argument: str) -> Iterator[str]:
    ref = case.reference(what, argument)
    if ref.index is not None:  # a sample of a large gradient is no array to hand in
        return
    if compare.numbers(case, what, argument, ref.hi).failures:
        yield "the reference itself was called wrong"
    for planted, got in _planted(case, what, ref.hi, ref.scale):
        if not compare.numbers(case, what, argument, got).failures:
            yield f"{planted} went unseen"


def _planted(case: Case, what: str, hi: Numbers, scale: Numbers) -> Iterator[tuple[str, Numbers]]:
    finite = np.isfinite(hi)
    # In half precision above what rounding and the coarse subnormals of float16 may cost.
    step = 10 * compare.EPS[case.dtype] * scale + (case.dtype == "float16") * 1e-3
    if np.any(finite & (scale > 0)):
        yield "an error of 10 eps", np.where(finite, hi + step, hi)
        yield "a NaN for a number", np.where(finite, np.nan, hi)
    if np.any(np.isinf(hi)):
        yield "a number for an infinity", np.where(np.isinf(hi), 1e30, hi)
        yield "an infinity of the other sign", np.where(np.isinf(hi), -hi, hi)
    if what == "value" and np.any(finite):
        yield "a negative value", np.where(finite, -1e-300, hi)
    if what == "value" and np.any(np.isnan(hi)):
        yield "a number for a NaN", np.where(np.isnan(hi), 0.0, hi)


def unseen_by_judge(limit: float) -> tuple[str, ...]:
    """The planted errors that the comparison of `check` missed, and what it wrongly called one."""
    hi = np.array([1.0, -2.0, np.inf, np.nan])
    target, right = Target(hi, np.zeros(4)), Traits("torch", "float32", (4,), "cpu")
    step = 2 * max(limit, 1.0) * compare.EPS["float32"] * hi
    planted = {
        "an array of another library": (hi, right._replace(library="numpy")),
        "an array of another dtype": (hi, right._replace(dtype="float64")),
        "an array of another shape": (hi[:, None], right._replace(shape=(4, 1))),
        "an array of another device": (hi, right._replace(device="cuda:0")),
        "an error of twice the limit": (np.where(np.isfinite(hi), hi + step, hi), right),
        "a NaN for a number": (np.where(hi == 1, np.nan, hi), right),
        "a number for a NaN": (np.where(np.isnan(hi), 0.0, hi), right),
        "a number for an infinity": (np.where(hi == np.inf, 1e30, hi), right),
        "an infinity of the other sign": (np.where(hi == np.inf, -hi, hi), right),
    }
    found = []
    for norm in (False, True):
        verdict = judge(Leaf(right, hi), right, target, None, limit, norm)
        if verdict.status != "agrees":
            found.append("the target itself was called wrong")
        for what, (numbers, traits) in planted.items():
            verdict = judge(Leaf(traits, numbers), right, target, None, limit, norm)
            if verdict.status != "differs":
                found.append(f"{what} went unseen")
    return tuple(dict.fromkeys(found))
