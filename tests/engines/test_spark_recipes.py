"""The recipes for Spark in docs/scale/recipes.md; run by `make test-engines`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from unikl import kl_divergence

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scale" / "recipes.md"

# Spark's own: it leaves the sockets to its Java process to the end of the program.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore:PySpark does not yet fully support pandas:FutureWarning"
)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Spark on this machine, with two workers."""
    os.environ["PYSPARK_PYTHON"] = sys.executable  # for the workers; there is no option for it
    builder: Any = SparkSession.builder
    options = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.executorEnv.PYTHONPATH": str(ROOT),
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.master("local[2]").getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    """What the page defines."""
    marked = r"test_spark_recipes.py runs this -->\n```python\n(.*?)^```"
    blocks = re.findall(marked, PAGE.read_text(), re.M | re.S)
    assert len(blocks) == 2
    names: dict[str, Any] = {"__name__": "__main__"}  # so that it travels by value
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    return names


def test_rows(spark: Any, recipe: dict[str, Any]) -> None:
    p, q = np.random.default_rng(0).dirichlet(np.ones(16), (2, 100))
    lines = [(k, p[k].tolist(), q[k].tolist()) for k in range(100)]
    table = spark.createDataFrame(lines, "id long, p array<double>, q array<double>")
    found = dict(recipe["rows"](table.repartition(4)).collect())
    expected = kl_divergence(p, q)
    assert [found[k] for k in range(100)] == pytest.approx(expected.tolist(), rel=8 * 2.0**-52)


def test_lines(spark: Any, recipe: dict[str, Any]) -> None:
    p, q = np.random.default_rng(1).integers(0, 50, (2, 3, 200)).astype(float)
    lines = [(k, float(p[k, c]), float(q[k, c] + 1)) for k in range(3) for c in range(200)]
    table = spark.createDataFrame(lines, "id long, p double, q double").repartition(5)
    found = dict(recipe["lines"](table).collect())
    expected = kl_divergence(p, q + 1, given="counts")
    assert [found[k] for k in range(3)] == pytest.approx(expected.tolist(), rel=8 * 2.0**-52)


def test_a_failing_worker_is_an_error(spark: Any, recipe: dict[str, Any]) -> None:
    lines = [(0, [0.5, 0.5], [0.5, 0.5]), (1, [1.0, 2.0], [0.5, 0.5])]
    table = spark.createDataFrame(lines, "id long, p array<double>, q array<double>")
    with pytest.raises(Exception, match="rows of p sum to between 3 and 3"):
        recipe["rows"](table).collect()
