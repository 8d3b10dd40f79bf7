"""Gradients from what the value's kernel saved: digits, the upstream factor, rows that are left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.test_host import REGIMES, errors, inputs, packed_operations, rule
from unikl.backends import numpy as room
from unikl.core import Reduction
from unikl.kernels import host, left, threads

pytest.importorskip("numba")

DTYPES = [np.float32, np.float64]
MIXED = [("probs", "logits"), ("logits", "probs")]


def both(form: str, p: Any, q: Any, g: Any = None) -> host.Result:
    """The value, and then the gradients, of rows with upstream g."""
    g = np.ones(len(p), p.dtype) if g is None else g
    found = host.reduce(rule(form), (p, q), keep=True)
    assert found is not None
    grads = host.gradients(rule(form), (p, q), found.saved, g, (True, True))
    assert grads is not None
    return found._replace(gradients=grads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["counts", "logits"])
@pytest.mark.parametrize("shape", [(8, 2), (6, 3), (2, 70)])
def test_within_8_eps(form: str, dtype: type, shape: tuple[int, int]) -> None:
    for regime in REGIMES:
        if form == "logits" or regime[2] == 0:
            p, q = inputs(form, dtype, regime, shape)
            assert max(errors(form, p, q, both(form, p, q))) < 8, regime


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_single_sweep_over_logits_holds_where_it_is_taken(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Divergences about the limit; and the control, what it would give for smaller ones."""
    from unikl.kernels import log_rows
    from unikl.kernels.lanes import constants
    from unikl.kernels.llvm import inner

    with monkeypatch.context() as patch:
        patch.setattr(log_rows, "LARGE", -np.inf)
        anyway = inner(log_rows._plain_sums.py_func)
        anyway(np.zeros(2, dtype), np.zeros(2, dtype), constants(np.zeros(2, dtype)))
    worst, kept = {True: 0.0, False: 0.0}, 0
    for noise in (6.0, 4.0, 2.0, 0.5, 1e-3):
        for n in (2, 5, 40):
            a, b = inputs("logits", dtype, (noise, 2.0, 0.0), (8, n))
            for x, y in zip(a, b, strict=True):
                found = log_rows._plain_sums(x, y, constants(x))[0]
                kl = anyway(x, y, constants(x))[0]
                result = host.Result(np.array([[kl]], dtype), None, None, (x[None], x[None]), None)
                error = errors("logits", x[None], y[None], result)[0]
                taken = found == found
                kept += taken
                worst[taken] = max(worst[taken], error)
    assert kept > 20
    assert worst[True] < 8
    assert worst[False] > 8


@pytest.mark.parametrize("form", ["probs", "counts", "logits"])
def test_the_upstream_gradient_multiplies_each_row(form: str) -> None:
    p, q = inputs(form, np.float32, (0.3, 1.0, 0.0), (7, 2500))
    g = np.random.default_rng(1).normal(size=7).astype(np.float32)
    once, scaled = both(form, p, q), both(form, p, q, g)
    for d, e in zip(once.gradients, scaled.gradients, strict=True):
        np.testing.assert_allclose(g[:, None] * d, e, rtol=2 * 2.0**-23)  # fused, or not
    for wanted in ((True, False), (False, True)):
        alone = host.gradients(rule(form), (p, q), once.saved, g, wanted)
        assert alone is not None
        for want, d, e in zip(wanted, alone, scaled.gradients, strict=True):
            assert (d is not None) == want
            if want:
                np.testing.assert_allclose(d, e, rtol=2 * 2.0**-23)


@pytest.mark.parametrize("form", ["probs", "logits"])
def test_rows_that_are_left_get_the_formulas_gradients(form: str) -> None:
    p, q = inputs(form, np.float32, (0.3, 1.0, 0.0), (6, 7))
    zero = -np.inf if form == "logits" else 0
    p[1, 3], q[2, 3], q[3, 3], p[4, 2] = zero, zero, zero, np.nan
    g = np.array([1, 2, 3, 0, 5, 0], np.float32)
    with np.errstate(all="ignore"):
        expected: Any = rule(form).vjp(g[:, None], (True, True), p, q)
    for d, e in zip(both(form, p, q, g).gradients, expected, strict=True):
        np.testing.assert_allclose(d, e, rtol=1e-5, atol=1e-6)
        assert (d[5] == 0).all()
        assert not np.isnan(d[:4]).any()


