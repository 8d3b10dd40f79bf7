"""The same data through every engine: the same counts, the same values to the bit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.tables.engines import FORMS, native, table
from tests.tables.references import divergence
from unikl.tables import Drift, drift

# What Ibis 12 calls of DuckDB 2.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_:DeprecationWarning")

ROWS = 100_000
EPS = 2.0**-52
COLUMNS = ("store", "amount", "items", "code", "small", "day", "open", "colour")


@pytest.fixture(scope="module")
def data() -> tuple[pa.Table, pa.Table]:
    return table(ROWS, 0), table(ROWS // 2, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def polars_result(data: tuple[pa.Table, pa.Table], folder: Path) -> Drift:
    return _drift("polars", data, folder)


def _drift(form: str, data: tuple[pa.Table, pa.Table], folder: Path, **options: Any) -> Drift:
    reference, current = (
        native(form, x, folder, name) for x, name in zip(data, ("ref", "cur"), strict=True)
    )
    options = {"divergence": "js", "bins": {"code": None}, **options}
    return drift(reference, current, COLUMNS, **options)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "polars"])
def test_every_engine_counts_alike(
    form: str, data: tuple[pa.Table, pa.Table], folder: Path, polars_result: Drift
) -> None:
    found = _drift(form, data, folder)
    for one, expected in zip(found, polars_result, strict=True):
        assert one.edges == expected.edges
        assert [row.label for row in one.top(None)] == [row.label for row in expected.top(None)]
        np.testing.assert_array_equal(one.counts.reference, expected.counts.reference)
        np.testing.assert_array_equal(one.counts.current, expected.counts.current)
        assert one.value == expected.value
        assert one.interval == expected.interval


def test_the_counts_are_right(data: tuple[pa.Table, pa.Table], polars_result: Drift) -> None:
    """By Python and NumPy, from the rows."""
    for name in ("store", "code", "day", "open", "colour"):
        one = polars_result[name]
        for x, found in zip(data, one.counts[:2], strict=True):
            rows = Counter(x[name].to_pylist())
            assert dict(zip(one.counts.keys, found.tolist(), strict=True)) == {
                key: rows[key] for key in one.counts.keys
            }
    for name in ("amount", "items", "small"):
        one = polars_result[name]
        assert one.edges is not None
        for x, found in zip(data, one.counts[:2], strict=True):
            values = x[name].to_numpy(zero_copy_only=False).astype(np.float64)  # null is NaN
            known = values[~np.isnan(values)]
            bins = np.bincount(
                np.searchsorted(one.edges, known, side="right"), minlength=len(one.edges) + 1
            )
            missing = len(values) - len(known)
            assert found.tolist() == [*bins.tolist(), *([missing] if missing else [])]


@pytest.mark.parametrize("name", ["kl", "psi", "js", "hellinger"])
def test_the_values_are_right(name: str, data: tuple[pa.Table, pa.Table], folder: Path) -> None:
    for one in _drift("pyarrow", data, folder, divergence=name):
        counts = [x.tolist() for x in one.counts[:2]]
        assert one.value == pytest.approx(divergence(name, *counts), rel=4 * EPS)


def test_edges_are_quantiles_of_the_reference(polars_result: Drift) -> None:
    counts = polars_result["small"].counts.reference
    assert len(counts) == 10
    assert np.abs(counts / counts.sum() - 0.1).max() < 0.1 / 20


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["kl", "psi"])
def test_joined_in_every_engine(
    form: str, name: str, data: tuple[pa.Table, pa.Table], folder: Path
) -> None:
    small = tuple(x.slice(0, 20_000) for x in data)
    reference, current = (
        native(form, x, folder, f"{k} small") for x, k in zip(small, "pq", strict=True)
    )
    columns = ("store", "items", "code", "day")
    bins = dict.fromkeys(("items", "code"))
    options: dict[str, Any] = {"bins": bins, "divergence": name, "smoothing": 0.5}
    for one, host in zip(
        drift(reference, current, columns, join="engine", **options),
        drift(small[0], small[1], columns, **options),
        strict=True,
    ):
        assert one.value == pytest.approx(host.value, rel=8 * EPS)
        assert one.interval == pytest.approx(host.interval, rel=1e-12)
        assert one.counts.cells.sum() == len(host.counts.keys)
        unique = [row for row in one.top(5) if " more" not in row.label]
        expected = {row.label: row[2:4] for row in host.top(None)}
        assert unique
        assert all(row[2:4] == expected[row.label] for row in unique)


def test_two_engines(data: tuple[pa.Table, pa.Table], folder: Path, polars_result: Drift) -> None:
    reference = native("duckdb", data[0], folder, "ref")
    current = native("pandas of arrow", data[1], folder, "cur")
    found = drift(reference, current, COLUMNS, "js", bins={"code": None})
    assert [one.value for one in found] == [one.value for one in polars_result]


def test_counts_beyond_float32(folder: Path) -> None:
    """float32 counters stop at 2^24."""
    import duckdb

    rows = 2**24 + 3
    reference = duckdb.sql(f"SELECT i < 1 AS flag, 1.5 AS x FROM range({rows}) t(i)")
    found = drift(reference, reference)
    assert found["flag"].counts.reference.tolist() == [rows - 1, 1]
    assert found["x"].counts.reference.tolist() == [0, rows, 0]
    assert found["x"].counts.reference.dtype == np.int64
