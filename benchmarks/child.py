"""The times of one framework in one process: ``python -m benchmarks.child SPEC``.

A line of JSON on stdout for each row of the table, as soon as it is there: an aborted process
loses no more than the rest.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from benchmarks import ceiling
from benchmarks.machine import versions
from benchmarks.peers import Call, Candidate, Family, load
from benchmarks.timer import interleaved
from benchmarks.workloads import Cell, Level, Reference, Workload, cells, chosen, inputs, reference

Row = dict[str, Any]

# The library promises 8 for each row; the mean over the rows and the reference add a little.
LIMIT = 16.0


class Entry(NamedTuple):
    """A candidate with this cell's arrays: `prepare` may compile."""

    candidate: Candidate
    prepare: Callable[[], Call]


def measure(
    family: Family, cell: Cell, entries: list[Entry], truth: Reference, rounds: int, sample: float
) -> list[Row]:
    """The rows of one cell: checked, then timed together.

    A candidate that raises has a row that says so, and so has unikl where it is wrong: a time
    would mean nothing.
    """
    rows: list[Row] = []
    ready: list[tuple[Row, Call]] = []
    for candidate, prepare in entries:
        row = _row(cell, candidate)
        rows.append(row)
        try:
            call = prepare()
            row.update(_deviations(family, cell, candidate, call(), truth))
        except Exception as error:  # whatever another library raises is its result here
            row.update(status="failed", error=_one_line(error))
            continue
        if candidate.kind == "unikl" and not _right(row):
            row.update(status="failed", error=f"off by more than {LIMIT:g} eps")
            continue
        ready.append((row, call))
    for (row, _), times in zip(
        ready, interleaved([call for _, call in ready], rounds, sample), strict=True
    ):
        row.update(
            status="ok",
            seconds=times.median,
            fastest=min(times.kept),
            slowest=max(times.kept),
            samples=len(times.kept),
            quiet=len(times.quiet),
            calls=times.calls,
        )
    return rows


def _row(cell: Cell, candidate: Candidate) -> Row:
    return {
        "workload": cell.workload.name,
        "form": cell.workload.form,
        "shape": cell.workload.shape,
        "dtype": cell.dtype,
        "task": cell.task,
        "sweep": cell.workload.sweep,
        "candidate": candidate.name,
        "kind": candidate.kind,
        "mode": candidate.mode,
    }


def _one_line(error: Exception) -> str:
    """The first line of the message and, where there are more, the last: one of them says it."""
    lines = [line.strip() for line in str(error).strip().splitlines()] or [""]
    ends = lines[:1] + lines[1:][-1:]
    return f"{type(error).__name__}: {' ... '.join(line[:120] for line in ends)}"


def _right(row: Row) -> bool:
    found = [row["value_eps"], row["gradient_eps"]]
    return all(each is None or (each != "nan" and each <= LIMIT) for each in found)


def _deviations(
    family: Family, cell: Cell, candidate: Candidate, result: tuple[Any, ...], truth: Reference
) -> Row:
    """How far value and gradients are from the reference, in eps of their dtype.

    For bfloat16 inputs that is float32's for the value, which no loss should be rounder than, and
    its own for the gradients.
    """
    if candidate.computes == "nothing":
        return {"value_eps": None, "gradient_eps": None}
    eps = float(np.finfo("float64" if cell.dtype == "float64" else "float32").eps)
    gradient_eps = 2.0**-7 if cell.dtype == "bfloat16" else eps
    value, *gradients = result
    right = truth.normalised if candidate.computes == "normalised" else truth.raw
    off = float(abs(float(value) - right) / abs(right) / eps)
    both = truth.gradients if candidate.computes == "normalised" else truth.raw_gradients
    worst = None
    for gradient, exact in zip(
        gradients, both[-len(gradients) :] if gradients else (), strict=True
    ):
        difference = family.to_numpy(gradient[: len(exact)]) - exact
        norms = np.linalg.norm(difference, axis=-1) / np.linalg.norm(exact, axis=-1)
        worst = float(np.max([worst or 0.0, *(norms / gradient_eps)]))
    return {"value_eps": _finite(off), "gradient_eps": _finite(worst)}


def _finite(x: float | None) -> float | str | None:
    return "nan" if x is not None and not np.isfinite(x) else x


def entries(family: Family, cell: Cell, p: Any, q: Any, library: Path | None) -> list[Entry]:
    """Everyone who takes the cell, on arrays of the framework; the C ceilings on NumPy's."""
    x, y = family.array(p, cell.dtype), family.array(q, cell.dtype)
    form, task = cell.workload.form, cell.task

    def entry(candidate: Candidate) -> Entry:
        return Entry(candidate, lambda: family.bind(candidate, form, task, x, y))

    found = [entry(each) for each in family.candidates() if each.takes(cell)]
    if library and task == "forward" and cell.dtype != "bfloat16":
        functions = ceiling.ceilings(library)

        def in_c(name: str) -> Callable[[], Call]:
            return lambda: lambda: (functions[name](p, q),)

        reads = Candidate("read both arrays", "ceiling", "C", {}, computes="nothing")
        plain = Candidate("plain formula", "ceiling", "C", {})
        found += [Entry(plain, in_c(form)), Entry(reads, in_c("read"))]
    return found


def _large(workload: Workload) -> bool:
    """Do a few of its arrays leave malloc's heap?  The curves are of the default mode only."""
    return workload.size >= 4_000_000 and not workload.sweep


def rows(spec: dict[str, Any]) -> Iterator[Row]:
    """All rows that `spec` asks for, until its time is over; the others say that it was."""
    family, scratch = load(spec["family"]), Path(spec["scratch"])
    level: Level = spec["level"]
    library = ceiling.build(scratch)
    yield {
        "versions": versions(family.PACKAGES),
        "threads": family.threads(),
    }
    for cell in cells(chosen(level, spec["workloads"]), level):
        workload = cell.workload
        if cell.dtype not in family.DTYPES or (spec["large_only"] and not _large(workload)):
            continue
        if not any(each.takes(cell) for each in family.candidates() if each.kind == "unikl"):
            continue
        if time.time() > spec["deadline"]:
            yield {"skipped": f"{workload.name} {cell.dtype} {cell.task}"}
            continue
        family.start(cell.dtype)
        p, q = inputs(workload, cell.dtype)
        truth = reference(workload, cell.dtype, p, q, scratch)
        everyone = entries(family, cell, p, q, library)
        yield from measure(family, cell, everyone, truth, spec["rounds"], spec["sample"])


def main(spec: dict[str, Any], output: IO[str]) -> None:
    # What the peers warn about (log of 0, deprecations) is not what is measured here.
    warnings.simplefilter("ignore")
    for row in rows(spec):
        print(json.dumps(row), file=output, flush=True)


if __name__ == "__main__":
    # stdout belongs to the rows: what frameworks print goes where errors go.
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)
        main(json.loads(sys.argv[1]), output)
