"""Time and peak memory of ``unikl drift`` on large files: ``python -m benchmarks.drift``.

DuckDB makes two Parquet files in a temporary folder, which is removed afterwards; each command runs
in a process of its own, whose peak resident memory the kernel reports.  Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

_ROOT = Path(__file__).parents[1]
_UNIT = 1024 if sys.platform != "darwin" else 1  # of ru_maxrss, in bytes

# 50 stores of unequal size, amounts of a normal distribution, identifiers of a long tail.
_ROWS = """
SELECT 'store ' || CAST(floor(50 * u * u) AS INT) AS store,
       {shift} + sqrt(-2 * ln(v)) * cos(6.283185307179586 * w) AS amount,
       CAST(floor({keys} * u * v) AS BIGINT) AS customer
FROM (
  SELECT (hash(3 * i + {seed}) % 1000003 + 0.5) / 1000003 AS u,
         (hash(3 * i + 1 + {seed}) % 1000003 + 0.5) / 1000003 AS v,
         (hash(3 * i + 2 + {seed}) % 1000003 + 0.5) / 1000003 AS w
  FROM range({rows}) t(i)
)
"""
_RUNS = {
    "text and numbers": ["--columns", "store,amount"],
    "identifiers, joined": ["--columns", "customer", "--bins", "none", "--smoothing", "0.5"],
}


def main() -> None:
    """Make the files, run the commands, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000_000, help="of each file")
    parser.add_argument("--keys", type=int, default=10_000_000, help="identifiers, about")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unikl-benchmark-") as folder:
        files = [_make(Path(folder), name, args) for name in ("reference", "current")]
        size = sum(file.stat().st_size for file in files) / 1e6
        print(f"2 x {args.rows:.3g} rows, {size:.0f} MB of Parquet, {os.cpu_count()} cores")
        for name, options in _RUNS.items():
            wall, cpu, peak = _run([*map(str, files), *options])
            print(f"{name:20}  {wall:6.1f} s  {cpu:6.1f} s of CPU  peak {peak / 1e6:5.0f} MB")


def _make(folder: Path, name: str, args: argparse.Namespace) -> Path:
    file = folder / f"{name}.parquet"
    second = name == "current"
    rows = _ROWS.format(
        rows=args.rows, keys=args.keys, shift=0.05 * second, seed=10**12 if second else 0
    )
    with duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(folder)}) as database:
        database.execute("SET preserve_insertion_order = false")
        database.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet)")
    return file


def _run(argv: list[str]) -> tuple[float, float, int]:
    """Wall and processor time, and peak memory, of the command."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "unikl", "drift", *argv],
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"unikl drift {' '.join(argv)} failed: {child.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, _peak(usage)


def _peak(usage: resource.struct_rusage) -> int:
    return int(usage.ru_maxrss) * _UNIT


if __name__ == "__main__":
    main()
