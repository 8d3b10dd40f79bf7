"""Drift between the columns of two tables, on the engine that holds them.

`drift` takes any table that narwhals reads: pandas, polars, PyArrow, DuckDB, Dask, Ibis, PySpark.
The engine counts, and only counts leave it.  Needs ``unikl[tables]``.
"""

try:
    import narwhals  # noqa: F401
except ImportError as error:
    raise ImportError(
        "unikl.tables needs narwhals: pip install 'unikl[tables]' (or narwhals alone, for tables "
        "of pandas, polars and the like)"
    ) from error

from .compare import drift
from .result import Category, ColumnDrift, Drift

__all__ = ["Category", "ColumnDrift", "Drift", "drift"]
