"""What one divergence of Dask arrays larger than a worker costs: seconds, and peak memory.

``python -m tests.engines.dask_memory cluster categories --gib 8`` draws 8 GiB of float32 logits
in chunks of 16 MiB, by rows or by categories, on two workers of 1 GB (or in two threads of this
process), and prints one line of JSON.  With ``--formulas``, what Dask alone would do.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import optimize

import unikl
from unikl.backends import dask as room

_LONG, _SHORT = 2**15, 2**7  # so 2**22 elements, 16 MiB, in a chunk


def logits(gib: float, layout: str, seed: int) -> Any:
    """Half of the data: a matrix of chunks that each task draws anew."""
    chunks = max(1, round(gib * 2**27 / (_LONG * _SHORT)))
    shape = (_LONG, _SHORT * chunks) if layout == "categories" else (_SHORT * chunks, _LONG)
    size = (_LONG, _SHORT) if layout == "categories" else (_SHORT, _LONG)

    def draw(block_info: Any = None) -> Any:
        place = block_info[None]["chunk-location"]
        return np.random.default_rng([seed, *place]).random(size, np.float32)

    return da.map_blocks(draw, chunks=da.core.normalize_chunks(size, shape), dtype=np.float32)


def peak() -> float:
    """MiB of this process at its highest; getrusage would count the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def spilled(dask_worker: Any) -> float:
    """Bytes that a worker has written to disk."""
    metrics = dask_worker.data.cumulative_metrics
    return float(sum(n for key, n in metrics.items() if key[0] == "disk-write" and "bytes" in key))


def in_threads(value: Any) -> dict[str, Any]:
    with dask.config.set(scheduler="threads", num_workers=2):
        before = peak()
        start = time.perf_counter()
        total = float(value.compute())
        return {"mean": total, "seconds": time.perf_counter() - start, "MiB": peak() - before}


def on_cluster(value: Any) -> dict[str, Any]:
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1GB"}
    with (
        LocalCluster(host="127.0.0.1", dashboard_address="127.0.0.1:0", **options) as cluster,
        Client(cluster) as client,
    ):
        before = list(client.run(peak).values())
        start = time.perf_counter()
        total = float(client.compute(value).result(timeout=1200))
        seconds = time.perf_counter() - start
        return {
            "mean": total,
            "seconds": seconds,
            "before": before,
            "MiB": list(client.run(peak).values()),
            "processor": list(client.run(time.process_time).values()),
            "spilled": list(client.run(spilled).values()),
            "tasks": len(optimize(value)[0].__dask_graph__()),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scheduler", choices=["threads", "cluster"])
    parser.add_argument("layout", choices=["rows", "categories"])
    parser.add_argument("--gib", type=float, default=8)
    parser.add_argument("--formulas", action="store_true")
    args = parser.parse_args()
    if args.formulas:
        room.kernel = lambda rule: rule.value
    p, q = (logits(args.gib, args.layout, seed) for seed in (1, 2))
    value = unikl.kl_divergence(p, q, given="logits").mean()
    print(json.dumps((in_threads if args.scheduler == "threads" else on_cluster)(value)))


if __name__ == "__main__":
    os.environ.setdefault("UNIKL_NUM_THREADS", "1")
    main()
