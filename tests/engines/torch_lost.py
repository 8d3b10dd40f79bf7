"""Two ranks of which one does not answer: what the other one hears, and after how long.

``torch_lost.py FOLDER`` with RANK and WORLD_SIZE; rank 0 prints a line of JSON for each case.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from tests.engines.torch_ranks import start
from unikl.distributed import torch as sharded

SECONDS = 3.0  # the timeout of a group


def heard(case: str, group: dist.ProcessGroup) -> None:
    """What a call ends in."""
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    began, words = time.monotonic(), "nothing"
    try:
        value = sharded.kl_divergence(x, 2 * x, group=group, given="logits")
        words = f"a number: {value.tolist()}"
    except RuntimeError as error:
        words = str(error)
    waited = time.monotonic() - began
    print(json.dumps({"case": case, "words": words, "waited": waited}), flush=True)


def main(folder: Path) -> None:
    rank = start(folder, 20)
    groups = [dist.new_group(timeout=timedelta(seconds=SECONDS)) for _ in range(2)]
    dist.barrier()
    if rank == 0:
        heard("absent", groups[0])
        (folder / "kill").touch()
        heard("killed", groups[1])
        os._exit(0)  # the group is broken: nothing of it can be closed in order
    while not (folder / "kill").exists():  # rank 1 is there, and does not call
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
