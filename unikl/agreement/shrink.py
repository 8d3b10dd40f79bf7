"""From a failing input to the smallest one that fails in the same way."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from unikl.agreement.cases import Numbers
from unikl.agreement.checker import Checker, Plan
from unikl.agreement.examples import Arrays, Example
from unikl.agreement.outcome import Row

_TRIALS = 150  # inputs that Hypothesis makes up
_SECONDS = 20.0


def smallest(checker: Checker, example: Example, row: Row, given: Sequence[Any]) -> dict[str, Any]:
    """The smallest input found that fails like `row` of `example`, as `Outcome.minimal`.

    Rows and columns are left out, and Hypothesis looks for simple numbers in the range of `given`,
    after which perhaps more can be left out.
    """
    search = _Search(checker, example, row)
    _leave_out(search)
    _simplify(search, [_bounds(x, y) for x, y in zip(example.arrays, given, strict=True)])
    _leave_out(search)
    found = search.row
    return {
        "inputs": [x.tolist() for x in search.arrays],
        "dtype": row.dtype,
        "mode": row.mode,
        "backend": row.backend,
        "quantity": found.quantity,
        "what": str(found),
    }


class _Search:
    """The smallest failing input so far."""

    def __init__(self, checker: Checker, example: Example, row: Row) -> None:
        self.arrays, self.row = example.arrays, row
        self._checker, self._kind = checker, _kind(row)
        self._plan = Plan((row.dtype,), (row.mode,), row.quantity.startswith("gradient"))
        self._end = time.monotonic() + _SECONDS
        self._known: dict[bytes, Row | None] = {}
        self._wrong = self._backends(example.arrays)

    def fails(self, arrays: tuple[Numbers, ...]) -> bool:
        """Whether an input fails like the first one, and in no other backend; keeps it if so."""
        key = repr([(x.shape, x.tobytes()) for x in arrays]).encode()
        if key not in self._known:
            self._known[key] = self._try(arrays)
        row = self._known[key]
        if row is not None and _weight(arrays) <= _weight(self.arrays):
            self.arrays, self.row = arrays, row
        return row is not None

    @property
    def over(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() > self._end

    def _try(self, arrays: tuple[Numbers, ...]) -> Row | None:
        if self.over:
            return None
        rows = self._checker.check(Example("smallest input", arrays), self._plan).rows
        if {row.backend for row in rows if row.wrong} - self._wrong:
            return None
        return next((row for row in rows if row.wrong and _kind(row) == self._kind), None)

    def _backends(self, arrays: tuple[Numbers, ...]) -> set[str]:
        rows = self._checker.check(Example("", arrays), self._plan).rows
        return {row.backend for row in rows if row.wrong}


def _kind(row: Row) -> tuple[str, ...]:
    """What must stay the same: another mistake is no smaller case of this one."""
    raised = row.what.partition(":")[0] if row.status == "error" else ""
    return row.backend, row.status, row.quantity.partition(" ")[0], raised


def _weight(arrays: tuple[Numbers, ...]) -> tuple[int, int]:
    """Fewer numbers first, then shorter ones."""
    return sum(x.size for x in arrays), sum(len(f"{n:g}") for x in arrays for n in x.flat)


def _leave_out(search: _Search) -> None:
    """Leave out rows and columns, by one index or half of them at a time."""
    shorter = True
    while shorter and not search.over:
        shorter = any(search.fails(arrays) for arrays in _parts(search.arrays))


def _parts(arrays: tuple[Numbers, ...]) -> Iterator[tuple[Numbers, ...]]:
    """Smaller inputs: without a part of all axes of one length, or of those of them that are in
    the same place, or of one axis alone."""
    for n in sorted({n for x in arrays for n in x.shape if n > 1}, reverse=True):
        axes = [(i, axis) for i, x in enumerate(arrays) for axis, m in enumerate(x.shape) if m == n]
        places = [[one for one in axes if one[1] == axis] for axis in sorted({a for _, a in axes})]
        groups = [axes, *places, *([one] for one in axes)]
        few = range(min(n, 8))
        kept = [[i] for i in few] + [list(range(n // 2)), list(range(n // 2, n))]
        kept += [[j for j in range(n) if j != i] for i in few]
        for group in groups:
            for keep in kept:
                parts = list(arrays)
                for i, axis in group:
                    parts[i] = parts[i].take(keep, axis)
                yield tuple(parts)


def _bounds(x: Numbers, given: Any) -> tuple[float, float]:
    if isinstance(given, Arrays):
        return given.low, given.high
    finite = x[np.isfinite(x)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _simplify(search: _Search, bounds: Sequence[tuple[float, float]]) -> None:
    """Look for simpler numbers in the same shapes."""
    try:
        import hypothesis
        from hypothesis import strategies as st
    except ImportError:  # then what was left after leaving out is the answer
        return
    old = search.arrays
    numbers = [_numbers(st, x, *b) for x, b in zip(old, bounds, strict=True)]

    @st.composite
    def simpler(draw: Callable[..., Any]) -> tuple[Numbers, ...]:
        drawn = [
            draw(st.lists(number, min_size=x.size, max_size=x.size))
            for number, x in zip(numbers, old, strict=True)
        ]
        return tuple(
            np.array(flat, x.dtype).reshape(x.shape) for flat, x in zip(drawn, old, strict=True)
        )

    settings = hypothesis.settings(
        max_examples=_TRIALS,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    try:
        hypothesis.find(simpler(), search.fails, settings=settings, random=random.Random(0))
    except (hypothesis.errors.NoSuchExample, hypothesis.errors.Flaky):
        return  # nothing simpler; or the time ran out on the way, and the best so far is kept


def _numbers(st: Any, x: Numbers, low: float, high: float) -> Any:
    """Whole numbers in the range first, then float32's, then those that are there."""
    choices = []
    if math.ceil(low) <= math.floor(high):
        choices.append(st.integers(math.ceil(low), math.floor(high)))
    if x.dtype.kind == "f" and low < high:
        choices.append(st.floats(low, high).map(lambda n: float(np.clip(np.float32(n), low, high))))
    if x.size:
        choices.append(st.sampled_from(sorted(set(x.ravel()[:20].tolist()), key=repr)))
    return st.one_of(choices)
