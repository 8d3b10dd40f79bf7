"""What `unikl.tables.drift` finds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import narwhals as nw
import numpy as np

from .formulas import Counts, Floats

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["HEADERS", "Category", "ColumnDrift", "Drift", "LeftOut"]

HEADERS = ("column", "drift", "interval", "only in current", "only in reference", "most of it")
_NAMED = 3
_ROWS = 10


class LeftOut(NamedTuple):
    """The rows of the reference and of the current table that do not count, and why."""

    null: tuple[int, int] = (0, 0)
    nan: tuple[int, int] = (0, 0)
    unseen: tuple[int, int] = (0, 0)


class Category(NamedTuple):
    """A category (or a bin, or several of the same counts) and its part of the divergence."""

    label: str
    key: Any
    reference: int
    current: int
    contribution: float
    share: float


@dataclass(frozen=True, eq=False)
class ColumnDrift:
    """How far one column has moved.

    Attributes
    ----------
    column : str
    value : float
        The divergence; +inf where the formula says so, and `infinite` names the categories.
    interval : tuple of float, or None
        For the divergence of the distributions that the tables are samples of.
    counts : Counts
        `reference`, `current` (integers) and `keys`, one for each category or bin; None is null
        and a NaN is NaN.  Where the engine joined, `cells` categories have these counts,
        and the key is the smallest of theirs.
    contributions : ndarray of float64
        The parts of the divergence, never negative (of its square for "hellinger").
    edges : tuple of float, or None
        Of the bins.
    rows : tuple of int
        Of the reference and the current table, all of them.
    left_out : LeftOut
        The rows that did not count.
    """

    column: str
    value: float
    interval: tuple[float, float] | None
    counts: Counts
    contributions: Floats
    edges: tuple[float, ...] | None
    rows: tuple[int, int]
    left_out: LeftOut

    @property
    def shares(self) -> Floats:
        """The contributions over their sum; in the limit, where some are infinite."""
        weights, lost = self.contributions, np.isinf(self.contributions)
        if lost.any():
            masses = self.counts.cells * (self.counts.reference + self.counts.current)
            weights = np.where(lost, masses, 0.0)
        total = weights.sum()
        return weights / total if total > 0 else weights

    @property
    def only_in_current(self) -> list[str]:
        """The categories that the reference has not."""
        return self._labels(self.counts.reference == 0, self.counts.current > 0)

    @property
    def only_in_reference(self) -> list[str]:
        """The categories that the current table has not."""
        return self._labels(self.counts.current == 0, self.counts.reference > 0)

    @property
    def infinite(self) -> list[str]:
        """The categories that make the divergence infinite."""
        return self._labels(np.isinf(self.contributions))

    def top(self, most: int | None = _ROWS) -> list[Category]:
        """The categories that contribute most (all for None)."""
        shares = self.shares
        finite = np.where(np.isinf(self.contributions), 0.0, self.contributions)
        order = np.lexsort((-finite, -shares))[:most]
        return [
            Category(
                self._label(i),
                self.counts.keys[i],
                int(self.counts.reference[i] * self.counts.cells[i]),
                int(self.counts.current[i] * self.counts.cells[i]),
                float(self.contributions[i]),
                float(shares[i]),
            )
            for i in order.tolist()
        ]

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Everything, as JSON can hold it, with so many categories (all for None)."""
        left_out = {name: list(n) for name, n in self.left_out._asdict().items() if any(n)}
        return {
            "column": self.column,
            "value": _plain(self.value),
            "interval": None if self.interval is None else list(self.interval),
            "rows": list(self.rows),
            "edges": None if self.edges is None else list(self.edges),
            "number_of_categories": int(self.counts.cells.sum()),
            "only_in_current": self.only_in_current[:most],
            "only_in_reference": self.only_in_reference[:most],
            "left_out": left_out,
            "categories": [
                {
                    "label": one.label,
                    "reference": one.reference,
                    "current": one.current,
                    "contribution": _plain(one.contribution),
                    "share": one.share,
                }
                for one in self.top(most)
            ],
        }

    def cells(self) -> tuple[str, ...]:
        """One line of the summary, under `HEADERS`."""
        interval = "-" if self.interval is None else "{:.4g} to {:.4g}".format(*self.interval)
        largest = [one for one in self.top(_NAMED) if one.share > 0]
        return (
            self.column,
            f"{self.value:.6g}",
            interval,
            _some(self.only_in_current),
            _some(self.only_in_reference),
            ", ".join(f"{one.label} {one.share:.0%}" for one in largest) or "-",
        )

    def _label(self, i: int) -> str:
        key, cells = self.counts.keys[i], int(self.counts.cells[i])
        return _text(key) if cells == 1 else f"{_text(key)} and {cells - 1} more"

    def _labels(self, *masks: Any) -> list[str]:
        return [self._label(i) for i in np.flatnonzero(np.logical_and.reduce(masks)).tolist()]


