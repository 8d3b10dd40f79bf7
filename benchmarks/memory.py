"""The peak memory of one framework's calls: ``python -m benchmarks.memory SPEC``.

Linux only: the kernel's high-water mark of resident memory (VmHWM), put back before the call.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import Candidate, Family, load
from benchmarks.workloads import Cell, Level, Workload, cells, chosen, inputs

Row = dict[str, Any]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# So that what is freed goes back to the system at once, and is seen when it is taken again.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
_SMALLEST = 100_000  # elements; below, pages and first calls drown the arrays
_PATIENCE = 120  # seconds


def available() -> bool:
    """Can the high-water mark be read, and put back?"""
    try:
        reset_peak()
    except OSError:
        return False
    return "VmHWM" in _STATUS.read_text()


def reset_peak() -> None:
    _CLEAR.write_text("5")


def status(name: str) -> int:
    """A size in /proc/self/status, in bytes: "VmRSS" is resident now, "VmHWM" its peak."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def wanted(level: Level, names: tuple[str, ...] | None) -> Iterator[Cell]:
    """Float32 alone: the larger points of the sweep, and the logits of a vocabulary."""
    for cell in cells(chosen(level, names), level):
        large = cell.workload.size >= _SMALLEST and cell.dtype == "float32"
        if large and (cell.workload.sweep or cell.workload.name in ("W2", "W4")):
            yield cell


def peak(family: Family, candidate: Candidate, cell: Cell) -> int:
    """Bytes above what was resident before the first call of this size, the result included.

    Compiling counts too, but for what is loaded once: the same ran before on ten numbers.
    """
    form, task = cell.workload.form, cell.task
    few = Workload(cell.workload.name, form, (1, 10), {})
    tiny = [family.array(x, cell.dtype) for x in inputs(few, cell.dtype)]
    family.bind(candidate, form, task, *tiny)()
    p, q = (family.array(x, cell.dtype) for x in inputs(cell.workload, cell.dtype))
    call = family.bind(candidate, form, task, p, q)
    gc.collect()
    _trim()
    reset_peak()
    before = status("VmRSS")
    result = call()
    after = status("VmHWM")
    del result
    return max(after - before, 0)


def _trim() -> None:
    """Give back what malloc keeps; another C library than glibc has no such function."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def rows(spec: dict[str, Any]) -> Iterator[Row]:
    """One process for each number, forked from this one, which has imported and no more.

    Frameworks keep what they freed, and would need less the second time.
    """
    family, level = load(spec["family"]), spec["level"]
    for candidate in family.candidates():
        for cell in wanted(level, spec["workloads"]):
            if not (candidate.curves and candidate.takes(cell)):
                continue
            row = {
                "workload": cell.workload.name,
                "shape": cell.workload.shape,
                "sweep": cell.workload.sweep,
                "task": cell.task,
                "candidate": candidate.name,
                "kind": candidate.kind,
                "mode": candidate.mode,
                "array_bytes": 4 * cell.workload.size,
            }
            if time.time() > spec["deadline"]:
                yield row | {"status": "skipped"}
            else:
                yield row | forked(lambda: peak(family, candidate, cell))  # noqa: B023


def forked(measure: Callable[[], int]) -> Row:
    """What `measure` returns in a process of its own, or how that ended."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(_PATIENCE)  # ends a child that hangs
        with os.fdopen(write, "w") as pipe:
            try:
                pipe.write(json.dumps({"status": "ok", "peak_bytes": measure()}))
            except Exception as error:  # whatever another library raises is its result here
                message = f"{type(error).__name__}: {error}"[:160]
                pipe.write(json.dumps({"status": "failed", "error": message}))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    _, ended = os.waitpid(child, 0)
    if ended or not said:
        return {"status": "failed", "error": f"ended with status {ended}"}
    found: Row = json.loads(said)
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)
        for row in rows(json.loads(sys.argv[1])):
            print(json.dumps(row), file=output, flush=True)
