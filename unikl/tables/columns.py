"""One column of a table of any engine, and the queries on it: counts leave the engine, no rows.

The queries keep to what all engines do alike.  Three traps that they walk around:

* NaN.  DuckDB and polars order it above infinity, pandas and pyarrow compare it as false, pandas
  takes it for null; DuckDB lets it through ``x < inf`` on Parquet.  So it is never compared: it is
  replaced by null before, inside the engine, and counted on its own.
* Null as a key comes back as None, NaN, NaT or NA.  So it is never a key.
* Sums of integers come back as decimals, floats of float32 columns in float32.  So values are
  float64 from the start, and numbers are read by `int`.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import narwhals as nw

__all__ = ["Column", "Missing", "Pairs", "check_kinds", "check_types", "joined"]

_x = nw.col("x")
_Cast = type[nw.Int64] | type[nw.Float64]


@dataclass(frozen=True)
class Missing:
    """How many rows a column has, and how many of them hold no value."""

    rows: int
    nulls: int
    nans: int


@dataclass(frozen=True, eq=False)
class Column:
    """One column of one table.

    Attributes
    ----------
    frame : nw.LazyFrame
        The table.
    table, name : str
        Of the table ("reference" or "current") and of the column.
    numbers : bool
        Whether it is read as float64, to be put in bins.
    """

    frame: nw.LazyFrame[Any]
    table: str
    name: str
    dtype: nw.dtypes.DType
    numbers: bool

    def __str__(self) -> str:
        return f"column {self.name!r} of {self.table}"

    @property
    def kind(self) -> str:
        """What the keys are: columns of two kinds have no category in common."""
        if self.dtype.is_numeric():
            return "numbers"
        if self.dtype in (nw.String, nw.Categorical, nw.Enum):
            return "text"
        if isinstance(self.dtype, nw.Datetime):
            return "times with a zone" if self.dtype.time_zone else "times without a zone"
        if self.dtype in (nw.Object, nw.Unknown):
            return "objects"
        return type(self.dtype).__name__.lower()

    @property
    def _floats(self) -> bool:
        return self.numbers or self.dtype.is_float() or self.dtype.is_decimal()

    def _raw(self, cast: _Cast | None = None) -> nw.LazyFrame[Any]:
        x = nw.col(self.name)
        if self._floats:
            x = x.cast(nw.Float64)
        elif cast is not None:
            x = x.cast(cast)
        elif self.dtype in (nw.Categorical, nw.Enum):
            x = x.cast(nw.String)
        return self.frame.select(x.alias("x"))

    def values(self, cast: _Cast | None = None) -> nw.LazyFrame[Any]:
        """The values in a column "x", without null and NaN."""
        frame = self._raw(cast)
        if self._floats:
            frame = frame.select(nw.when(~_x.is_nan()).then(_x).alias("x"))
        return frame.filter(~_x.is_null())

    def missing(self) -> Missing:
        """Count the rows, nulls and NaNs: in pandas without nullable types, all are nulls."""
        frame = self._raw()
        null = _x.is_null()
        nan = nw.when(null).then(nw.lit(0)).otherwise(_x.is_nan().cast(nw.Int64))
        flags = frame.select(
            null.cast(nw.Int64).alias("nulls"),
            (nan if self._floats else null.cast(nw.Int64)).alias("nans"),
        )
        found = _row(
            flags.select(nw.len().alias("rows"), nw.col("nulls").sum(), nw.col("nans").sum())
        )
        nans = int(found["nans"] or 0) if self._floats else 0
        return Missing(int(found["rows"]), int(found["nulls"] or 0), nans)

    def tally(self, most: int | None) -> dict[Any, int] | None:
        """The count of each value; None if there are more than `most` of them."""
        counts = self.values().group_by("x").agg(nw.len().alias("n"))
        if most is not None:
            counts = counts.head(most + 1)
        found = counts.collect()
        if most is not None and len(found) > most:
            return None
        return _as_counts(found)

    def histogram(self, edges: list[float]) -> dict[int, int]:
        """How many values lie below ``edges[0]`` (0), in ``[edges[0], edges[1])`` (1), ..."""
        if not edges:  # a literal alone has no length
            (count,) = _row(self.values().select(nw.len().alias("n"))).values()
            return {0: int(count)}
        binned = self.values().select(_bin(edges).alias("x"))
        return _as_counts(binned.group_by("x").agg(nw.len().alias("n")).collect())

    def span(self) -> tuple[float, float, int] | None:
        """The smallest and the largest finite value, and how many there are; None for none."""
        finite = self._between(-math.inf, math.inf, strictly=True)
        found = _row(finite.select(_x.min().alias("a"), _x.max().alias("b"), nw.len().alias("n")))
        count = int(found["n"])
        return (float(found["a"]), float(found["b"]), count) if count else None

    def cells(self, low: float, high: float, count: int) -> list[tuple[float, float, int]]:
        """Smallest and largest value and number, of equal cells of [low, high]; without the empty.

        Nothing if the range is too small (or too large) to be divided.
        """
        # In halves, as the width of the largest range overflows.
        width = high / 2 - low / 2
        scale = count / width if width > 0 else math.inf
        if not 0 < scale < math.inf:
            return []
        inside = self._between(low, high, strictly=False)
        at = ((_x * 0.5 - low / 2) * scale).floor().cast(nw.Int64)
        found = (
            inside.select(_x, at.alias("at"))
            .group_by("at")
            .agg(_x.min().alias("a"), _x.max().alias("b"), nw.len().alias("n"))
            .collect()
        )
        columns = (found[name].to_list() for name in ("a", "b", "n"))
        return sorted((float(a), float(b), int(n)) for a, b, n in zip(*columns, strict=True))

    def _between(self, low: float, high: float, *, strictly: bool) -> nw.LazyFrame[Any]:
        inside = (_x > low) & (_x < high) if strictly else (_x >= low) & (_x <= high)
        kept = self.values().select(nw.when(inside).then(_x).alias("x"))
        return kept.filter(~_x.is_null())


@dataclass(frozen=True)
class Pairs:
    """How many categories have the counts (a, b), and the smallest of their keys."""

    reference: list[int]
    current: list[int]
    cells: list[int]
    keys: list[Any]


def joined(reference: Column, current: Column) -> Pairs:
    """Join the counts of both columns by key, in the engine, and count the pairs of counts.

    N rows have at most about (6 N)^(2/3) / 2 different pairs, and mostly far fewer, however many
    categories there are.
    """
    cast: _Cast | None = None
    if reference.dtype != current.dtype and reference.kind == "numbers":
        integers = reference.dtype.is_integer() and current.dtype.is_integer()
        cast = nw.Int64 if integers else nw.Float64
    counts = [
        column.values(cast).group_by("x").agg(nw.len().alias(name))
        for column, name in ((reference, "a"), (current, "b"))
    ]
    both = counts[0].join(counts[1], on="x", how="full", suffix="_right")
    either = nw.when(~_x.is_null()).then(_x).otherwise(nw.col("x_right")).alias("x")
    numbers = (nw.col(name).fill_null(0).cast(nw.Int64) for name in ("a", "b"))
    found = (
        both.select(either, *numbers)
        .group_by("a", "b")
        .agg(nw.len().alias("m"), _x.min().alias("x"))
        .collect()
    )
    a, b, m = ([int(n) for n in found[name].to_list()] for name in ("a", "b", "m"))
    return Pairs(a, b, m, found["x"].to_list())


def check_kinds(reference: Column, current: Column) -> None:
    """Keys of two kinds never meet: every category would be missing from the other table."""
    kinds = {reference.kind, current.kind}
    if len(kinds) == 2 and "objects" not in kinds:
        raise TypeError(
            f"{reference} holds {reference.kind} ({reference.dtype}), {current} {current.kind} "
            f"({current.dtype}): they have no value in common; cast one of them"
        )


def check_types(name: str, reference: dict[Any, int], current: dict[Any, int]) -> None:
    """The same for Python objects, whose column does not say what they are."""
    kinds = [sorted({_type_of(key) for key in keys}) for keys in (reference, current)]
    if all(kinds) and not set(kinds[0]) & set(kinds[1]):
        raise TypeError(
            f"column {name!r} holds {' and '.join(kinds[0])} in reference, "
            f"{' and '.join(kinds[1])} in current: they have no value in common; cast one of them"
        )


def _type_of(key: Any) -> str:
    kinds: dict[str, Any] = {  # in this order: a bool is an int, a datetime a date
        "truth values": bool,
        "numbers": (int, float, Decimal),
        "text": str,
        "times": datetime.datetime,
        "dates": datetime.date,
    }
    found = (name for name, types in kinds.items() if isinstance(key, types))
    return next(found, type(key).__name__)


def _bin(edges: list[float], first: int = 0) -> nw.Expr:
    """The number of edges that are not above x, by bisection; `first` is added."""
    if not edges:
        return nw.lit(first)
    middle = len(edges) // 2
    above = _bin(edges[middle + 1 :], first + middle + 1)
    return nw.when(_x >= edges[middle]).then(above).otherwise(_bin(edges[:middle], first))


def _row(frame: nw.LazyFrame[Any]) -> Mapping[str, Any]:
    found = frame.collect()
    return {name: found[name].to_list()[0] for name in found.columns}


def _as_counts(found: nw.DataFrame[Any]) -> dict[Any, int]:
    """Keys that are equal (1 and 1.0, 0.0 and -0.0) are one."""
    counts: dict[Any, int] = {}
    for key, n in zip(found["x"].to_list(), found["n"].to_list(), strict=True):
        counts[key] = counts.get(key, 0) + int(n)
    return counts
