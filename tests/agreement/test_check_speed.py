"""A thousand inputs in four backends, eagerly and compiled, in three minutes: a part of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from unikl.agreement import arrays, check, runners

CASES = 60
ALLOWED = 180 / 1000 * CASES  # seconds of processor time
GROWTH = 30e6  # bytes; it is 1 MB


def log_sum_exp(x: Any, xp: Any) -> Any:
    top = xp.max(x, axis=-1, keepdims=True)
    return xp.squeeze(top, axis=-1) + xp.log(xp.sum(xp.exp(x - top), axis=-1))


def resident() -> float:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096.0


def test_many_inputs_compile_once_in_flat_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, bool, bool]] = []
    for name in ("numpy", "torch", "jax", "tensorflow"):
        runner: Any = runners.load(name)

        def program(
            fn: Any, wanted: Any, compiler: Any, name: str = name, program: Any = runner.program
        ) -> Any:
            made.append((name, bool(wanted), bool(compiler)))
            return program(fn, wanted, compiler)

        monkeypatch.setattr(runner, "program", program)
    times: dict[int, float] = {}
    memory: dict[int, float] = {}

    def note(done: int, total: int) -> None:
        times[done], memory[done] = time.process_time(), resident()

    outcome = check(log_sum_exp, arrays((3, 4)), examples=CASES, progress=note)
    assert outcome.ok, str(outcome)
    assert len(outcome.rows) == CASES * 2 * (1 + 3 * 2 * 2)
    assert times[CASES] - times[1] < ALLOWED  # all is compiled in the first
    assert memory[CASES] - memory[10] < GROWTH
    # Each of the two dtypes once, with gradients where there are any.
    for name in ("torch", "jax", "tensorflow"):
        assert sorted(one[1:] for one in made if one[0] == name) == [
            (True, compiled) for compiled in (False, False, True, True)
        ]
