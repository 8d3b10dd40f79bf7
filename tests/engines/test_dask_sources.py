"""Where Dask arrays come from: xarray, and the recipes of docs/scale/dask.md, run as shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from distributed.protocol import pickle

import unikl

if TYPE_CHECKING:
    from tests.engines.conftest import Ranks

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs/scale/dask.md").read_text(), re.M | re.S
)

_RUN = """
import doctest, sys
names, failed = {}, 0
for number, block in enumerate(sys.argv[1:], 1):
    if ">>> " in block:
        test = doctest.DocTestParser().get_doctest(block, names, f"block {number}", None, 0)
        failed += doctest.DocTestRunner().run(test, clear_globs=False).failed
        names = test.globs
    else:
        exec(compile(block, f"block {number}", "exec"), names)
sys.exit(failed)
"""


def test_the_page_runs(ranks: Ranks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ranks("-c", _RUN, *BLOCKS, timeout=180)
    assert {path.name for path in tmp_path.iterdir()} == {"p.npy", "q.npy", "p.zarr", "q.zarr"}


def test_a_wrong_page_fails(ranks: Ranks) -> None:
    (ended,) = ranks("-c", _RUN, ">>> 1 + 1\n3\n", timeout=120, check=False)
    assert ended.code == 1


def test_the_graph_holds_the_path_and_not_the_data(tmp_path: Path) -> None:
    names: dict[str, Any] = {"np": np, "da": da}
    source = "".join(block for block in BLOCKS if "def from_npy" in block)
    exec(source.partition("for name, x")[0], names)
    path = tmp_path / "x.npy"
    x = np.random.default_rng(0).standard_normal((400, 500))
    np.save(path, x)

    trap = da.from_array(np.load(path, mmap_mode="r"), (100, -1))
    recipe = names["from_npy"](path, (100, -1))
    sizes = [len(pickle.dumps(dict(array.__dask_graph__()))) for array in (trap, recipe)]
    assert sizes[0] > x.nbytes
    assert sizes[1] < 20_000
    kl = unikl.kl_divergence(recipe, -recipe, given="logits").compute(scheduler="sync")
    expected = unikl.kl_divergence(x, -x, given="logits")
    np.testing.assert_allclose(kl, expected, rtol=16 * 2.0**-52)


def _refuse(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("computed")


@pytest.mark.parametrize(
    ("how", "chunks"), [("allowed", (4, 5)), ("allowed", (4, 11)), ("parallelized", (4, 11))]
)
def test_xarray_stays_lazy(how: Any, chunks: tuple[int, int]) -> None:
    logits = np.random.default_rng(0).standard_normal((2, 3, 9, 11))
    lazy = [
        xr.DataArray(da.from_array(x, (2, *chunks)), dims=("lat", "lon", "class")) for x in logits
    ]
    options: dict[str, Any] = {"output_dtypes": [np.float64]} if how == "parallelized" else {}
    with dask.config.set(scheduler=_refuse):
        kl = xr.apply_ufunc(
            unikl.kl_divergence,
            *lazy,
            input_core_dims=[["class"], ["class"]],
            kwargs={"given": "logits"},
            dask=how,
            **options,
        )
    assert kl.dims == ("lat", "lon")
    expected = unikl.kl_divergence(*logits, given="logits")
    np.testing.assert_allclose(kl.compute(scheduler="sync").values, expected, rtol=16 * 2.0**-52)


def test_xarray_arrays_themselves_are_refused() -> None:
    x = xr.DataArray(np.ones(3), dims="class")
    with pytest.raises(TypeError, match=r"not an array of a known library: xarray.DataArray"):
        unikl.kl_divergence(x, x)
