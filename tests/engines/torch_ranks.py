"""One rank: runs every check of its world, and writes what it found.

``torch_ranks.py FOLDER`` with RANK and WORLD_SIZE; results go to FOLDER/RANK.json and RANK.npz.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist


def start(folder: Path, seconds: float) -> int:
    """Joins the other ranks; no collective waits longer than that for one of them."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    rank = int(os.environ["RANK"])
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",  # no port that another process could take
        rank=rank,
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=timedelta(seconds=seconds),
    )
    return rank


def main(folder: Path) -> None:
    rank = start(folder, 60)
    from tests.engines import torch_harness, torch_placed, torch_plain  # these run the checks

    for checks in (torch_plain, torch_placed):
        print(f"{checks.__name__} done")
    np.savez(folder / f"{rank}.npz", **torch_harness.ARRAYS)
    (folder / f"{rank}.json").write_text(json.dumps(torch_harness.FOUND))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
