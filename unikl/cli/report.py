"""What ``unikl kl`` prints: the files, the divergences, and the rows that matter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unikl.cli import console
from unikl.cli.files import Source
from unikl.cli.summary import Summary

if TYPE_CHECKING:
    from rich.console import Console

Values = npt.NDArray[Any]

_UNITS = {None: "nats", math.e: "nats", 2.0: "bits", 10.0: "hartleys"}
_ABOUT = ("file", "form", "shape", "dtype")
_LISTED = 10  # indices of infinite or NaN rows


def print_files(out: Console, sources: Sequence[Source], summaries: Sequence[Summary]) -> None:
    """What the two files hold, side by side."""
    columns = [
        {
            "file": source.spec,
            "form": summary.form,
            "shape": " x ".join(map(str, source.shape)) or "scalar",
            "dtype": source.dtype,
            **summary.cells(),
        }
        for source, summary in zip(sources, summaries, strict=True)
    ]
    table = console.table("", "p", "q")
    for name in (*_ABOUT, *Summary.NAMES):
        cells = [column.get(name, "") for column in columns]
        if any(cells):
            table.add_row(name, *cells)
    out.print(table)
    out.print()


def print_values(out: Console, values: Mapping[str, Values], base: float | None, top: int) -> None:
    """One line for each backend, how far they are apart, and the rows that matter."""
    first = next(iter(values.values()))
    unit = _UNITS.get(base, f"units of log {base:g}" if base is not None else "")
    title = f"KL(p || q), {unit}"
    if first.ndim == 0:
        table = console.table("backend", title, numbers=1)
        for name, value in values.items():
            table.add_row(name, str(value[()]))
    else:
        count = f"{first.size} rows" if first.size != 1 else "1 row"
        table = console.table(f"{title}, {count}", "mean", "median", "max", numbers=3)
        for name, value in values.items():
            table.add_row(name, *_statistics(value))
    out.print(table)
    out.print()
    if len(values) > 1 and first.size:
        out.print(_spread(values), end="\n\n", soft_wrap=True)
    if first.ndim and first.size > 1:
        _print_rows(out, values, top)


def _statistics(value: Values) -> tuple[str, ...]:
    """Mean, median and largest value, in the digits of the dtype."""
    if value.size == 0:
        return ("-", "-", "-")
    wide = value.astype(np.float64)
    with np.errstate(invalid="ignore"):  # the middle of inf and inf
        found = (wide.mean(), np.median(wide), wide.max())
    return tuple(str(value.dtype.type(number)) for number in found)


def _spread(values: Mapping[str, Values]) -> str:
    """Where the backends are furthest apart, and by how much."""
    eps = max(float(np.finfo(value.dtype).eps) for value in values.values())
    stack = np.stack([value.astype(np.float64) for value in values.values()])
    same = (stack == stack[0]).all(axis=0) | np.isnan(stack).all(axis=0)
    with np.errstate(invalid="ignore"):
        high = stack.max(axis=0)
        apart = np.where(same, 0.0, high - stack.min(axis=0))
        # A NaN or an infinity that only some backends give is as far apart as can be.
        apart = np.where(np.isnan(apart), math.inf, apart)
        relative = np.where(apart > 0, apart / eps / np.where(apart > 0, high, 1.0), 0.0)
    relative = np.where(np.isnan(relative), math.inf, relative)
    if not apart.any():
        return f"spread between the {len(values)} backends: 0, the same bits"
    worst = np.unravel_index(int(relative.argmax()), relative.shape)
    where = f" (row {_index(worst)})" if worst else ""
    return (
        f"spread between the {len(values)} backends: at most {relative[worst]:.2g} eps, "
        f"{apart[worst]:.2g}{where}"
    )


def _print_rows(out: Console, values: Mapping[str, Values], top: int) -> None:
    first = next(iter(values.values()))
    for kind, flags in (("infinite", np.isinf(first)), ("NaN", np.isnan(first))):
        found = np.argwhere(flags)
        if len(found):
            listing = ", ".join(_index(index) for index in found[:_LISTED])
            more = ", ..." if len(found) > _LISTED else ""
            out.print(
                f"{kind} in {len(found)} of {first.size}: row {listing}{more}", soft_wrap=True
            )
    finite = np.flatnonzero(np.isfinite(first))
    order = finite[np.argsort(-first.ravel()[finite], kind="stable")][:top]
    if not len(order):
        return
    table = console.table("largest: row", *values, numbers=len(values))
    for flat in order:
        index = np.unravel_index(flat, first.shape)
        table.add_row(_index(index), *(str(value[index]) for value in values.values()))
    out.print(table)
    out.print()


def _index(index: Sequence[Any]) -> str:
    """``7``, or ``(7, 3)`` where rows have more than one index."""
    numbers = [str(int(number)) for number in index]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"
