"""The benchmarks measure what they say; no test here asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import child, memory, ratios, report, timer
from benchmarks.__main__ import main
from benchmarks.driver import ROOT, Plan, run
from benchmarks.peers import Candidate, load
from benchmarks.workloads import WORKLOADS, Cell, Workload, cells, chosen, inputs, reference

# -- the whole of it ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that a small run writes, with a documentation page beside it."""
    folder = tmp_path_factory.mktemp("results")
    documentation = folder / "speed.md"
    documentation.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    options = ["--quick", "--only", "numpy", "--workloads", "W3,1e6", "--rounds", "1"]
    assert main([*options, "--out", str(folder), "--docs", str(documentation)]) == 0
    (found,) = [each for each in folder.glob("*.md") if each != documentation]
    return found


def test_every_candidate_has_a_row(page: Path) -> None:
    found = json.loads(page.with_suffix(".json").read_text())
    expected = {
        (workload, name)
        for workload, names in {
            "W3": ("unikl", "scipy rel_entr", "scipy entropy", "p log(p / q)"),
            "1e6": ("unikl", "scipy rel_entr", "p log(p / q)"),
        }.items()
        for name in (*names, "sum of both arrays")
    }
    rows = found["cells"]
    assert {(r["workload"], r["candidate"]) for r in rows if r["mode"] != "C"} == expected
    assert {r["candidate"] for r in rows if r["mode"] == "C"} in (
        set(),
        {"plain formula", "read both arrays"},
    )
    assert all(row["status"] == "ok" and row["seconds"] > 0 for row in rows)
    assert not found["failed"]
    assert not found["skipped"]


def test_unikl_is_checked_before_it_is_timed(page: Path) -> None:
    found = json.loads(page.with_suffix(".json").read_text())
    ours = [row for row in found["cells"] if row["kind"] == "unikl"]
    assert len(ours) == 2
    assert all(0 <= row["value_eps"] <= child.LIMIT for row in ours)


def test_the_header_says_where_and_with_what(page: Path) -> None:
    text = page.read_text()
    for each in ("cores", "Python", "numpy 2", "scipy 1", "threads: NumPy", "rounds: 1"):
        assert each in text
    for name in ("time", "memory", "ratios"):
        assert page.with_name(f"{page.stem}-{name}.png").stat().st_size > 1000


def test_the_documentation_shows_the_results(page: Path) -> None:
    text = page.with_name("speed.md").read_text()
    assert text.startswith("before\n<!-- results -->")
    assert text.endswith("<!-- end of results -->\nafter\n")
    assert "old" not in text
    assert f"]({page.stem}-ratios.png)" in text.replace("./", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "fortran"], "there are numpy"),
        (["--workloads", "W9"], "there are W1"),
        (["--docs", str(ROOT / "LICENSE")], "has no lines"),
    ],
)
def test_what_cannot_be_done_is_said_first(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(options)
    assert message in capsys.readouterr().err


def test_out_of_time_is_said() -> None:
    plan = Plan(("numpy",), "quick", ("W3",), 1, 0.0, budget=0.0, allocators=("default",))
    found = run(plan)
    assert found["skipped"] == ["numpy, default malloc: W3 float32 forward"]
    assert not found["cells"]


def test_a_process_that_ends_badly_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    plan = Plan(("fortran",), "quick", ("W3",), 1, 0.0, allocators=("default",), with_memory=False)
    assert "no family 'fortran'" in run(plan)["failed"][0]


# -- one cell -------------------------------------------------------------------------------------

CELL = Cell(Workload("W", "probs", (3, 5), {"float64": ("forward",)}), "float64", "forward", False)


def _rows(*losses: tuple[str, Callable[[Any, Any], Any]]) -> list[child.Row]:
    """The rows of these losses, by kind, beside one that is right."""
    family = load("numpy")
    p, q = inputs(CELL.workload, "float64")
    right = ("by hand", lambda p, q: (p * np.log(p / q)).sum(-1).mean())
    entries = []
    for kind, loss in (right, *losses):
        candidate = Candidate("one", kind, "eager", {"probs": loss})  # type: ignore[arg-type]

        def prepare(candidate: Candidate = candidate) -> Any:
            return family.bind(candidate, "probs", "forward", p, q)

        entries.append(child.Entry(candidate, prepare))
    truth = reference(CELL.workload, "float64", p, q)
    return child.measure(family, CELL, entries, truth, rounds=1, sample=0.0)


def test_a_peer_that_raises_is_reported() -> None:
    def broken(p: Any, q: Any) -> Any:
        raise RuntimeError("not for these\n(three lines)\nshapes")

    right, wrong = _rows(("library", broken))
    assert right["status"] == "ok"
    assert wrong["status"] == "failed"
    assert wrong["error"] == "RuntimeError: not for these ... shapes"
    assert "seconds" not in wrong
    assert "failed: RuntimeError" in report._time(wrong)


def test_a_wrong_unikl_is_not_timed() -> None:
    def off(p: Any, q: Any) -> Any:
        return (p * np.log(p / q)).sum(-1).mean() * (1 + 1e-12)

    _, ours, theirs = _rows(("unikl", off), ("library", off))
    assert ours["status"] == "failed"
    assert ours["error"].startswith("off by more than")
    assert theirs["status"] == "ok"
    assert 4000 < theirs["value_eps"] < 5000


def test_a_result_that_is_no_number_is_said() -> None:
    _, ours, theirs = _rows(
        *((kind, lambda p, q: p[0, 0] * np.nan) for kind in ("unikl", "library"))
    )
    assert ours["status"] == "failed"
    assert theirs["value_eps"] == "nan"
    json.dumps(theirs, allow_nan=False)


def test_gradients_are_compared() -> None:
    workload = Workload("W", "logits", (20, 6), {"float64": ("both",)})
    p, q = inputs(workload, "float64")
    truth = reference(workload, "float64", p, q)
    candidate = Candidate("one", "unikl", "eager", {})
    cell = Cell(workload, "float64", "both", False)

    def rows(factor: float) -> list[child.Row]:
        gradients = [np.concatenate([g, g[:4]]) * factor for g in truth.gradients]
        entry = child.Entry(candidate, lambda: lambda: (truth.raw, *gradients))
        return child.measure(load("numpy"), cell, [entry], truth, 1, 0.0)

    assert rows(1.0)[0]["status"] == "ok"
    assert rows(1 + 1e-12)[0]["status"] == "failed"


# -- the timer ------------------------------------------------------------------------------------


def _order(rounds: int) -> tuple[list[str], list[timer.Times]]:
    seen: list[str] = []
    calls = [lambda name=name: seen.append(name) for name in "ABC"]
    times = timer.interleaved(calls, rounds, 0.0)
    return seen[3:], times  # after one call each that says how many to make


def test_samples_are_interleaved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "_busy", lambda: 0.0)
    seen, times = _order(3)
    assert "".join(seen) == "ABCCBAABC"
    assert all(len(each.quiet) == 3 and not each.disturbed for each in times)


