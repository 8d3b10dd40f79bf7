"""Dask on two workers: a worker that dies, data that are lost, and how much memory it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engines.conftest import Ranks

FOLDER = Path(__file__).parent
MIB_OF_DATA = 1024


@pytest.fixture(scope="module")
def killed(ranks: Ranks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came out of `dask_cluster.py`, in processes of its own."""
    scratch = tmp_path_factory.mktemp("dask")
    # The compiled kernels may differ in a last bit, compiled here or loaded from their cache there.
    env = {"UNIKL_KERNELS": "numpy", "UNIKL_NUM_THREADS": "1"}
    (done,) = ranks(FOLDER / "dask_cluster.py", scratch, timeout=300, env=env)
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.mark.parametrize("layout", ["rows", "categories"])
def test_a_killed_worker_changes_no_bit(killed: dict[str, Any], layout: str) -> None:
    assert killed[layout] == {"killed in the middle": True, "same bits": True}


def test_lost_data_are_an_error(killed: dict[str, Any]) -> None:
    assert killed["lost"]["before"] == "True"
    assert killed["lost"]["error"] == "FutureCancelledError"
    assert "cancelled for reason" in killed["lost"]["text"]


def _peak(ranks: Ranks, layout: str, *options: str, gib: float = MIB_OF_DATA / 1024) -> float:
    """MiB that two threads needed, above what the process had before."""
    words = ["-m", "tests.engines.dask_memory", "threads", layout, "--gib", gib, *options]
    (done,) = ranks(*words, timeout=300)
    return float(json.loads(done.out)["MiB"])


@pytest.mark.parametrize("layout", ["rows", "categories"])
def test_memory_is_bounded_by_a_few_chunks(ranks: Ranks, layout: str) -> None:
    assert _peak(ranks, layout) < MIB_OF_DATA / 4  # eight chunks of p and of q


def test_the_formulas_alone_would_take_more(ranks: Ranks) -> None:
    """The control: chunks of categories through Dask's own reductions, of half of the data."""
    assert _peak(ranks, "categories", "--formulas", gib=0.5) > MIB_OF_DATA / 2
