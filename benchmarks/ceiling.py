"""The C ceiling: the plain formulas as gcc vectorises them, on all cores."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ceiling = Callable[[NDArray[Any], NDArray[Any]], float]

_SOURCE = Path(__file__).with_name("ceiling.c")
_SMALL = 150_000  # elements below which a second thread does not pay
_CELLS = 1 << 14  # a single long row is cut into rows of at least this many numbers


def build(folder: Path) -> Path | None:
    """The compiled library in `folder`; None where there is no gcc."""
    compiler, library = shutil.which("gcc"), folder / "ceiling.so"
    if compiler is None:
        return None
    if not library.exists():
        part = folder / "ceiling.o"
        options = ("-O3", "-march=native", "-ffast-math", "-fPIC", "-c")
        subprocess.run([compiler, *options, str(_SOURCE), "-o", str(part)], check=True)
        # Linked without -ffast-math: with it, loading the library would switch subnormals off in
        # the whole process, and so change what is measured beside it.
        subprocess.run([compiler, "-shared", str(part), "-o", str(library), "-lm"], check=True)
    return library


def threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ceilings(library: Path) -> dict[str, Ceiling]:
    """By form, and "read" for reading both arrays: the mean over rows of C-contiguous arrays."""
    return {name: _mean(library, name) for name in ("read", "probs", "logits", "vae")}


@lru_cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads())


def _mean(library: Path, name: str) -> Ceiling:
    loaded = ctypes.CDLL(str(library))  # a call through it releases Python's lock
    functions = {}
    for kind in ("float32", "float64"):
        function = functions[kind] = getattr(loaded, f"{name}_{kind}")
        function.restype = ctypes.c_double
        function.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t] * 3

    def mean(p: NDArray[Any], q: NDArray[Any]) -> float:
        rows, columns = p.shape
        function = functions[p.dtype.name]
        if rows == 1 and name != "logits" and columns >= _SMALL:
            parts = np.gcd(columns, _CELLS)  # equal stretches of the one row
            count, columns = int(parts), columns // int(parts)
        else:
            count = rows
        first, second = p.ctypes.data, q.ctypes.data
        if p.size < _SMALL:
            return float(function(first, second, 0, count, columns) / rows)
        ends = [count * i // threads() for i in range(threads() + 1)]
        jobs = [
            _pool().submit(function, first, second, ends[i], ends[i + 1], columns)
            for i in range(threads())
        ]
        return float(sum(job.result() for job in jobs) / rows)

    return mean
