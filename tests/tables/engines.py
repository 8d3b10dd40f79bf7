"""One table in every form that there is an engine for, in this process."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FORMS = (
    "pandas",
    "pandas nullable",
    "pandas of arrow",
    "polars",
    "polars lazy",
    "polars scan",
    "pyarrow",
    "duckdb",
    "duckdb parquet",
    "dask",
    "ibis",
)


def table(rows: int, seed: int, *, nan: bool = True) -> pa.Table:
    """Text, numbers, whole numbers, dates, truth values: with nulls, and NaN, and infinities."""
    rng = np.random.default_rng(seed)
    mean = 3 + seed / 10
    amount = np.exp(rng.normal(mean / 3, 1, rows))
    amount[::97] = np.inf
    if nan:
        amount[::31] = np.nan
    start = datetime.date(2020, 1, 1)
    days = [start + datetime.timedelta(days=int(n)) for n in rng.poisson(mean, rows)]
    return pa.table(
        {
            "store": _some(rng, [f"store {n}" for n in rng.poisson(mean, rows)]),
            "amount": _some(rng, amount.tolist()),
            "items": _some(rng, rng.poisson(mean, rows).tolist()),
            "code": pa.array(rng.poisson(mean, rows).astype(np.int32)),
            "small": pa.array(rng.normal(seed, 1, rows).astype(np.float32)),
            "day": pa.array(days),
            "open": pa.array(rng.random(rows) < mean / 9),
            "colour": pa.array(rng.choice(["red", "green", "blue"], rows)).dictionary_encode(),
        }
    )


def _some(rng: np.random.Generator, values: list[Any]) -> pa.Array:
    """With nulls here and there."""
    lost = rng.random(len(values)) < 0.02
    return pa.array([None if no else x for no, x in zip(lost, values, strict=True)])


def native(form: str, data: pa.Table, folder: Path, name: str) -> Any:
    """The table in one form; both tables of a comparison are on one connection."""
    import dask.dataframe as dd
    import duckdb
    import pandas as pd
    import polars as pl

    path = folder / f"{name}.parquet"
    if not path.exists():
        pq.write_table(data, path)
    forms: dict[str, Callable[[], Any]] = {
        "pandas": lambda: data.to_pandas(),
        "pandas nullable": lambda: data.to_pandas().convert_dtypes(),
        "pandas of arrow": lambda: data.to_pandas(types_mapper=pd.ArrowDtype),
        "polars": lambda: pl.from_arrow(data),
        "polars lazy": lambda: pl.DataFrame(pl.from_arrow(data)).lazy(),
        "polars scan": lambda: pl.scan_parquet(path),
        "pyarrow": lambda: data,
        "duckdb": lambda: duckdb.from_arrow(data),
        "duckdb parquet": lambda: duckdb.read_parquet(str(path)),
        "dask": lambda: dd.from_pandas(data.to_pandas(types_mapper=pd.ArrowDtype), npartitions=3),
        "ibis": lambda: _ibis().read_parquet(path, table_name=name),
    }
    return forms[form]()


@functools.cache
def _ibis() -> Any:
    """One database for both tables: they are joined in it."""
    import ibis

    return ibis.duckdb.connect()