@dataclass(frozen=True, eq=False)
class Drift:
    """The columns of two tables, compared; ``print`` it, or see the methods.

    Attributes
    ----------
    columns : tuple of ColumnDrift
        Also by name, ``found["amount"]``.
    divergence : str
    smoothing, level : float
        As they were given.
    """

    columns: tuple[ColumnDrift, ...]
    divergence: str
    smoothing: float
    level: float

    def __getitem__(self, name: str) -> ColumnDrift:
        for one in self.columns:
            if one.column == name:
                return one
        raise KeyError(name)

    def __iter__(self) -> Iterator[ColumnDrift]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __str__(self) -> str:
        table = [HEADERS, *(one.cells() for one in self.columns)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [self.heading]
        for row in table:
            padded = (text.ljust(n) for text, n in zip(row, widths, strict=True))
            lines.append("  ".join(padded).rstrip())
        return "\n".join(lines)

    def __rich__(self) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(*HEADERS, title=self.heading, box=box.SIMPLE_HEAD, title_justify="left")
        for one in self.columns:
            table.add_row(*(Text(cell) for cell in one.cells()))  # names are no markup
        return table

    @property
    def heading(self) -> str:
        """What the numbers are."""
        smoothing = f", smoothing {self.smoothing:g}" if self.smoothing else ""
        return (
            f"{self.divergence} of the reference and the current table, {100 * self.level:g} % "
            f"intervals{smoothing}"
        )

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Everything, as JSON can hold it: an infinity becomes ``"inf"``."""
        return {
            "divergence": self.divergence,
            "smoothing": self.smoothing,
            "level": self.level,
            "columns": [one.to_dict(most) for one in self.columns],
        }

    def to_narwhals(
        self, backend: Literal["pandas", "polars", "pyarrow"] = "pandas"
    ) -> nw.DataFrame[Any]:
        """One row for each column, as a table of pandas, polars or PyArrow."""
        intervals = [one.interval or (math.nan, math.nan) for one in self.columns]
        data: dict[str, list[Any]] = {
            "column": [one.column for one in self.columns],
            self.divergence: [one.value for one in self.columns],
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
            "rows_reference": [one.rows[0] for one in self.columns],
            "rows_current": [one.rows[1] for one in self.columns],
            "categories": [int(one.counts.cells.sum()) for one in self.columns],
            "only_in_current": [_empty(one.counts, "reference") for one in self.columns],
            "only_in_reference": [_empty(one.counts, "current") for one in self.columns],
            "largest": [one.top(1)[0].label for one in self.columns],
        }
        return nw.from_dict(data, backend=backend)

    def to_pandas(self) -> Any:
        """The same as a pandas table."""
        return self.to_narwhals("pandas").to_native()

    def to_html(self) -> str:
        """One page that holds all it needs; wants ``unikl[report]``."""
        from ..pages.drift import to_html

        return to_html(self)


def _empty(counts: Counts, table: Literal["reference", "current"]) -> int:
    """How many categories this table has not, but the other one."""
    either = counts.reference + counts.current > 0
    return int(counts.cells[(getattr(counts, table) == 0) & either].sum())


def _text(key: Any) -> str:
    """A key as a label, the same from every engine: 3 also where it came as 3.0."""
    if key is None:
        return "null"
    if isinstance(key, float):
        if math.isnan(key):
            return "NaN"
        return str(int(key)) if key.is_integer() and abs(key) < 1e16 else repr(key)
    return str(key)


def _some(labels: list[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return (", ".join(labels[:_NAMED]) or "-") + more


def _plain(x: float) -> float | str:
    return x if math.isfinite(x) else str(x)
