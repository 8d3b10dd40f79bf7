"""The fused kernels: digits, edges, layouts, machine code, and which rows they leave."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from conformance import reference
from unikl import kl_divergence
from unikl.backends import numpy as room
from unikl.core import Reduction
from unikl.kernels import host, left

pytest.importorskip("numba")

ROOT = Path(__file__).parents[2]
DTYPES = ("float32", "float64")
REGIMES = [
    (noise, scale, shift)
    for noise in (3.0, 0.3, 1e-2, 1e-4, 1e-6, 1e-8)
    for scale, shift in ((1.0, 0.0), (6.0, 0.0), (6.0, 77.7), (1.0, 1e4))
]
FORMS = ("probs", "counts", "logits")


def inputs(form: str, dtype: type, regime: tuple[float, float, float], shape: Any) -> Any:
    """Rows that differ by the noise, of logits with a scale and a common shift."""
    noise, scale, shift = regime
    rng = np.random.default_rng(3)
    a = (scale * rng.normal(size=shape) + shift).astype(dtype)
    b = (a + noise * rng.normal(size=shape)).astype(dtype)
    if form == "logits":
        return a, b
    p, q = (np.exp(x.astype(float) - x.max(-1, keepdims=True)) for x in (a, b))
    p, q = ((x / x.sum(-1, keepdims=True)).astype(dtype) for x in (p, q))
    return (p, q) if form == "probs" else (p * dtype(37.3), q * dtype(0.0123))


def rule(form: str, axis: tuple[int, ...] = (-1,)) -> Reduction:
    return Reduction(room, (form, form), axis)


def errors(form: str, p: Any, q: Any, found: host.Result) -> tuple[float, ...]:
    """The worst errors of the value and of the gradients (norm-wise), in eps."""
    logs, eps, worst = form == "logits", np.finfo(p.dtype).eps, [0.0, 0.0, 0.0]
    with mp.workdps(60):
        for r in range(len(p)):
            a, b = [[mpf(float(x)) for x in m[r]] for m in (p, q)]
            row = reference.pair(a, b, (logs, logs), mpf(1e-300))
            assert row is not None
            truth = [[reference.value(row)], *reference.gradient(row)]
            got = [found.kl[r], *[g[r] for g in found.gradients]]
            for k in range(3):
                size = reference.norm(truth[k])
                off = reference.norm(
                    [mpf(float(x)) - y for x, y in zip(got[k], truth[k], strict=True)]
                )
                if size > mpf(10) ** -45:
                    worst[k] = max(worst[k], float(off / size / eps))
    return tuple(worst)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(8, 2), (6, 3), (2, 70)])
def test_kernels_are_within_8_eps(form: str, dtype: type, shape: tuple[int, int]) -> None:
    for regime in REGIMES:
        if form != "logits" and regime[2] != 0:
            continue
        p, q = inputs(form, dtype, regime, shape)
        found = host.reduce(rule(form), (p, q), (True, True))
        assert found is not None
        assert max(errors(form, p, q, found)) < 8, regime


def test_the_measure_sees_a_lost_digit() -> None:
    p, q = inputs("logits", np.float32, (1e-4, 1.0, 0.0), (4, 30))
    found = host.reduce(rule("logits"), (p, q), (True, True))
    assert found is not None
    wrong = found._replace(kl=found.kl * np.float32(1 + 2e-6))
    assert max(errors("logits", p, q, wrong)) > 8


@pytest.mark.parametrize("form", FORMS)
def test_value_alone_is_that_with_gradients(form: str) -> None:
    p, q = inputs(form, np.float64, (0.3, 1.0, 0.0), (5, 3000))
    alone, both = host.reduce(rule(form), (p, q)), host.reduce(rule(form), (p, q), (True, True))
    assert alone is not None
    assert both is not None
    np.testing.assert_allclose(alone.kl, both.kl, rtol=8 * np.finfo(float).eps)
    for wanted in ((True, False), (False, True)):
        one = host.reduce(rule(form), (p, q), wanted)
        assert one is not None
        for want, g, full in zip(wanted, one.gradients, both.gradients, strict=True):
            assert (g is not None) == want
            if want:
                np.testing.assert_allclose(g, full, atol=8 * np.finfo(float).eps * full.max())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf, 0.0])
def test_a_bad_row_goes_to_the_core_and_leaves_the_others_alone(form: str, bad: float) -> None:
    p, q = inputs(form, np.float32, (0.3, 1.0, 0.0), (6, 7))
    bad = -np.inf if form == "logits" and bad == 0 else bad
    p[2], q[4, 3] = bad, bad
    found = host.reduce(rule(form), (p, q), (True, True))
    with np.errstate(all="ignore"):
        value = rule(form).value(p, q)[0]
        grads: Any = rule(form).vjp(np.ones_like(value), (True, True), p, q)
    assert found is not None
    np.testing.assert_allclose(found.kl, value, rtol=1e-6)
    for g, h in zip(found.gradients, grads, strict=True):
        scale = 1e-30 + np.abs(np.where(np.isfinite(h), h, 0)).max(-1, keepdims=True)
        np.testing.assert_allclose(g / scale, h / scale, atol=1e-6)


@pytest.mark.parametrize("form", ["probs", "logits"])
def test_zeros_stay_in_the_kernel(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masked categories are common, so rows with zeros in both must not go the long way."""
    p, q = inputs(form, np.float32, (0.3, 1.0, 0.0), (4, 50))
    zero = -np.inf if form == "logits" else 0
    p[:, 5:9], q[:, 5:9], p[:, 20], q[1, 30] = zero, zero, zero, zero
    expected = rule(form).value(p, q)[0]

    def fail(*args: Any) -> Any:
        raise AssertionError("sent to the core")

    monkeypatch.setattr(left, "values", fail)
    with np.errstate(all="ignore"):
        found = host.reduce(rule(form), (p, q))
        assert found is not None
        assert np.isinf(found.kl[1])
        np.testing.assert_allclose(found.kl, expected, rtol=1e-6)
        finite = [0, 2, 3]
        assert host.reduce(rule(form), (p[finite], q[finite]), (True, True)) is not None
        with pytest.raises(AssertionError, match="sent to the core"):
            host.reduce(rule(form), (p, q), (True, True))  # an infinite row, with gradients


