"""What goes in, what comes out: strategies, files, replay, dtypes, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unikl.agreement import Outcome, arrays, check, integers
from unikl.agreement.examples import Example, read, rounded, store

QUICK: dict[str, Any] = {"backends": ["numpy", "torch"], "modes": ["eager"]}


def total(x: Any, xp: Any) -> Any:
    return xp.sum(x)


def wrong(x: Any) -> Any:
    return x.sum() + (x > 1).any() * 0.5


BAD: dict[str, Any] = {"numpy": lambda x: x.sum(), "torch": wrong}


def test_drawn_inputs_are_the_same_for_the_same_seed() -> None:
    spec = [arrays(("n", 3), 0, 1, special=(0.0,)), integers("n", 2, 5)]
    first, again, other = (read(spec, 30, seed, {"n": (1, 6)}) for seed in (7, 7, 8))
    for one, two in zip(first, again, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(one.arrays, two.arrays, strict=True))
    assert any(
        not np.array_equal(a.arrays[0], b.arrays[0]) for a, b in zip(first, other, strict=True)
    )
    lengths = {one.arrays[0].shape for one in first}
    assert 1 < len(lengths) <= 4  # each is compiled
    for one in first:
        x, n = one.arrays
        assert x.shape == (len(n), 3)
        assert x.min() >= 0
        assert x.max() <= 1
        assert np.array_equal(x, x.astype(np.float32))
        assert set(n.tolist()) <= {2, 3, 4, 5}
    assert any((one.arrays[0] == 0).any() for one in first)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: arrays(3, 1, 0), "low <= high"),
        (lambda: arrays(3, 0, np.inf), "low <= high"),
        (lambda: integers(3, 1, 0), "low <= high"),
        (lambda: check(total, arrays("n"), **QUICK), "no range for n"),
        (lambda: check(total, arrays(2), **{**QUICK, "modes": ["jit"]}), "unknown mode 'jit'"),
        (lambda: check(total, arrays(2), **QUICK, dtypes=["int8"]), "unknown dtype 'int8'"),
        (lambda: check(total, arrays(2), backends=["mxnet"]), "unknown backend 'mxnet'"),
        (lambda: check({"mxnet": wrong}, arrays(2)), "unknown backend 'mxnet'"),
        (lambda: check(BAD, arrays(2), backends=["jax"]), "no function is given for jax"),
        (lambda: check({}, arrays(2)), "none of no backends"),
        (lambda: check(total, arrays(2), **QUICK, examples=0), "nothing to run"),
    ],
)
def test_bad_arguments_are_told(make: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_inputs_must_be_real_numbers() -> None:
    for x in ([1j], ["a"]):
        with pytest.raises(TypeError, match="arrays of real numbers"):
            check(total, x, **QUICK)


def test_files_hold_arguments_or_examples(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "two.npz", x=np.ones((2, 3)), y=np.zeros(3))
    examples = [Example("input 4", (np.ones(2), np.arange(2))), Example("b/c", (np.ones(1),))]
    store(tmp_path / "stored.npz", examples)
    (one,) = read([tmp_path / "one.npy"], 1, 0, {})
    assert (one.label, [x.shape for x in one.arrays]) == ("one", [(3,)])
    (two,) = read([str(tmp_path / "two.npz")], 1, 0, {})
    assert [x.shape for x in two.arrays] == [(2, 3), (3,)]
    assert [each.label for each in read([tmp_path / "stored.npz"], 1, 0, {})] == ["input 4", "b/c"]


def test_a_failure_is_stored_and_replays(tmp_path: Path) -> None:
    path = tmp_path / "failing.npz"
    first = check(BAD, arrays(4, 0, 1.05), reference=np.sum, store=path, examples=30, **QUICK)
    again = check(BAD, path, reference=np.sum, **QUICK)
    assert not again.ok
    failed = {row.case for row in first.rows if row.wrong}
    assert {row.case for row in again.rows} == failed
    assert failed < {row.case for row in first.rows}
    key = ("case", "backend", "dtype", "quantity", "got", "expected")
    facts = [
        {tuple(getattr(row, name) for name in key) for row in outcome.rows if row.wrong}
        for outcome in (first, again)
    ]
    assert facts[0] == facts[1]


def test_a_check_that_agrees_stores_nothing(tmp_path: Path) -> None:
    assert check(total, arrays(4), store=tmp_path / "failing.npz", **QUICK).ok
    assert not list(tmp_path.iterdir())


def test_given_arrays_shrink_to_their_numbers() -> None:
    x = np.full((40, 3), 0.25)
    x[31, 1] = 7.5
    outcome = check(BAD, x, reference=np.sum, **QUICK)
    assert outcome.minimal is not None
    assert outcome.minimal["inputs"] in ([[[7.5]]], [[[2.0]]])


def test_every_dtype_is_given_its_own_numbers() -> None:
    dtypes = ["float16", "bfloat16", "float32", "float64"]
    outcome = check(total, [0.1, 0.2, 0.3], dtypes=dtypes, **QUICK)
    assert outcome.ok, str(outcome)
    skipped = [(row.backend, row.dtype) for row in outcome.rows if row.status == "skipped"]
    assert skipped == [("numpy", "bfloat16")]


def test_rounding_to_bfloat16_is_that_of_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32).astype(np.float64)
    assert np.array_equal(rounded(x, "bfloat16"), x.astype(ml_dtypes.bfloat16).astype(np.float64))


def test_integers_are_given_as_they_are() -> None:
    def pick(x: Any, i: Any, xp: Any) -> Any:
        return xp.take(x, i, axis=0), xp.argmax(x)

    outcome = check(pick, [0.5, 1.5, 2.5], [2, 0], **QUICK)
    assert outcome.ok, str(outcome)
    quantities = {row.quantity for row in outcome.rows}
    assert quantities == {"value[0]", "value[1]", "gradient of input 0"}


def test_an_outcome_is_json() -> None:
    outcome = check(BAD, [[np.inf, 1.0], [2.0, np.nan]], reference=np.sum, **QUICK)
    whole = json.loads(json.dumps(outcome.to_dict(), allow_nan=False))
    assert whole["schema"] == 1
    assert whole["ok"] is outcome.ok
    assert len(whole["rows"]) == len(outcome.rows)
    assert set(whole) == {"ok", "schema", *Outcome.__dataclass_fields__}


def test_a_backend_that_raises_is_named() -> None:
    def raising(x: Any) -> Any:
        raise KeyError("no such table")

    outcome = check({"numpy": np.sum, "torch": raising}, arrays((2, 2)), **QUICK)
    assert outcome.blamed == ("torch",)
    assert "KeyError: 'no such table'" in str(outcome)
    assert outcome.minimal is not None
    assert np.size(outcome.minimal["inputs"][0]) == 1


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    check(total, arrays(2), examples=3, progress=lambda *x: seen.append(x), **QUICK)
    assert seen == [(1, 3), (2, 3), (3, 3)]
