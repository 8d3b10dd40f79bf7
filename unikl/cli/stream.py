"""Arrays larger than memory: which part of them comes next, and the divergence of long rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import unikl

Index = tuple[int | slice, ...]


class Block(NamedTuple):
    """A part of p and q: `rows` on the first axes, from `start` to `stop` on the next one."""

    rows: tuple[int, ...]
    start: int
    stop: int
    last: bool  # there are no more categories of these distributions

    def of(self, shape: Sequence[int], full: Sequence[int]) -> Index:
        """The part of an array of this shape, which is broadcast to `full`."""
        index: list[int | slice] = [*self.rows, slice(self.start, self.stop)]
        own = index[len(full) - len(shape) :] if len(full) - len(shape) < len(index) else []
        for axis, length in enumerate(shape[: len(own)]):
            if length == 1 and isinstance(own[axis], int):
                own[axis] = 0
            elif length == 1 != full[axis - len(shape)]:
                own[axis] = slice(0, 1)
        return tuple(own)

    def __str__(self) -> str:
        """Where it is, for an error message."""
        row = str(self.rows[0] if len(self.rows) == 1 else self.rows)
        if self.rows and self.start == 0:
            return f"in row {row}: "
        if self.rows:
            return f"in row {row}, from {self.start} on: "
        return f"in the rows from {self.start} on, counted from there: " if self.start else ""


@dataclass(frozen=True)
class Plan:
    """How p and q are cut into blocks.

    The first axis is cut, in rows or, where it holds categories, in parts of each distribution.
    If a single row is too long to be read whole, rows are taken one by one, and cut along the
    next axis.

    Attributes
    ----------
    shape : tuple of int
        p and q, broadcast.
    axes : tuple of int or None
        The axes of the categories, counted from the end; None for all.
    depth : int
        How many axes are taken one by one, before the one that is cut.
    step : int
        The length of a block on the axis that is cut; 0 where the arrays go in whole.
    parts : bool
        Whether blocks are parts of distributions, whose states are merged.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...] | None
    depth: int
    step: int
    parts: bool

    def blocks(self) -> Iterator[Block]:
        """All blocks, in the order of the files."""
        if self.step == 0:
            yield Block((), 0, self.shape[0] if self.shape else 1, True)
            return
        length = self.shape[self.depth]
        for rows in itertools.product(*map(range, self.shape[: self.depth])):
            for start in range(0, length, self.step):
                stop = min(start + self.step, length)
                yield Block(rows, start, stop, not self.parts or stop == length)

    def __len__(self) -> int:
        if self.step == 0:
            return 1
        return math.prod(self.shape[: self.depth]) * -(-self.shape[self.depth] // self.step)

    @property
    def batch(self) -> tuple[int, ...]:
        """The shape of the result."""
        axes = range(-len(self.shape), 0) if self.axes is None else self.axes
        return tuple(n for k, n in enumerate(self.shape, -len(self.shape)) if k not in axes)


def make_plan(shape: tuple[int, ...], axes: tuple[int, ...] | None, block: int, long: int) -> Plan:
    """Blocks of about `block` elements; distributions of up to `long` of them stay whole."""
    ndim = len(shape)
    reduced = range(-ndim, 0) if axes is None else axes
    for depth in range(ndim if math.prod(shape) else 0):
        size, inner = math.prod(shape[depth:]), math.prod(shape[depth + 1 :])
        if depth - ndim in reduced:
            if size <= long and depth == 0:
                break
            # Merging states keeps many intermediate results: smaller blocks.
            return Plan(shape, axes, depth, max(1, block // 8 // inner), True)
        if inner <= long and ndim > 1:
            return Plan(shape, axes, depth, max(1, block // inner), False)
    return Plan(shape, axes, 0, 0, False)


class Merger:
    """The states of blocks that arrive one after the other, merged as a tree: a sum of n blocks
    has a rounding error of log(n), and log(n) states are kept."""

    def __init__(self) -> None:
        self._states: list[tuple[int, unikl.KLState]] = []  # with how many blocks they hold

    def add(self, state: unikl.KLState) -> None:
        """Merge with states of as many blocks."""
        count = 1
        while self._states and self._states[-1][0] == count:
            state = self._states.pop()[1].merge(state)
            count *= 2
        self._states.append((count, state))

    def result(self, base: float | None) -> Any:
        """The divergence of all that was added."""
        first, *others = [state for _, state in reversed(self._states)]
        return first.merge(*others).result(base=base)
