"""Two workers on one machine, of which one is killed in the middle: what is the answer then?

Prints one line of JSON; `test_dask_cluster.py` runs it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed
from distributed import Client, LocalCluster

import unikl

PATIENCE = 60  # seconds for each wait


def logits(seed: int, chunks: tuple[int, int]) -> Any:
    """A matrix of 40 by 48 whose chunks take their time, so that there is a middle."""

    def draw(block_info: Any = None) -> Any:
        time.sleep(0.05)
        place = block_info[None]["array-location"]
        whole = np.random.default_rng(seed).standard_normal((40, 48))
        return whole[tuple(slice(*ends) for ends in place)]

    every = da.core.normalize_chunks(chunks, (40, 48))
    return da.map_blocks(draw, chunks=every, dtype=np.float64)


def divergence(layout: str) -> Any:
    chunks = (2, 48) if layout == "rows" else (40, 2)
    return unikl.kl_divergence(logits(1, chunks), logits(2, chunks), given="logits")


def until(ready: Any) -> Any:
    """What `ready` gives, as soon as it gives something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = ready()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError(f"nothing from {ready} in {PATIENCE} seconds")


def kill(client: Client, address: str) -> None:
    """SIGKILL for this worker, until the scheduler has noticed."""
    os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)
    until(lambda: address not in client.scheduler_info()["workers"])


def survive(client: Client, layout: str) -> dict[str, Any]:
    """The divergences with a worker killed in the middle, against those of this process."""
    lazy = divergence(layout)
    expected = lazy.compute(scheduler="sync")
    future = client.compute(lazy)
    address = until(lambda: [name for name, keys in client.has_what().items() if keys])[0]
    kill(client, address)
    done = future.done()
    found = future.result(timeout=PATIENCE)
    client.wait_for_workers(2, timeout=PATIENCE)  # the nanny has started another one
    return {
        "killed in the middle": not done,
        "same bits": found.tobytes() == expected.tobytes(),
    }


def lose(client: Client) -> dict[str, str]:
    """The error where the only copy of the data was on a worker that is killed."""
    arrays = [np.random.default_rng(seed).standard_normal((4, 48)) for seed in (1, 2)]
    futures = client.scatter(arrays, hash=False)
    p, q = (da.from_delayed(delayed(each), (4, 48), np.float64) for each in futures)
    lazy = unikl.kl_divergence(p, q, given="logits")
    there = client.gather(futures)
    same = all((x == y).all() for x, y in zip(there, arrays, strict=True))
    for address in client.scheduler_info()["workers"]:
        kill(client, address)
    try:
        client.compute(lazy).result(timeout=PATIENCE)
    except Exception as error:
        return {"before": str(same), "error": type(error).__name__, "text": str(error)}
    return {"before": str(same), "error": "none", "text": ""}


def main() -> None:
    options = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "512MB"}
    scratch = Path(sys.argv[1])
    with (
        LocalCluster(
            host="127.0.0.1", dashboard_address="127.0.0.1:0", local_directory=scratch, **options
        ) as cluster,
        Client(cluster, timeout=PATIENCE) as client,
    ):
        found: dict[str, Any] = {each: survive(client, each) for each in ("rows", "categories")}
        found["lost"] = lose(client)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
