"""Outcomes to make reports of."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from unikl.agreement.outcome import Outcome, Row

BACKENDS = ("numpy", "torch", "jax", "tensorflow")
VERSIONS = {"numpy": "2.4.6", "torch": "2.13.0", "jax": "0.10.2", "tensorflow": "2.21.0"}
HOSTILE = "</script><script>window.pwned = 1</script><img src=x onerror=pwned=1> \"' & \x07 ∇"


def outcome(cases: int = 6, planted: bool = True, title: str = "focal_loss") -> Outcome:
    """Two dtypes and two modes; with ``planted``, torch's compiled float32 is wrong in each
    seventh case from the third on, JAX raises in the sixth, TensorFlow's shape is wrong in it."""
    rng = random.Random(0)
    rows = tuple(row for case in range(cases) for row in _case(case, planted, rng))
    minimal = {
        "inputs": [[0.5, math.nan], 1.0],
        "dtype": "float32",
        "backend": "torch",
        "what": "NaN",
    }
    return Outcome(
        title=title,
        rows=rows,
        truth="mpmath, 60 digits",
        limit=8.0,
        versions=dict(VERSIONS),
        devices=dict.fromkeys(BACKENDS, "cpu"),
        blamed=("torch",) if planted else (),
        minimal=minimal if planted else None,
        seed=7,
        seconds=1.5,
    )


def hostile() -> Outcome:
    """Every string that comes from outside would rather be markup."""
    row = Row(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, "differs", 99.0, 9.0, HOSTILE, HOSTILE)
    minimal = {"inputs": [HOSTILE], "dtype": HOSTILE, "backend": HOSTILE, "what": HOSTILE}
    known = {HOSTILE: HOSTILE}
    return Outcome(HOSTILE, (row,), HOSTILE, 8.0, known, known, (HOSTILE,), minimal, 0, 0.0)


def _case(i: int, planted: bool, rng: random.Random) -> Iterator[Row]:
    for backend in BACKENDS:
        for mode in ("eager", "compiled"):
            for dtype in ("float32", "float64"):
                for quantity in ("value", "gradient of input 0"):
                    place = (f"input {i}", backend, mode, dtype, quantity)
                    yield _row(i, place, planted, rng)


def _row(i: int, place: tuple[str, str, str, str, str], planted: bool, rng: random.Random) -> Row:
    _, backend, mode, dtype, quantity = place
    if backend == "numpy" and (mode == "compiled" or quantity != "value"):
        return Row(*place, "skipped", None, None, f"numpy has no {mode} {quantity}")
    if planted and (backend, mode, dtype) == ("torch", "compiled", "float32") and i % 7 == 2:
        error = (math.inf, 12.5, 5.2e6)[i % 3]
        return Row(*place, "differs", error, error, f"{error:g} eps", "nan", "0.25", (1, 0))
    if planted and backend == "jax" and i == 5:
        return Row(*place, "error", None, None, "TypeError: got (3,) and (4,)")
    if planted and backend == "tensorflow" and i == 5:
        return Row(*place, "differs", None, None, "shape (3,) instead of (3, 1)")
    error = rng.choice((0.0, rng.random(), 3 * rng.random()))
    return Row(*place, "agrees", error, 2 * error, "", "0.2500001", "0.25", (0, 1))
