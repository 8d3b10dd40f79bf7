"""Write `unikl/agreement/cases.npz`: the inputs of the suite and the answers of the mathematics.

Run from the repository root: ``python -m conformance.make_cases``. It takes a minute and makes the
same file every time. Nothing of the library is used but the recipe of the inputs too large to
store, so that a mistake there cannot hide in the answers.

The file holds a key ``index``, a JSON list of groups. A group is one call: its keys are those of
`Case` without the arrays, and its arrays are stored as ``name|dtype|array``:

=========================== ======================================================================
p, q, where                 the inputs, exact in the group's dtype; a group without p and q has the
                            keywords of `unikl.agreement.generate.inputs` under ``generate``
value                       the divergence
weight                      the upstream gradient, one for each value
grad_p, grad_q              the gradient of sum(weight * value), each in its input's shape; of large
                            groups only the entries at the flat positions `grad_index`
tangent_p, tangent_q        a direction, exact in the group's dtype and in float32
jvp                         the derivative of the value along it
hvp_p, hvp_q                the derivative of grad_p and grad_q along it
=========================== ======================================================================

An answer is stored as `_hi` + `_lo`, two float64, and `_scale`: what its error is measured by, the
size of the terms that the mathematics adds up, one number for each row (see `answer_row`), and at
least the smallest normal number of the dtype computed in. So an answer of 0, or of numbers too
small for the dtype, must be met by 0 exactly. NaN in a derivative says that nothing is promised:
the value is NaN.
"""

from __future__ import annotations

import json
import math
import runpy
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

from conformance import edges, inputs
from conformance import reference as ref
from conformance.inputs import LOG_FORMS, Case, Numbers, quantised

PACKAGE = Path(__file__).resolve().parents[1] / "unikl" / "agreement"
SIDES = ("p", "q")
# Working digits: K is 1e-34 where rows differ in the last place only, and a weight of 1e-250 moves
# it by as little; a large row has nothing so small in it.
DIGITS, EXTREME_DIGITS, LARGE_DIGITS = 100, 400, 50


def large() -> Iterator[Case]:
    """One row of 100,000 categories. Its inputs are made again by whoever reads the cases."""
    make = runpy.run_path(str(PACKAGE / "generate.py"))["inputs"]
    for seed, (form, near) in enumerate((f, n) for f in ("logits", "probs") for n in (True, False)):
        recipe = {"n": 100_000, "seed": 100 + seed, "noise": 1e-3 if near else 1.0, "scale": 1}
        rows = [f"100000 categories, noise {recipe['noise']:g}"]
        for dtype in ("float32", "float64"):
            p, q = make(form, dtype, **recipe)
            name = f"large/{form}-{'near' if near else 'far'}"
            given, checks = (form, form), inputs.FIRST_ORDER
            yield Case(name, dtype, given, rows, checks, p, q, generate=recipe)


def small() -> Iterator[Case]:
    for group in (inputs.regimes, edges.edges, edges.masks, inputs.axes, inputs.broadcast):
        yield from group()
    yield from edges.extremes()


def draws(case: Case, what: str, shape: tuple[int, ...]) -> Numbers:
    """Uniform numbers in [-1, 1], multiples of 2^-10, the same for the same case and purpose."""
    seed = zlib.crc32(f"{case.name} {what}".encode())
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.asarray(rng.integers(-1024, 1025, size=shape) / 1024.0)


def tangents(case: Case) -> dict[str, Numbers]:
    """Directions of the size of the inputs: of a weight half of it, so that p + t is one too."""
    made = {}
    for side, form, x in zip(SIDES, case.given, (case.p, case.q), strict=True):
        t = draws(case, f"tangent_{side}", x.shape)
        dtype = "float32" if case.dtype == "float64" else case.dtype
        made[f"tangent_{side}"] = quantised(t if form in LOG_FORMS else 0.5 * t * x, dtype)
    return made