@pytest.mark.parametrize("axis", [(-1,), (-2,), (-3,), (-1, -3), (-3, -2, -1)])
def test_any_axes_and_any_layout(axis: tuple[int, ...]) -> None:
    p, q = (x.reshape(4, 6, 10) for x in inputs("logits", np.float64, (0.3, 1.0, 0.0), (24, 10)))
    for x, y in ((p, q), (p[::2], q[::2]), (p.transpose(2, 0, 1), q.transpose(2, 0, 1))):
        found = host.reduce(rule("logits", axis), (x, y), (True, True))
        value = rule("logits", axis).value(x, y)[0]
        grads: Any = rule("logits", axis).vjp(np.ones_like(value), (True, True), x, y)
        assert found is not None
        np.testing.assert_allclose(found.kl, value, rtol=1e-14)
        for g, h in zip(found.gradients, grads, strict=True):
            assert g.shape == x.shape
            np.testing.assert_allclose(g, h, atol=1e-15)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["probs", "logits"])
def test_half_precision_is_computed_in_float32(form: str, name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(np.float16 if name == "float16" else ml_dtypes.bfloat16)
    p, q = (x.astype(dtype) for x in inputs(form, np.float32, (0.3, 1.0, 0.0), (5, 40)))
    g = np.array([1, -0.3, 0.7, 2, 0], np.float32)
    bits = p.view(np.uint16), q.view(np.uint16)
    how = name == "bfloat16", form
    half = host.reduce_half(*bits, *how, True, None)
    assert half is not None
    grads = host.gradients_half(*bits, *how, half[3], g, (True, True), None)
    full = host.reduce(rule(form), (p.astype(np.float32), q.astype(np.float32)), (True, True))
    assert grads is not None
    assert full is not None
    np.testing.assert_array_equal(half[0], full.kl)
    for mine, theirs in zip(grads, full.gradients, strict=True):
        rounded = (theirs * g[:, None]).astype(dtype)
        np.testing.assert_array_equal(mine.view(dtype).astype(float), rounded.astype(float))
    q[3, 2] = np.nan
    assert host.reduce_half(*bits, *how, False, None) is None


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["probs", "logits"])
def test_half_precision_in_torch(form: Any, name: str) -> None:
    torch = pytest.importorskip("torch")
    dtype = getattr(torch, name)
    x, y = inputs(form, np.float32, (0.3, 1.0, 0.0), (3, 5, 40))
    p, q = (torch.tensor(m).to(dtype).requires_grad_() for m in (x, y))
    a, b = (m.detach().float().requires_grad_() for m in (p, q))
    g = torch.tensor(np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32))
    half = kl_divergence(p, q, given=form)
    full = kl_divergence(a, b, given=form, validate=False)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=8 * 2.0**-23, atol=0)
    mine = torch.autograd.grad(half, [p, q], g, retain_graph=True)
    theirs = torch.autograd.grad(full, [a, b], g)
    for d, e in zip(mine, theirs, strict=True):
        assert d.dtype == dtype
        assert torch.equal(d, e.to(dtype))
    again = torch.autograd.grad(half, [p, q], g, create_graph=True)  # the formulas
    for d, e in zip(again, theirs, strict=True):
        torch.testing.assert_close(d.float(), e, rtol=2e-2, atol=1e-5)


