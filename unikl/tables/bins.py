"""Bins for numbers: edges taken from the reference, by its quantiles or of equal width.

k edges make k + 1 bins: below the first, between two (the lower one belongs to the bin), and from
the last one on.  So no number falls outside, infinities included.

Quantiles come from counts alone, in the same way on every engine: the numbers are counted in
equal cells; a cell that is too heavy for the quantile in it is counted again, in finer cells
between the smallest and the largest number in it, until it is light enough or holds one number.
Every edge is a number of the column, and its rank is right to 1/40 of a bin's mass, but for
numbers that occur more often than that.  Without a finite number in the reference there is one
bin of all numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .columns import Column

__all__ = ["label", "quantile_edges", "width_edges"]

_CELLS = 4096
_PASSES = 40  # that many need a span of hundreds of orders of magnitude


def quantile_edges(column: Column, bins: int) -> list[float]:
    """The inner edges of so many bins of about equal mass; fewer where many numbers are equal."""
    span = column.span()
    if span is None:
        return []
    low, high, total = span
    if low == high:
        return _around(low)
    targets = [k * total / bins for k in range(1, bins)]
    found = _refine(column, (low, high), 0, math.inf, targets, total / (20 * bins), _PASSES)
    return sorted({edge for edge in found if low < edge < math.inf}) or [high]


def width_edges(column: Column, bins: int) -> list[float]:
    """The inner edges of so many bins of equal width."""
    span = column.span()
    if span is None:
        return []
    low, high, _ = span
    if low == high:
        return _around(low)
    edges = [low * (1 - k / bins) + high * (k / bins) for k in range(1, bins)]
    return sorted({edge for edge in edges if low < edge < high}) or [high]


def label(edges: Sequence[float], index: int) -> str:
    """The bin in words."""
    if not edges:
        return "all"
    if index == 0:
        return f"below {edges[0]:.6g}"
    low = edges[index - 1]
    if index == len(edges):
        return f"from {low:.6g}"
    if edges[index] == math.nextafter(low, math.inf):
        return f"{low:.6g}"
    return f"{low:.6g} to {edges[index]:.6g}"


def _around(value: float) -> list[float]:
    """One number alone in the reference: a bin of its own, as anything else is new."""
    return [value, math.nextafter(value, math.inf)]


def _refine(
    column: Column,
    span: tuple[float, float],
    below: int,
    beyond: float,
    targets: Sequence[float],
    light: float,
    passes: int,
) -> list[float]:
    """An edge for each target rank: that of a number of the span, or `beyond`, the next one.

    `below` numbers lie under the span.
    """
    cells = column.cells(*span, _CELLS) if passes else []
    if not cells:
        return [span[0] for _ in targets]
    found: list[float] = []
    left = list(targets)
    for position, (low, high, count) in enumerate(cells):
        last = position == len(cells) - 1
        inside = [t for t in left if last or t <= below + count]
        left = left[len(inside) :]
        following = beyond if last else cells[position + 1][0]
        if inside and low < high and count > light:
            found += _refine(column, (low, high), below, following, inside, light, passes - 1)
        else:
            found += [low if t - below <= below + count - t else following for t in inside]
        below += count
    return found
