"""The recipes of docs/scale/recipes.md run, and what goes wrong in one is an error."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial, reduce
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from unikl import KLState, kl_divergence

PAGE = Path(__file__).parents[2] / "docs" / "scale" / "recipes.md"
Ranks = Callable[..., list[Any]]  # the fixture `ranks`


def test_the_page(ranks: Ranks) -> None:
    assert PAGE.read_text().count(">>> ") > 20
    ranks("-m", "doctest", PAGE, timeout=150)


def _counts() -> tuple[Any, Any]:
    p, q = np.random.default_rng(0).integers(0, 90, size=(2, 4000)).astype(np.float64)
    return p, q + 1


def test_the_sum_of_all_blocks_is_exact() -> None:
    p, q = _counts()
    with mpmath.workdps(50):
        mass_p, mass_q = mpmath.mpf(int(p.sum())), mpmath.mpf(int(q.sum()))
        terms = [
            int(a) / mass_p * mpmath.log((int(a) / mass_p) / (int(b) / mass_q))
            for a, b in zip(p, q, strict=True)
            if a
        ]
        exact = float(mpmath.fsum(terms))
    cuts = [1, 2, 77, 1000, 1001, 3999]
    states = [
        KLState.from_arrays(*both, given="counts")
        for both in zip(np.split(p, cuts), np.split(q, cuts), strict=True)
    ]
    sent = [pickle.loads(pickle.dumps(state)) for state in states]
    for total in (
        reduce(KLState.merge, sent),
        sent[0].merge(*sent[1:]),
        sent[3].merge(*sent[4:], *sent[:3]),
    ):
        assert abs(float(total.result()) - exact) <= 8 * 2.0**-52 * exact


def _killed(p: Any, q: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("worker", [_killed, partial(KLState.from_arrays, given="counts")])
def test_a_killed_worker_is_an_error(worker: Any) -> None:
    p, q = (np.split(x, 4) for x in _counts())
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        if worker is not _killed:  # the control: without the kill it is the divergence
            first, *others = pool.map(worker, p, q, timeout=100)
            expected = kl_divergence(*_counts(), given="counts")
            assert first.merge(*others).result() == pytest.approx(expected, rel=1e-14)
            return
        with pytest.raises(BrokenProcessPool):
            list(pool.map(worker, p, q, timeout=100))


def test_a_lost_block_of_other_rows_is_an_error() -> None:
    p, q = (x.reshape(4, 1000) for x in _counts())
    states = [KLState.from_arrays(p[:k], q[:k], given="counts") for k in (3, 4)]
    with pytest.raises(ValueError, match="different distributions"):
        states[0].merge(states[1])


def test_mpi() -> None:
    mpi = pytest.importorskip("mpi4py.MPI", reason="mpi4py is not installed")
    p, q = _counts()
    states = mpi.COMM_WORLD.allgather(KLState.from_arrays(p, q, given="counts"))
    expected = kl_divergence(p, q, given="counts")
    assert states[0].merge(*states[1:]).result() == pytest.approx(expected, rel=1e-14)


def test_a_late_process_is_stopped(ranks: Ranks, tmp_path: Path) -> None:
    """The helper of these tests: nothing that it starts is left behind."""
    script = tmp_path / "late.py"
    script.write_text(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "if os.environ['RANK'] == '0': time.sleep(600)\n"
    )
    done = ranks(script, world=2, timeout=5, check=False)
    assert [each.stopped for each in done] == [True, False]
    deadline = time.monotonic() + 20  # the system takes its time
    while any(_runs(int(each.out)) for each in done) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [each for each in done if _runs(int(each.out))]
    with pytest.raises(AssertionError, match="rank 0 was stopped"):
        ranks(script, timeout=5)


def _runs(pid: int) -> bool:
    """A process that has ended may still be waiting for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