def test_disturbed_rounds_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two rounds are disturbed, and then all of them."""
    taken = iter([0.0, 1.0, 1.0, 2.0, *[2.0] * 100])
    monkeypatch.setattr(timer, "_busy", lambda: next(taken))
    _, times = _order(3)
    assert [(len(each.quiet), len(each.disturbed)) for each in times] == [(3, 2)] * 3
    assert times[0].kept == times[0].quiet
    busy = iter(range(1000))
    monkeypatch.setattr(timer, "_busy", lambda: float(next(busy)))
    _, times = _order(3)
    assert [(len(each.quiet), len(each.disturbed)) for each in times] == [(0, 5)] * 3
    assert times[0].kept == times[0].disturbed


# -- memory ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not memory.available(), reason="the kernel does not say")
def test_peak_memory_is_seen(page: Path) -> None:
    rows = json.loads(page.with_suffix(".json").read_text())["memory"]
    peaks = {row["candidate"]: row["peak_bytes"] / row["array_bytes"] for row in rows}
    assert set(peaks) == {"unikl", "scipy rel_entr", "p log(p / q)"}
    assert 0.8 < peaks["scipy rel_entr"] < 2  # it makes one array


def test_a_fork_that_fails_is_reported() -> None:
    code = (
        "import json, os\nfrom benchmarks.memory import forked\n"
        "calls = (lambda: 7, lambda: 1 // 0, lambda: os.kill(os.getpid(), 9))\n"
        "print(json.dumps([forked(call) for call in calls]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    fine, raised, killed = json.loads(done.stdout)
    assert fine == {"status": "ok", "peak_bytes": 7}
    assert raised["error"].startswith("ZeroDivisionError")
    assert killed["error"] == "ended with status 9"


# -- the ratios -----------------------------------------------------------------------------------


def test_the_honest_ratio_is_the_smaller() -> None:
    common = {"workload": "W", "dtype": "float32", "task": "forward", "family": "numpy"}
    common |= {"mode": "eager", "status": "ok", "sweep": False}  # type: ignore[dict-item]

    def row(kind: str, name: str, malloc: str, seconds: float) -> dict[str, Any]:
        return common | {"kind": kind, "candidate": name, "malloc": malloc, "seconds": seconds}

    found = {
        "cells": [
            row("unikl", "unikl", "default", 1.0),
            row("unikl", "unikl", "retained", 1.0),
            row("library", "slow", "default", 9.0),
            row("library", "quick", "default", 6.0),
            row("library", "slow", "retained", 3.0),
            row("library", "quick", "retained", 4.0),
            row("library", "broken", "default", 0.1) | {"status": "failed"},
            row("library", "elsewhere", "default", 0.1) | {"mode": "jit"},
        ]
    }
    (line,) = ratios.comparisons(found)
    assert line.library is not None
    assert line.library.ratios == {"default": 6.0, "retained": 3.0}
    assert (line.library.honest, line.library.name) == (3.0, "slow")
    assert line.by_hand is None


def test_the_names_of_workloads_differ() -> None:
    names = [workload.name for workload in WORKLOADS]
    assert len(set(names)) == len(names)
    quick = list(cells(chosen("quick"), "quick"))
    assert max(cell.workload.size for cell in quick) < 1_000_000
    assert not any(cell.compiled for cell in quick)
