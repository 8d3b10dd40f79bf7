"""PySpark in local mode: `unikl.tables.drift` gives what it gives on PyArrow, to the bit.

``make test-engines`` runs it (it sets ``UNIKL_ENGINES``: a missing Spark or Java fails, then);
elsewhere it is skipped, as a session alone takes some ten seconds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tables.engines import table
from unikl.tables import drift

# PySpark 4.3 knows no pandas 3 yet, which nothing here uses.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A session on this machine alone: no page, no port that others reach."""
    if not os.environ.get("UNIKL_ENGINES"):
        pytest.skip("`make test-engines` runs Spark")
    if shutil.which("java") is None:
        pytest.fail("there is no Java: apt-get install default-jre-headless")
    from pyspark.sql import SparkSession

    options: dict[str, Any] = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }
    session = SparkSession.builder.master("local[2]").config(map=options).getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[pa.Table, pa.Table, Path]:
    folder = tmp_path_factory.mktemp("spark")
    columns = ["store", "amount", "items", "day", "open"]
    found = [table(rows, seed).select(columns) for rows, seed in ((20_000, 0), (10_000, 1))]
    for name, data in zip(("ref", "cur"), found, strict=True):
        pq.write_table(data, folder / f"{name}.parquet")
    return found[0], found[1], folder


@pytest.mark.parametrize(
    "options",
    [
        {"divergence": "js"},
        {"divergence": "psi", "smoothing": 0.5, "nan": "category"},
        {"join": "engine", "bins": {"items": None, "amount": [1.0, 10.0]}, "smoothing": 0.5},
    ],
    ids=["bins", "nan", "join"],
)
def test_spark_counts_like_arrow(
    options: dict[str, Any], spark: Any, tables: tuple[pa.Table, pa.Table, Path]
) -> None:
    reference, current, folder = tables
    frames = [spark.read.parquet(str(folder / f"{name}.parquet")) for name in ("ref", "cur")]
    found, expected = drift(frames[0], frames[1], **options), drift(reference, current, **options)
    for one, other in zip(found, expected, strict=True):
        assert (one.column, one.edges) == (other.column, other.edges)
        for mine, theirs in zip(one.counts[:3], other.counts[:3], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert one.value == other.value
        assert one.interval == other.interval
        assert [row.label for row in one.top(3)] == [row.label for row in other.top(3)]


def test_the_control_can_fail(spark: Any, tables: tuple[pa.Table, pa.Table, Path]) -> None:
    """One row less is another result."""
    reference, _, folder = tables
    frame = spark.read.parquet(str(folder / "ref.parquet"))
    less = drift(frame, frame.limit(reference.num_rows - 1), "open")["open"]
    whole = drift(reference, reference, "open")["open"]
    assert less.counts.current.sum() == whole.counts.current.sum() - 1
    assert less.value != whole.value
