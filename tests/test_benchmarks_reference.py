"""What the benchmarks compare with: their reference, their inputs and the C ceiling."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest

from benchmarks import ceiling
from benchmarks.workloads import Form, Workload, inputs, reference

EPS = float(np.finfo(np.float64).eps)


def _divergence(form: Form, x: list[Any], y: list[Any]) -> tuple[Any, Any]:
    """Raw and normalised, of one row, in mpmath's precision."""
    if form == "vae":
        value = sum(m * m + mpmath.exp(2 * s) - 1 - 2 * s for m, s in zip(x, y, strict=True)) / 2
        return value, value
    if form == "logits":
        x, y = ([mpmath.exp(each) for each in row] for row in (x, y))
        x, y = ([each / mpmath.fsum(row) for each in row] for row in (x, y))
    raw, p, q = sum(a * mpmath.log(a / b) for a, b in zip(x, y, strict=True)), sum(x), sum(y)
    return raw, raw / p - mpmath.log(p / q)


@pytest.mark.parametrize("form", ["probs", "logits", "vae"])
def test_the_reference_is_right(form: Form) -> None:
    """Values and gradients against 50 digits; the gradients there by differences."""
    workload = Workload("W", form, (2, 4), {"float64": ("both",)})
    x, y = inputs(workload, "float64")
    found = reference(workload, "float64", x, y)
    with mpmath.workdps(50):
        rows = [[[mpmath.mpf(float(v)) for v in row] for row in array] for array in (x, y)]
        each = [_divergence(form, p, q) for p, q in zip(*rows, strict=True)]
        assert found.raw == pytest.approx(float(sum(e[0] for e in each) / 2), rel=4 * EPS)
        assert found.normalised == pytest.approx(float(sum(e[1] for e in each) / 2), rel=4 * EPS)
        for which, gradients in enumerate((found.raw_gradients, found.gradients)):
            for side, gradient in enumerate(gradients):
                for i in range(4):
                    exact = _slope(form, rows[0][0], rows[1][0], which, side, i) / 2
                    largest = float(np.abs(gradient[0]).max())
                    assert gradient[0, i] == pytest.approx(float(exact), abs=8 * EPS * largest)


def _slope(form: Form, p: list[Any], q: list[Any], which: int, side: int, i: int) -> Any:
    step, ends = mpmath.mpf(10) ** -20, []
    for sign in (1, -1):
        moved = [list(p), list(q)]
        moved[side][i] += sign * step
        ends.append(_divergence(form, *moved)[which])
    return (ends[0] - ends[1]) / (2 * step)


def test_the_reference_is_kept(tmp_path: Path) -> None:
    workload = Workload("W", "logits", (3, 4), {"float32": ("both",)})
    p, q = inputs(workload, "float32")
    first = reference(workload, "float32", p, q, tmp_path)
    again = reference(workload, "float32", p * 0, q, tmp_path)  # not computed from these
    assert again.raw == first.raw
    np.testing.assert_array_equal(again.gradients, first.gradients)


def test_bfloat16_inputs_fit() -> None:
    for x in inputs(Workload("W", "logits", (3, 50), {}), "bfloat16"):
        np.testing.assert_array_equal(x, x.astype(ml_dtypes.bfloat16).astype(np.float32))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
def test_the_c_ceiling_computes_it(tmp_path: Path) -> None:
    library = ceiling.build(tmp_path)
    assert library is not None
    functions = ceiling.ceilings(library)
    forms: tuple[Form, ...] = ("probs", "logits", "vae")
    for form in forms:
        for shape in ((3, 7), (2, 200_000), (1, 2**18)):
            workload = Workload("W", form, shape, {"float64": ("forward",)})
            p, q = inputs(workload, "float64")
            right = reference(workload, "float64", p, q).raw
            assert functions[form](p, q) == pytest.approx(right, rel=1e-11)  # it takes no care
    assert np.float32(1e-40) * np.float32(1) > 0, "loading it has switched subnormals off"
