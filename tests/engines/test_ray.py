"""The recipe for Ray in docs/scale/recipes.md; run by `make test-engines`."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from unikl import kl_divergence

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scale" / "recipes.md"

# Ray's own: it starts processes and sockets that it leaves to the end of the program.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on this machine, with two workers."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        _node_ip_address="127.0.0.1",
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
    )
    yield
    ray.shutdown()


@pytest.fixture
def recipe() -> dict[str, Any]:
    """What the page defines."""
    (block,) = re.findall(
        r"test_ray.py runs this -->\n```python\n(.*?)^```", PAGE.read_text(), re.M | re.S
    )
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(block, str(PAGE), "exec"), names)
    return names


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, Any]:
    """Counts of 3 distributions over 10000 categories, and their divergences."""
    p, q = np.random.default_rng(0).integers(0, 90, size=(2, 3, 10_000)).astype(np.float64)
    paths = [str(tmp_path / f"{name}.npy") for name in "pq"]
    for path, array in zip(paths, (p, q + 1), strict=True):
        np.save(path, array)
    return paths[0], paths[1], kl_divergence(p, q + 1, given="counts")


def test_the_recipe(recipe: dict[str, Any], files: tuple[str, str, Any]) -> None:
    found = recipe["divergence"](*files[:2], 10_000, 300, fan_in=4)
    np.testing.assert_allclose(found, files[2], rtol=8 * 2.0**-52)


@pytest.mark.parametrize("retries", [2, 0])
def test_a_killed_worker(
    recipe: dict[str, Any], files: tuple[str, str, Any], tmp_path: Path, retries: int
) -> None:
    from unikl import KLState

    undisturbed = recipe["divergence"](*files[:2], 10_000, 2500)

    def state_of(p_path: str, q_path: str, start: int, stop: int) -> Any:
        mark = tmp_path / "killed"
        if start and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        p, q = (np.load(path, mmap_mode="r")[..., start:stop] for path in (p_path, q_path))
        return KLState.from_arrays(p, q, given="counts")

    recipe["state_of"] = ray.remote(max_retries=retries)(state_of)
    if retries:
        again = recipe["divergence"](*files[:2], 10_000, 2500)
        np.testing.assert_array_equal(again, undisturbed)
        assert (tmp_path / "killed").exists()
    else:
        with pytest.raises((ray.exceptions.WorkerCrashedError, ray.exceptions.RayTaskError)):
            recipe["divergence"](*files[:2], 10_000, 2500)
