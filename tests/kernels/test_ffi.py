"""The row kernels inside JAX programs: exact, under every transformation, and where not to."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("numba")

import jax.numpy as jnp  # noqa: E402

from unikl.backends import get_backend  # noqa: E402
from unikl.core import Reduction  # noqa: E402
from unikl.kernels import ffi, xla_handler  # noqa: E402

ROOT = Path(__file__).parents[2]
CALL = f"@{xla_handler.TARGET}"
ROOM = get_backend(jnp.ones(1))
BOTH, NONE = (True, True), (False, False)


def _formula(rule: Any, wanted: tuple[bool, bool], p: Any, q: Any) -> tuple[Any, ...]:
    kl, mass_p, mass_q = rule.value(p, q)
    partials = rule.vjp(jnp.ones_like(kl), wanted, p, q)
    return (kl, mass_p, mass_q, *[d for d in partials if d is not None])


def _rule(form: str = "probs", axis: tuple[int, ...] = (-1,)) -> Reduction:
    return Reduction(ROOM, (form, form), axis)


def _reduce(form: str = "probs", wanted: tuple[bool, bool] = NONE) -> Any:
    return partial(ffi.by_kernel, _formula, _rule(form), wanted)


def _distributions(*shape: int, dtype: Any = np.float32) -> tuple[Any, Any]:
    x, y = np.random.default_rng(len(shape)).exponential(size=(2, *shape)) + 1e-3
    p, q = (v / v.sum(-1, keepdims=True) for v in (x, y))
    return jnp.asarray(p.astype(dtype)), jnp.asarray(q.astype(dtype))


def _expected(p: Any, q: Any) -> Any:
    p, q = (np.asarray(x, np.float64) for x in (p, q))
    p, q = (x / x.sum(-1, keepdims=True) for x in (p, q))
    return (p * np.log(p / q)).sum(-1, keepdims=True)


def _exact(form: str, p: Any, q: Any) -> tuple[float, Any, Any]:
    """KL of one row, and its gradients, in 50 digits."""
    with mpmath.workdps(50):
        a, b = ([mpmath.mpf(float(v)) for v in x] for x in (p, q))
        if form == "logits":
            a, b = ([mpmath.exp(v) for v in x] for x in (a, b))
        mass_a, mass_b = mpmath.fsum(a), mpmath.fsum(b)
        w, z = [v / mass_a for v in a], [v / mass_b for v in b]
        logs = [mpmath.log(u / v) for u, v in zip(w, z, strict=True)]
        kl = mpmath.fsum([u * log for u, log in zip(w, logs, strict=True)])
        units = (w, z) if form == "logits" else ([1 / mass_a] * len(w), [1 / mass_b] * len(w))
        dp = [(log - kl) * unit for log, unit in zip(logs, units[0], strict=True)]
        dq = [(1 - u / v) * unit for u, v, unit in zip(w, z, units[1], strict=True)]
        return float(kl), np.array(dp, float), np.array(dq, float)


@pytest.mark.parametrize("form", ["probs", "logits"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_gradients_are_exact(form: str, dtype: Any) -> None:
    with jax.enable_x64(dtype == np.float64):
        p, q = _distributions(4, 50, dtype=dtype)
        q = q.at[0].set(p[0] * (1 + 1e-4 * (np.arange(50) % 3 - 1)).astype(dtype))
        if form == "logits":
            p, q = jnp.log(p), jnp.log(q) + 3
        program = jax.jit(_reduce(form, BOTH))
        assert CALL in program.lower(p, q).as_text()
        kl, _, _, dp, dq = program(p, q)
        for row in range(4):
            exact = _exact(form, np.asarray(p[row]), np.asarray(q[row]))
            found = (kl[row], dp[row], dq[row])
            for mine, theirs in zip(found, exact, strict=True):
                error = np.linalg.norm(np.asarray(mine, np.float64) - theirs)
                assert error <= 8 * np.finfo(dtype).eps * np.linalg.norm(theirs)


def test_one_gradient_alone() -> None:
    p, q = _distributions(6, 30)
    *_, dp, dq = jax.jit(_reduce(wanted=BOTH))(p, q)
    for wanted, expected in (((True, False), dp), ((False, True), dq)):
        *_, found = jax.jit(_reduce(wanted=wanted))(p, q)
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_rows_in_parallel_and_from_several_threads() -> None:
    p, q = _distributions(700, 1000)
    program, expected = jax.jit(lambda p, q: _reduce()(p, q)[0]), _expected(p, q)
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(10):
            found = np.asarray(program(p, q))
            if not np.allclose(found, expected, rtol=1e-6):
                wrong.append(found)

    program(p, q)
    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not wrong


def test_a_long_loop_of_parallel_calls() -> None:
    """Each call ends on another thread, which goes on with the loop: no stack grows by that."""
    p, q = _distributions(3, 65_536)

    def step(total: Any, k: Any) -> tuple[Any, None]:
        return total + _reduce()(p + 0 * total, q)[0], None

    run = jax.jit(lambda: jax.lax.scan(step, jnp.zeros((3, 1)), jnp.arange(500))[0])
    np.testing.assert_allclose(run() / 500, _expected(p, q), rtol=1e-4)


def test_rows_that_the_kernel_leaves_are_the_formulas() -> None:
    p, q = _distributions(6, 40)
    q = q.at[1, 3].set(0).at[4, 0].set(-1)
    p = p.at[2, 5].set(np.nan).at[3].set(0)
    found = jax.jit(_reduce(wanted=BOTH))(p, q)
    for mine, theirs in zip(found, jax.jit(partial(_formula, _rule(), BOTH))(p, q), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-6, atol=2e-6)
    kl = found[0][:, 0]
    assert np.isposinf(kl[1])
    assert np.isnan(kl[2:5]).all()
    assert found[4][1, 3] == -np.inf


def test_several_category_axes_and_vmap() -> None:
    p, q = _distributions(5, 4, 30)
    expected = _expected(p, q)
    rows = jax.jit(lambda p, q: _reduce()(p, q)[0])
    np.testing.assert_allclose(rows(p, q), expected, rtol=2e-6)
    np.testing.assert_allclose(jax.vmap(rows)(p, q), expected, rtol=2e-6)
    np.testing.assert_allclose(jax.vmap(rows, 1, 1)(p, q), expected, rtol=2e-6)
    first = jax.jit(jax.vmap(lambda q: _reduce(wanted=BOTH)(p[0], q)[4]))
    assert CALL in first.lower(q).as_text()
    gradient = np.asarray(_reduce(wanted=BOTH)(p[0], q[0])[4])
    in_eps = np.linalg.norm(first(q)[0] - gradient, axis=-1) / np.linalg.norm(gradient, axis=-1)
    assert (in_eps < 8 * np.finfo(np.float32).eps).all()
    folded = partial(ffi.by_kernel, _formula, _rule(axis=(-2, -1)), NONE)
    assert folded(p, q)[0].shape == (5, 1, 1)
    np.testing.assert_allclose(
        folded(p, q)[0].ravel(), _expected(p.reshape(5, -1), q.reshape(5, -1)).ravel(), rtol=2e-6
    )


def test_empty_batches_donated_inputs_and_constants() -> None:
    empty = jnp.zeros((0, 5))
    assert [x.shape for x in jax.jit(_reduce(wanted=BOTH))(empty, empty)] == (
        [(0, 1)] * 3 + [(0, 5)] * 2
    )
    p, q = _distributions(200, 1000)
    expected, given = _expected(p, q), jnp.array(p)
    donated = jax.jit(lambda p, q: (_reduce()(p, q)[0], 2 * p), donate_argnums=0)
    np.testing.assert_allclose(donated(given, q)[0], expected, rtol=2e-6)
    assert given.is_deleted()
    np.testing.assert_allclose(jax.jit(lambda: _reduce()(p, q)[0])(), expected, rtol=2e-6)
    with jax.disable_jit():
        np.testing.assert_allclose(_reduce()(p, q)[0], expected, rtol=2e-6)


def test_an_exported_program_holds_no_foreign_call() -> None:
    from jax import export

    p, q = _distributions(4, 30)
    program = jax.jit(_reduce())
    assert CALL in program.lower(p, q).as_text()
    exported = export.export(program)(p, q)
    assert CALL not in exported.mlir_module()
    again = export.deserialize(exported.serialize())
    np.testing.assert_allclose(again.call(p, q)[0], _expected(p, q), rtol=2e-6)
    shape = export.symbolic_shape("rows, 7")
    symbolic = [jax.ShapeDtypeStruct(shape, np.float32)] * 2
    assert export.export(program)(*symbolic).call(*_distributions(3, 7))[0].shape == (3, 1)


def test_other_platforms_get_the_formula() -> None:
    p, q = _distributions(4, 30)
    traced = jax.jit(_reduce()).trace(p, q)
    assert CALL in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert CALL not in traced.lower(lowering_platforms=("cuda",)).as_text()


def test_which_rules_are_served() -> None:
    assert ffi.serves(_rule())
    assert ffi.serves(_rule("logits", (-1, -2)))
    assert not ffi.serves(_rule(axis=(-2,)))
    assert not ffi.serves(Reduction(ROOM, ("probs", "logits"), (-1,)))
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("x")
    seen = []

    def inside(x: Any) -> Any:
        seen.append(ffi.serves(_rule()))
        return x

    jax.shard_map(inside, mesh=mesh, in_specs=spec, out_specs=spec)(jnp.ones(1))
    assert seen == [False]


# -- errors and refusals ---------------------------------------------------------------------------


def test_what_the_handler_refuses_is_an_error_of_jax() -> None:
    p, q = _distributions(4, 30)
    call = jax.ffi.ffi_call(xla_handler.TARGET, [jax.ShapeDtypeStruct((3, 4), p.dtype)])
    assert ffi.serves(_rule())
    with pytest.raises(jax.errors.JaxRuntimeError, match="unexpected operands"):
        jax.block_until_ready(jax.jit(partial(call, kernel=np.int64(3)))(p, q))
    with pytest.raises(jax.errors.JaxRuntimeError, match="unexpected operands"):
        jax.block_until_ready(jax.jit(call)(p, q))
    with pytest.raises(jax.errors.JaxRuntimeError, match="unexpected operands"):
        jax.block_until_ready(
            jax.jit(partial(call, kernel=np.int64(0)))(p.astype(int), q.astype(int))
        )


def test_a_version_that_xla_refuses_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def describe(frame: Any) -> int:
        extension = ctypes.cast(frame[xla_handler._FRAME_EXTENSION], type(frame))
        metadata = ctypes.cast(extension[3], type(frame))
        metadata[1], metadata[2], metadata[3], metadata[4] = 24, 0, 99, 0  # version 99.0
        return 0

    handler = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.POINTER(ctypes.c_int64))(describe)
    address = ctypes.cast(handler, ctypes.c_void_p).value
    monkeypatch.setattr(xla_handler, "handler_address", lambda: address)
    monkeypatch.setattr(xla_handler, "TARGET", "unikl_refused")
    with pytest.warns(UserWarning, match="refuses the fused kernels"):
        assert not ffi._register()


# -- other processes -------------------------------------------------------------------------------

_PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from functools import partial
from tests.kernels.test_ffi import _distributions, _expected, _formula, _reduce, _rule
from unikl.kernels import ffi
"""


def _run(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM + program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_several_devices_get_the_formula() -> None:
    program = "print(len(jax.devices()), ffi.serves(_rule()))"
    flags = "--xla_force_host_platform_device_count="
    assert _run(program, XLA_FLAGS=f"{flags}2") == "2 False\n"
    assert _run(program, XLA_FLAGS=f"{flags}1") == "1 True\n"


def test_the_compilation_cache_of_another_process_and_a_busy_end(tmp_path: Path) -> None:
    """The second process finds the program by the name of the call; both leave calls running."""
    program = """
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name.split("/")[-1]))
program = jax.jit(lambda p, q: _reduce()(p, q)[0])
p, q = (jnp.asarray(x) for x in map(np.asarray, _distributions(2000, 1000)))
events.clear()
np.testing.assert_allclose(program(p, q), _expected(p, q), rtol=2e-6)
print("cache_hits" in events, flush=True)
left = [program(p, q) for _ in range(20)]
"""
    assert _run(program, JAX_COMPILATION_CACHE_DIR=str(tmp_path)) == "False\n"
    assert _run(program, JAX_COMPILATION_CACHE_DIR=str(tmp_path)) == "True\n"
