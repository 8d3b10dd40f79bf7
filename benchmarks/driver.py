"""Starts the processes that measure, and gathers their rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import memory
from benchmarks.machine import describe
from benchmarks.workloads import Level

Row = dict[str, Any]
Tell = Callable[..., None]  # called with what is measured now: the process, the row

ROOT = Path(__file__).parents[1]
# glibc gives large arrays back to the system when they are freed, and takes new pages, which the
# kernel must clear first, for the next; with these it keeps them.
ALLOCATORS = {
    "default": {},
    "retained": {
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "17179869184",
    },
}
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "PYTHONWARNINGS": "ignore"}
# How the time is shared out, as compilers take most of it; what one leaves, the next ones have.
_WEIGHTS = {"numpy": 1.5, "torch": 4.0, "jax": 3.0, "tensorflow": 4.0}
_MODE_WEIGHTS = {"default": 1.0, "retained": 0.6}  # fewer workloads
_MEMORY_SHARE = 0.15


@dataclass(frozen=True)
class Plan:
    """What to run, and for how long at most."""

    families: tuple[str, ...]
    level: Level
    workloads: tuple[str, ...] | None
    rounds: int
    sample: float  # seconds
    budget: float = float("inf")  # seconds, all in all
    allocators: tuple[str, ...] = tuple(ALLOCATORS)
    with_memory: bool = True


def run(plan: Plan, tell: Tell = lambda *what: None) -> dict[str, Any]:
    """All rows: {"machine": .., "versions": .., "threads": .., "cells": .., "memory": ..}."""
    start = time.time()
    found: dict[str, Any] = {
        "machine": describe(),
        "level": plan.level,
        "rounds": plan.rounds,
        "sample": plan.sample,
        "versions": {},
        "threads": {},
        "cells": [],
        "memory": [],
        "skipped": [],
        "failed": [],
    }
    jobs = [(mode, family) for mode in plan.allocators for family in plan.families]
    share = 1 - _MEMORY_SHARE if plan.with_memory else 1.0
    with tempfile.TemporaryDirectory() as scratch:
        weights = [_MODE_WEIGHTS[mode] * _WEIGHTS.get(family, 1.0) for mode, family in jobs]
        for done, (mode, family) in enumerate(jobs):
            left = start + share * plan.budget - time.time()
            deadline = time.time() + left * weights[done] / sum(weights[done:])
            _times(plan, found, family, mode, deadline, scratch, tell)
        if plan.with_memory and memory.available():
            for done, family in enumerate(plan.families):
                left = start + plan.budget - time.time()
                deadline = time.time() + left / (len(plan.families) - done)
                _memory(plan, found, family, deadline, tell)
    found["seconds"] = round(time.time() - start)
    return found


def _times(
    plan: Plan,
    found: dict[str, Any],
    family: str,
    mode: str,
    deadline: float,
    scratch: str,
    tell: Tell,
) -> None:
    spec = {
        "family": family,
        "level": plan.level,
        "workloads": plan.workloads,
        "rounds": plan.rounds,
        "sample": plan.sample,
        "deadline": min(deadline, 1e12),  # JSON has no infinity
        "large_only": mode != "default",  # small arrays never leave malloc's heap
        "scratch": scratch,
    }
    label = f"{family}, {mode} malloc"
    tell(label)
    for row in _lines("benchmarks.child", spec, ALLOCATORS[mode], label, found["failed"]):
        if "versions" in row:
            found["versions"] |= row["versions"]
            found["threads"][family] = row["threads"]
        elif "skipped" in row:
            found["skipped"].append(f"{label}: {row['skipped']}")
        else:
            tell(label, f"{row['workload']} {row['dtype']} {row['task']}")
            found["cells"].append({"family": family, "malloc": mode} | row)


def _memory(plan: Plan, found: dict[str, Any], family: str, deadline: float, tell: Tell) -> None:
    spec = {
        "family": family,
        "level": plan.level,
        "workloads": plan.workloads,
        "deadline": min(deadline, 1e12),
    }
    label = f"{family}, memory"
    tell(label)
    for row in _lines("benchmarks.memory", spec, memory.ENVIRONMENT, label, found["failed"]):
        what = f"{row['workload']} {row['task']}, {row['candidate']} {row['mode']}"
        tell(label, what)
        if row["status"] == "skipped":
            found["skipped"].append(f"{label}: {what}")
        else:
            found["memory"].append({"family": family} | row)


def _lines(
    module: str, spec: dict[str, Any], environment: dict[str, str], label: str, failed: list[str]
) -> Iterator[Row]:
    """What the process prints, line by line; how it ended, if not well, goes to `failed`."""
    command = [sys.executable, "-m", module, json.dumps(spec)]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            env=_environment(spec.get("scratch", "")) | environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
        ) as process,
    ):
        for line in process.stdout or ():
            yield json.loads(line)
        if process.wait():
            errors.seek(0)
            failed.append(f"{label}: exit status {process.returncode}, {_last_line(errors.read())}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


def _environment(scratch: str) -> dict[str, str]:
    """A process of its own; what compilers keep, the second of two modes takes from the first."""
    caches = {"TORCHINDUCTOR_CACHE_DIR": f"{scratch}/inductor"} if scratch else {}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | _QUIET | caches | {"PYTHONPATH": os.pathsep.join(paths)}