@pytest.mark.parametrize("form", ["probs", "logits"])
@pytest.mark.parametrize("axis", [(-2,), (-1, -3)])
def test_any_axes(form: str, axis: tuple[int, ...]) -> None:
    p, q = (x.reshape(4, 6, 10) for x in inputs(form, np.float64, (0.3, 1.0, 0.0), (24, 10)))
    each = Reduction(room, ("counts" if form == "probs" else form,) * 2, axis)
    found = host.reduce(each, (p, q), keep=True)
    assert found is not None
    g = np.random.default_rng(1).normal(size=found.kl.shape)
    expected: Any = each.vjp(g, (True, True), p, q)
    grads = host.gradients(each, (p, q), found.saved, g, (True, True))
    assert grads is not None
    for d, e in zip(grads, expected, strict=True):
        np.testing.assert_allclose(d, e, rtol=1e-12, atol=1e-15 * abs(e).max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", MIXED)
def test_mixed_pairs(given: tuple[Any, Any], dtype: Any) -> None:
    linear = given[0] == "probs"
    p = inputs("probs" if linear else "logits", dtype, (0.5, 1.0, 0.0), (6, 300))[0]
    q = inputs("logits" if linear else "probs", dtype, (0.5, 1.0, 0.0), (6, 300))[1]
    (p if linear else q)[1, 5], (p if linear else q)[3, :] = 0, np.nan
    mixed = Reduction(room, given, (-1,))
    wanted = (not linear, linear)
    found = host.reduce(mixed, (p, q), keep=True)
    assert found is not None
    with np.errstate(all="ignore"):
        value, masses = mixed.value(p, q)[0], mixed.value(p, q)[1:]
        g = np.random.default_rng(1).normal(size=(6, 1)).astype(dtype)
        expected: Any = mixed.vjp(g, wanted, p, q)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found.kl, value, rtol=60 * eps)  # of either: a logarithm's rounding
    for mass, e in zip(found[1:3], masses, strict=True):
        np.testing.assert_allclose(mass[[0, 1, 2, 4]], e[[0, 1, 2, 4]], rtol=60 * eps)
    grads = host.gradients(mixed, (p, q), found.saved, g, wanted)
    assert grads is not None
    for d, e in zip(grads, expected, strict=True):
        assert (d is None) == (e is None)
        if d is not None:
            largest = abs(e[np.isfinite(e)]).max()
            np.testing.assert_allclose(d, e, rtol=60 * eps, atol=60 * eps * largest)
    assert host.gradients(mixed, (p, q), found.saved, g, (True, True)) is None


@pytest.mark.parametrize("form", ["probs", "counts"])
def test_a_long_row_is_split_over_threads(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    p, q = inputs(form, np.float32, (0.3, 1.0, 0.0), (1, 2**20 + 4097))
    g = np.array([0.3], np.float32)
    monkeypatch.setenv("UNIKL_NUM_THREADS", "1")
    with monkeypatch.context() as patch:
        patch.setattr("unikl.kernels.long_rows.LONG", 2**30)
        alone = both(form, p, q, g)
    monkeypatch.setenv("UNIKL_NUM_THREADS", "3")
    lengths: list[int] = []
    split = threads.split

    def spy(work: Any, length: int, *rest: Any) -> Any:
        lengths.append(length)
        return split(work, length, *rest)

    monkeypatch.setattr(threads, "split", spy)
    parts = both(form, p, q, g)
    assert max(lengths) == 2
    np.testing.assert_allclose(parts.kl, alone.kl, rtol=4e-7)
    for d, e in zip(parts.gradients, alone.gradients, strict=True):
        np.testing.assert_allclose(d, e, rtol=4e-7, atol=2e-6 * abs(e).max())


def test_masked_blocks_stay_in_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a vocabulary of which the first thousands are masked."""
    for noise in (3.0, 1e-3):
        p, q = inputs("logits", np.float32, (noise, 1.0, 0.0), (2, 4000))
        p[:, :1500], q[:, :1500], p[1, 3000:], q[1, 3000:] = (-np.inf,) * 4
        with monkeypatch.context() as patch:
            patch.delattr(left, "values")
            patch.delattr(left, "gradients")
            found = both("logits", p, q)
        expected = both("logits", p[:, 1500:].copy(), q[:, 1500:].copy())
        np.testing.assert_allclose(found.kl, expected.kl, rtol=1e-6)
        for d, e in zip(found.gradients, expected.gradients, strict=True):
            np.testing.assert_allclose(d[:, 1500:], e, rtol=1e-5, atol=1e-6 * abs(e).max())


def test_read_only_arrays_are_no_second_kernel() -> None:
    from unikl.kernels import cpu

    p, q = inputs("probs", np.float32, (0.3, 1.0, 0.0), (3, 5))
    first, alone = both("probs", p, q), (p, q, "probs", None, None, (False, False))
    assert host.plain(*alone) is not None
    compiled = len(cpu.weights.signatures), len(cpu.weights_gradients.signatures)
    for x in (p, q):
        x.flags.writeable = False
    again = both("probs", p, q)
    assert host.plain(*alone) is not None
    np.testing.assert_array_equal(first.kl, again.kl)
    assert compiled == (len(cpu.weights.signatures), len(cpu.weights_gradients.signatures))


def test_tensorflow_gets_what_its_tape_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    tf = pytest.importorskip("tensorflow")
    from unikl import kl_divergence

    x, y = inputs("logits", np.float32, (0.3, 1.0, 0.0), (4, 30))
    p, q = tf.constant(x), tf.constant(y)
    asked: list[Any] = []
    gradients = host.gradients

    def spy(*args: Any) -> Any:
        asked.append(args[4])
        return gradients(*args)

    monkeypatch.setattr(host, "gradients", spy)
    for watched in ([p], [q], [p, q]):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            loss = tf.reduce_mean(kl_divergence(p, q, given="logits"))
        expected = both("logits", x, y, np.full(4, 0.25, np.float32)).gradients
        asked.clear()
        for one, d in zip(watched, tape.gradient(loss, watched), strict=True):
            np.testing.assert_array_equal(d, expected[0 if one is p else 1])
        assert asked == [(any(w is p for w in watched), any(w is q for w in watched))]


def test_kernels_are_vectorised() -> None:
    """A missed inline costs a factor of six, silently."""
    kernels = ["weights_gradients", "logs_gradients", "weights_logs", "weights_logs_gradients"]
    found = packed_operations([f"{kernel}-float32-gradients" for kernel in kernels])
    assert all(count > 100 for count in found.values()), found