def answer_row(
    row: ref.Pair | None, n: int, weight: Any, tangent: tuple[list[Any], list[Any]] | None
) -> dict[str, Any]:
    """Return the answers for one row of `n` categories, each with its scale."""
    if row is None:
        nans = [mp.nan] * n
        return {"value": (mp.nan, mpf(1))} | {f"grad_{s}": (nans, mpf(1)) for s in SIDES}
    value = ref.value(row)
    scale = mpf(1) if value == mp.inf else ref.value_scale(row)
    answers: dict[str, Any] = {"value": (value, scale)}
    grads, moved = ref.gradient(row), ref.gradient_rounding(row)
    for side, grad, move in zip(SIDES, grads, moved, strict=True):
        scale = weight * (ref.norm(grad) + ref.norm(move))
        answers[f"grad_{side}"] = ([weight * g for g in grad], scale)
    if tangent is None:
        return answers
    sizes = [[abs(t) for t in side] for side in tangent]
    answers["jvp"] = (
        mp.fsum(ref.dot(g, t) for g, t in zip(grads, tangent, strict=True)),
        mp.fsum(
            ref.dot([abs(g) for g in grad], size) + ref.dot(move, size)
            for grad, move, size in zip(grads, moved, sizes, strict=True)
        ),
    )
    hvps = ref.gradient_tangent(row, grads, *tangent)
    terms = ref.hessian_terms(row, grads, *tangent)
    moved = ref.hessian_rounding(row, grads, *tangent)
    for side, hvp, term, move in zip(SIDES, hvps, terms, moved, strict=True):
        scale = weight * (ref.norm(term) + ref.norm(move))
        answers[f"hvp_{side}"] = ([weight * h for h in hvp], scale)
    return answers


def summed_to(x: Numbers, shape: tuple[int, ...]) -> Numbers:
    """Sum what was broadcast from `shape`: the derivative of broadcasting."""
    x = np.asarray(x.sum(axis=tuple(range(x.ndim - len(shape)))))
    stretched = tuple(i for i, n in enumerate(shape) if x.shape[i] != n)
    return np.asarray(x.sum(axis=stretched, keepdims=True))


def two_part(x: Numbers) -> tuple[Numbers, Numbers]:
    """Return the nearest float64 and the float64 of what is left (0 where that is not finite)."""
    hi = x.astype(np.float64)
    finite = np.isfinite(hi)
    return hi, np.where(finite, x - np.where(finite, hi, 0), 0).astype(np.float64)


def categories(case: Case) -> tuple[tuple[int, ...], tuple[int, ...], NDArray[np.int64]]:
    """Return the broadcast shape, its category axes and, for each value, its flat positions."""
    masks = [] if case.where is None else [case.where.shape]
    shape = np.broadcast_shapes(case.p.shape, case.q.shape, *masks)
    axis = range(len(shape)) if case.axis is None else np.atleast_1d(case.axis)
    reduced = tuple(int(i) % len(shape) for i in axis)
    rest = [i for i in range(len(shape)) if i not in reduced]
    n = math.prod(shape[i] for i in reduced)
    positions = np.arange(math.prod(shape)).reshape(shape)
    return shape, reduced, positions.transpose(*rest, *reduced).reshape(-1, n)


