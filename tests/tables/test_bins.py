"""Edges from the reference: at its quantiles, whatever it holds."""

from __future__ import annotations

import math
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from unikl.tables import columns, drift
from unikl.tables.bins import label, quantile_edges, width_edges
from unikl.tables.columns import Column

_RNG = np.random.default_rng(0)
SPREAD = {
    "normal": _RNG.normal(size=20_000),
    "heavy": np.exp(8 * _RNG.normal(size=20_000)),
    "two scales": np.r_[_RNG.normal(size=5000) * 1e-300, _RNG.normal(size=5000) * 1e300],
    "largest": np.r_[-1.7e308, _RNG.normal(size=5000), 1.7e308],
    "shifted": 1e9 + _RNG.normal(size=20_000),
}


def _column(values: Any) -> Column:
    frame = pl.DataFrame({"x": np.asarray(values, dtype=np.float64)}).lazy()
    return Column(nw.from_native(frame), "reference", "x", nw.Float64(), True)


@pytest.mark.parametrize("name", SPREAD)
@pytest.mark.parametrize("bins", [2, 10, 37])
def test_bins_of_equal_mass(name: str, bins: int) -> None:
    values = SPREAD[name]
    column = _column(values)
    edges = quantile_edges(column, bins)
    assert len(edges) == bins - 1
    assert set(edges) <= set(values.tolist())
    counts = column.histogram(edges)
    assert sum(counts.values()) == len(values)
    assert all(abs(n / len(values) - 1 / bins) <= 1 / (20 * bins) + 2e-4 for n in counts.values())


def test_equal_cells_alone_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from unikl.tables import bins

    monkeypatch.setattr(bins, "_PASSES", 1)
    column = _column(SPREAD["heavy"])
    counts = column.histogram(bins.quantile_edges(column, 10))
    assert max(counts.values()) > 0.2 * len(SPREAD["heavy"])


def test_numbers_that_occur_often() -> None:
    values = np.r_[np.zeros(6000), np.abs(_RNG.normal(size=4000)) + 1]
    column = _column(values)
    edges = quantile_edges(column, 10)
    assert column.histogram(edges)[0] == 6000
    codes = _column(np.repeat([0, 1, 2], [50, 30, 20]))
    assert quantile_edges(codes, 10) == [1.0, 2.0]


def test_one_number_alone() -> None:
    reference, current = (pl.DataFrame({"x": x}) for x in ([5.0] * 10, [5.0] * 4 + [4.0, 6.0]))
    (one,) = drift(reference, current, divergence="reverse_kl")
    assert [row.label for row in one.top(None) if row.reference] == ["5"]
    assert one.value == math.inf
    assert drift(reference, reference)["x"].value == 0.0


def test_too_small_to_be_divided() -> None:
    column = _column([0.0, 5e-324, 1e-323])
    assert quantile_edges(column, 10) == [1e-323]
    assert column.histogram([]) == {0: 3}


def test_equal_width() -> None:
    column = _column([0.0, 1.0, 2.0, 8.0])
    assert width_edges(column, 4) == [2.0, 4.0, 6.0]
    assert quantile_edges(column, 4) == [1.0, 2.0, 8.0]
    data = pl.DataFrame({"x": [0.0, 1.0, 2.0, 8.0, math.inf]})
    (one,) = drift(data, data, bins=4, edges="width")
    assert one.edges == (2.0, 4.0, 6.0)
    assert one.counts.reference.tolist() == [2, 1, 0, 2]


def test_edges_as_given() -> None:
    data = pl.DataFrame({"x": [-math.inf, 0.0, 0.5, 1.0, 7.0, math.inf], "y": [1, 2, 3, 4, 5, 6]})
    found = drift(data, data, bins={"x": [0, 1, 2], "y": None})
    assert found["x"].edges == (0.0, 1.0, 2.0)
    assert found["x"].counts.reference.tolist() == [1, 2, 1, 2]
    assert found["y"].edges is None


def test_labels() -> None:
    edges = [0.0, 1.5, math.nextafter(1.5, 2)]
    assert [label(edges, i) for i in range(4)] == ["below 0", "0 to 1.5", "1.5", "from 1.5"]
    assert label([], 0) == "all"


def test_an_empty_span_has_no_cells() -> None:
    assert _column([1.0, 1.0]).cells(1.0, 1.0, 10) == []
    assert _column([math.inf, math.nan]).span() is None
    assert columns.__doc__ is not None