def test_a_long_row_is_split_over_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    p, q = (rng.random((1, 3 * 2**20 + 77), np.float32) + np.float32(1e-3) for _ in range(2))
    monkeypatch.setenv("UNIKL_NUM_THREADS", "3")
    found = host.reduce(rule("counts"), (p, q))
    w, z = (x.astype(np.longdouble) / x.sum(dtype=np.longdouble) for x in (p, q))
    assert found is not None
    assert abs(found.kl[0, 0] / np.sum(w * np.log(w / z)) - 1) < 2 * np.finfo(np.float32).eps
    q[0, -1] = 0
    found = host.reduce(rule("counts"), (p, q))
    assert found is not None
    assert np.isinf(found.kl[0, 0])


@pytest.mark.parametrize("axis", [-1, 0])
def test_large_gradients_in_tensorflow(axis: int) -> None:
    tf = pytest.importorskip("tensorflow")
    x, y = inputs("logits", np.float32, (0.3, 1.0, 0.0), (300, 200))
    p, q = tf.constant(x), tf.constant(y)
    with tf.GradientTape() as tape:
        tape.watch([p, q])
        loss = tf.reduce_sum(3 * kl_divergence(p, q, given="logits", axis=axis))
    expected = host.reduce(rule("logits", (axis if axis < 0 else -2,)), (x, y), (True, True))
    assert expected is not None
    for d, e in zip(tape.gradient(loss, [p, q]), expected.gradients, strict=True):
        size = np.linalg.norm(e, axis=axis)  # other machine code, so other roundings
        assert (np.linalg.norm(d - 3 * e, axis=axis) < 8 * np.finfo(np.float32).eps * size).all()


def test_gradients_are_aligned_for_tensorflow() -> None:
    for n in (3277, 5000, 10001):
        p, q = inputs("probs", np.float32, (0.3, 1.0, 0.0), (n, 5))
        found = host.reduce(rule("probs"), (p, q), (True, True))
        assert found is not None
        assert all(g.__array_interface__["data"][0] % 64 == 0 for g in found.gradients)


def packed_operations(names: list[str], **environment: str) -> dict[str, int]:
    """The vector operations in the machine code, by kernel-dtype-outputs."""
    command = [sys.executable, "-m", "tests.kernels.machine_code", *names]
    env = {**os.environ, **environment}
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=env)
    return {name: found["p"] for name, found in json.loads(run.stdout).items()}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 machine code")
def test_kernels_are_vectorised() -> None:
    """A missed inline costs a factor of six, silently."""
    kinds = [f"{kernel}-{dtype}" for kernel in ("weights", "logs") for dtype in DTYPES]
    outputs = ("value", "gradients")
    found = packed_operations([f"{kind}-{output}" for kind in kinds for output in outputs])
    for kind in kinds:
        assert found[f"{kind}-value"] > 100
        assert found[f"{kind}-gradients"] > 1.3 * found[f"{kind}-value"]
    control = packed_operations(["logs-float32-gradients"], NUMBA_LOOP_VECTORIZE="0")
    assert control["logs-float32-gradients"] < 10


def test_a_home_that_cannot_be_written_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: compiled for the process alone."""
    from unikl.kernels import llvm

    def njit(**options: Any) -> Any:
        if "cache" in options:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (function, options)

    monkeypatch.setattr(llvm, "njit", njit)
    function, options = llvm.kernel(lambda x: x)
    assert function(3) == 3
    assert options["nogil"]


@pytest.mark.parametrize("mode", ["numpy", "off"])
def test_without_numba_the_answers_stay(mode: str) -> None:
    p, q = inputs("probs", np.float64, (0.3, 1.0, 0.0), (5, 7))
    with_numba = kl_divergence(p, q)
    with host.using(mode):
        assert not host.installed()
        assert (host.reduce(rule("probs"), (p, q)) is None) == (mode == "off")
        np.testing.assert_allclose(kl_divergence(p, q), with_numba, rtol=2e-15)
    assert host.installed()


def test_the_environment_decides_which_kernels() -> None:
    script = "from unikl.kernels import host; print(host.installed())"
    for mode, said in (("numba", "True"), ("numpy", "False"), ("off", "False")):
        env = {**os.environ, "UNIKL_KERNELS": mode}
        command = [sys.executable, "-c", script]
        run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=env)
        assert run.stdout.strip() == said
    run = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "UNIKL_KERNELS": "fast"},
    )
    assert run.returncode == 1
    assert "UNIKL_KERNELS must be one of" in run.stderr
