"""The suite's own workings: what it covers, its arguments, its report, its table of gaps."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from unikl.agreement import KNOWN_GAPS, gaps, render, run, runners, suite
from unikl.agreement.cases import load
from unikl.agreement.runners import load as load_runner
from unikl.agreement.suite import DTYPES, EXAMPLES, grid, reconcile

BACKENDS = ("numpy", "torch", "jax", "tensorflow")


def test_the_cases_cover_what_they_promise() -> None:
    cases = load()
    assert {case.dtype for case in cases} == set(DTYPES)
    families = {"regimes", "edges", "masks", "axes", "broadcast", "extremes", "large"}
    assert {case.family for case in cases} == families
    assert {form for case in cases for form in case.call.given} == {
        "probs", "log_probs", "logits", "counts",
    }  # fmt: skip
    for case in cases:
        assert case.value.hi.size == len(case.rows), case.name
        assert len(set(case.rows)) == len(case.rows), case.name
        assert "value" in case.checks, case.name
    assert any(math.isinf(x) for case in cases for x in case.value.hi.flat)
    assert any(math.isnan(x) for case in cases for x in case.value.hi.flat)


@pytest.mark.parametrize("backend", BACKENDS)
def test_some_mode_takes_every_case(backend: str) -> None:
    runner = load_runner(backend)
    every = {case for case in load() if case.dtype in runner.DTYPES}
    assert {case for _, _, case in grid(runner, load(), [*runner.MODES])} == every
    quick = {case for case in every for mode in runner.MODES.values() if mode.quick(case)}
    assert quick >= {case for case in every if not case.half}
    assert {case.dtype for case in quick} == set(runner.DTYPES)


def test_known_gaps_name_checks_that_exist() -> None:
    every = [load_runner(name) for name in (*BACKENDS, "strict")]
    assert reconcile([], KNOWN_GAPS, every, load()) == ({}, [])
    assert all(reason.strip() for reason in KNOWN_GAPS.values())


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> str:
    """A check that fails from now on."""
    wrong = tuple(
        replace(case, value=replace(case.value, hi=case.value.hi + 1))
        if (case.name, case.dtype) == ("axes/probs-all", "float64")
        else case
        for case in load()
    )
    monkeypatch.setattr(suite, "load", lambda: wrong)
    return "numpy-eager-float64-axes/probs-all:value"


def numpy_with(monkeypatch: pytest.MonkeyPatch, table: dict[str, str]) -> Any:
    monkeypatch.setattr(suite, "KNOWN_GAPS", table)
    return run(backends=["numpy"], dtypes=["float64"])


def test_a_failure_is_reported(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    report = numpy_with(monkeypatch, {})
    assert not report.ok
    assert [name for name, _ in report.failures] == [failing]
    message = report.failures[0][1]
    for part in ("kl_divergence(p, q, given='probs', axis=None)", "row 'value ()'", "got ",
                 "expected ", "eps off, 8 allowed"):  # fmt: skip
        assert part in message
    assert report.worst("numpy", "float64", "value") > 8


def test_a_known_gap_is_excused(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    report = numpy_with(monkeypatch, {failing: "a reason"})
    assert report.ok
    assert report.gaps == {failing: "a reason"}


@pytest.mark.parametrize(
    ("gap", "says"),
    [
        ("numpy-eager-float64-axes/probs-all:value", "does not fail any more"),
        ("numpy-eager-float64-axes/no-such-case:value", "names no check"),
        ("numpy-eager-float64-axes/probs-all:gradient", "names no check"),
        ("nunpy-eager-float64-axes/probs-all:value", "names no check"),
    ],
)
def test_a_gap_that_is_none_fails(monkeypatch: pytest.MonkeyPatch, gap: str, says: str) -> None:
    report = numpy_with(monkeypatch, {gap: "a reason"})
    assert not report.ok
    assert len(report.problems) == 1
    assert says in report.problems[0]
    assert gap in report.problems[0]


def test_the_table_of_gaps_is_the_one_that_is_used() -> None:
    assert vars(suite)["KNOWN_GAPS"] is gaps.KNOWN_GAPS is KNOWN_GAPS


def test_the_report() -> None:
    seen: list[tuple[int, int, str]] = []
    report = run(["strict", "numpy"], ["float32"], progress=lambda *step: seen.append(step))
    assert report.ok
    assert list(report.versions) == ["numpy", "strict"]
    assert [step[0] for step in seen] == list(range(1, len(report.results) + 1))
    assert {step[1] for step in seen} == {len(report.results)}
    assert {step[2] for step in seen} == {result.id for result in report.results}
    assert [(example.group, example.row) for example in report.examples] == list(EXAMPLES)
    assert all(set(example.values) == {"numpy", "strict"} for example in report.examples)
    as_json = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert as_json["ok"] is True
    assert len(as_json["results"]) == len(report.results)


def test_the_tables(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    report = run(["strict", "numpy"])
    console = Console(width=160, file=io.StringIO())
    render(report, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("NOT in agreement", "numpy, strict", "float32", "reference", failing, "inf"):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((["nunpy"],), ValueError, "unknown backend 'nunpy': expected one of numpy, torch"),
        ((["numpy"], ["float8"]), ValueError, "unknown dtype 'float8'"),
        ((["numpy"], None, ["jitt"]), ValueError, "unknown mode 'jitt'"),
        ((["numpy"], ["bfloat16"]), ValueError, "nothing to run"),
        (([],), ValueError, "nothing to run"),
    ],
)
def test_bad_arguments(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        run(*arguments)


def test_a_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "installed", lambda: ("numpy",))
    with pytest.raises(ImportError, match="the backend jax needs jax"):
        run(backends=["jax"])


def test_all_modes_and_named_ones() -> None:
    every = run(["torch"], ["float64"], ["eager", "vmap"])
    assert {result.mode for result in every.results} == {"eager", "vmap"}
    assert {r.mode for r in run(["strict"], ["float64"], ["all"]).results} == {"eager"}
