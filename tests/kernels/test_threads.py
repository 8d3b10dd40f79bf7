"""The thread pool: who decides how many, the same numbers from any, safe after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unikl import kl_divergence
from unikl.kernels import threads

ROOT = Path(__file__).parents[2]


def run(script: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    env = {**os.environ, **environment}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, env=env, timeout=120
    )
    return done.stdout


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIKL_NUM_THREADS", "3")
    assert threads.available(7) == 3
    monkeypatch.delenv("UNIKL_NUM_THREADS")
    assert threads.available(7) == 7
    assert threads.available() >= 1
    for wrong in ("0", "-1", "two", ""):
        monkeypatch.setenv("UNIKL_NUM_THREADS", wrong)
        with pytest.raises(ValueError, match="UNIKL_NUM_THREADS"):
            threads.available()


@pytest.mark.parametrize("length", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("cores", [1, 2, 3, 8])
def test_every_row_is_done_once(length: int, cores: int) -> None:
    done = np.zeros(length, int)

    def work(start: int, stop: int) -> int:
        done[start:stop] += 1
        return stop - start

    parts = threads.split(work, length, threads.WORTHWHILE, cores)
    assert (done == 1).all()
    assert sum(parts) == length
    assert len(parts) == min(cores, length)
    assert len(threads.split(work, length, threads.WORTHWHILE - 1, cores)) == 1


def test_an_error_in_a_thread_is_raised() -> None:
    def work(start: int, stop: int) -> None:
        if stop == 4:
            raise RuntimeError("in the last part")

    with pytest.raises(RuntimeError, match="in the last part"):
        threads.split(work, 4, threads.WORTHWHILE, 2)


def test_any_number_of_threads_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    p, q = np.random.default_rng(0).dirichlet(np.ones(300), (2, 1000)).astype(np.float32)
    results = []
    for count in ("1", "2", "5"):
        monkeypatch.setenv("UNIKL_NUM_THREADS", count)
        results.append(kl_divergence(p, q, given="counts"))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


_FORK = """
import os, warnings
import numpy as np
from unikl import kl_divergence
from unikl.kernels import threads
warnings.simplefilter("ignore")
p, q = np.random.default_rng(0).dirichlet(np.ones(300), (2, 1000))
before = kl_divergence(p, q)
assert threads._pools
{forget}
child = os.fork()
if child == 0:
    import signal
    signal.alarm(20)  # a pool that hangs
    same = (kl_divergence(p, q) == before).all()
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_used_pool_is_safe_after_a_fork() -> None:
    pytest.importorskip("numba")
    script = _FORK.format(forget="")
    assert run(script, UNIKL_NUM_THREADS="2").strip() == "0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_fork_test_sees_a_pool_that_hangs() -> None:
    pytest.importorskip("numba")
    keep = "os.register_at_fork(after_in_child=lambda p=dict(threads._pools): "
    keep += "threads._pools.update(p))"
    script = _FORK.format(forget=keep).replace("alarm(20)", "alarm(3)")
    assert run(script, UNIKL_NUM_THREADS="2").strip() == "-14"


_LOADER = """
import torch
from torch.utils.data import DataLoader, Dataset
from unikl import kl_divergence

class Rows(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, k):
        torch.manual_seed(k)
        p, q = torch.rand(2, 600, 300)
        return kl_divergence(p, q, given="counts")

if __name__ == "__main__":
    rows = Rows()
    here = torch.stack([rows[k] for k in range(4)])
    there = torch.cat(list(DataLoader(rows, num_workers=2, multiprocessing_context="fork")))
    print(torch.equal(here, there))
"""


def test_inside_a_data_loader() -> None:
    pytest.importorskip("torch")
    assert run(_LOADER).strip() == "True"