def answer_rows(case: Case, given: dict[str, Numbers]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answers over the broadcast shape and the scales over the rows, both flat."""
    shape, _, rows = categories(case)
    flat = {k: np.broadcast_to(x, shape).ravel() for k, x in given.items() if k != "weight"}
    logs = (case.given[0] in LOG_FORMS, case.given[1] in LOG_FORMS)
    tiny = mpf(2) ** (-1022 if case.dtype == "float64" else -126)
    unit = mp.log(mpf(case.base)) if case.base else mpf(1)
    answers: dict[str, Any] = {}
    scales: dict[str, Any] = {}
    for i, positions in enumerate(rows):
        there = positions[flat["where"][positions]] if "where" in flat else positions
        taken = {k: [mpf(float(v)) for v in flat[k][there]] for k in flat if k != "where"}
        row = ref.pair(taken["p"], taken["q"], logs, tiny)
        tangent = (taken["tangent_p"], taken["tangent_q"]) if "tangent_p" in taken else None
        cells = positions if row is None else there  # a row without a value promises nothing
        weight = mpf(float(given["weight"].flat[i]))
        for key, (answer, scale) in answer_row(row, len(cells), weight, tangent).items():
            per_value = key in ("value", "jvp")
            if key not in answers:
                answers[key] = np.full(len(rows) if per_value else math.prod(shape), mpf(0))
                scales[key] = np.full(len(rows), mpf(0))
            answers[key][i if per_value else cells] = np.array(answer, object) / unit
            scales[key][i] = max(scale / unit, tiny)
    return answers, scales


def shaped(case: Case, key: str, answer: Numbers, scale: Numbers) -> tuple[Numbers, Numbers]:
    """Return an answer and its scale in their shapes: the value's, or those of the input."""
    shape, reduced, _ = categories(case)
    if key in ("value", "jvp"):
        rest = [n for i, n in enumerate(shape) if i not in reduced]
        return answer.reshape(rest), scale.reshape(rest)
    side = (case.p if key.endswith("p") else case.q).shape
    first = len(shape) - len(side)
    kept = [1 if i in reduced else n for i, n in enumerate(shape)]
    side_kept = tuple(1 if first + i in reduced else n for i, n in enumerate(side))
    return summed_to(answer.reshape(shape), side), summed_to(scale.reshape(kept), side_kept)


def stored(case: Case) -> dict[str, Numbers]:
    """Return all arrays of a case as the file holds them."""
    shape, reduced, _ = categories(case)
    rest = tuple(n for i, n in enumerate(shape) if i not in reduced)
    weight = 1.25 + 0.75 * draws(case, "weight", rest)
    arrays = {"p": case.p, "q": case.q, "weight": np.asarray(weight, np.float32)}
    if case.where is not None:
        arrays["where"] = case.where
    if "second" in case.checks:
        arrays |= tangents(case)
    answers, scales = answer_rows(case, arrays)
    if case.generate:
        del arrays["p"], arrays["q"]
        arrays["grad_index"] = np.arange(64) * (case.p.size - 1) // 63
    for key in answers:
        answer, scale = shaped(case, key, answers[key], scales[key])
        if case.generate and key.startswith("grad"):
            answer = answer.ravel()[arrays["grad_index"]]
        arrays[f"{key}_hi"], arrays[f"{key}_lo"] = two_part(answer)
        arrays[f"{key}_scale"] = scale.astype(np.float64)
    return arrays


def digits(case: Case) -> int:
    by_kind = {"large": LARGE_DIGITS, "extremes": EXTREME_DIGITS}
    return by_kind.get(case.name.split("/")[0], DIGITS)


def made(case: Case) -> dict[str, Numbers]:
    """Return the arrays of a case by their keys in the file."""
    with mp.workdps(digits(case)):
        return {f"{case.name}|{case.dtype}|{k}": x for k, x in stored(case).items()}


def described(case: Case) -> dict[str, Any]:
    """Return the entry of a case in the index."""
    names = ("name", "dtype", "given", "axis", "base", "validate", "rows", "checks")
    entry = {name: getattr(case, name) for name in names}
    return entry | ({"generate": case.generate} if case.generate else {})


def main() -> None:
    index: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for case in (*small(), *large()):
        index.append(described(case))
        arrays |= made(case)
        print(f"{case.name} in {case.dtype}: {len(case.rows)} values", flush=True)
    path = PACKAGE / "cases.npz"
    np.savez_compressed(path, index=np.array(json.dumps(index)), **arrays)
    print(f"{path}: {len(index)} groups, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
