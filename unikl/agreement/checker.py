"""One example through every backend, mode and dtype, and what the comparison says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from unikl.agreement.cases import Numbers
from unikl.agreement.compare import EPS
from unikl.agreement.consensus import majority, most_common
from unikl.agreement.examples import Example, rounded
from unikl.agreement.judge import Verdict, judge
from unikl.agreement.outcome import Row
from unikl.agreement.runners import Unavailable
from unikl.agreement.structure import Leaf, Traits
from unikl.agreement.subject import Computed, Run, Subject, describe
from unikl.agreement.truth import Target, Truth

Known = Callable[[Sequence[Numbers], tuple[int, ...]], Truth | None]

_STEP = 2.0**-20  # by which inputs are moved, relative to them, to see what moves
_SIGNS = 3  # how often


@dataclass(frozen=True)
class Plan:
    """What to run."""

    dtypes: tuple[str, ...]
    modes: tuple[str, ...]
    gradients: bool


@dataclass
class Found:
    """The rows of one example, and the backends that are certainly wrong."""

    rows: list[Row] = field(default_factory=list)
    blamed: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class _Point:
    """The inputs as a dtype holds them, and what is known about them."""

    xs: tuple[Numbers, ...]
    wanted: tuple[int, ...]
    truth: Truth | None
    sway: dict[str, Numbers]
    wide: dict[str, Run]
    """What each backend gives in float64."""


class Checker:
    """The function under test in all its backends, with what is known to be true."""

    def __init__(self, subjects: Mapping[str, Subject], known: Known, limit: float) -> None:
        self.subjects, self.known, self.limit = subjects, known, limit
        self.devices: dict[str, str] = {}

    def check(self, example: Example, plan: Plan) -> Found:
        """Run and compare one example."""
        found = Found()
        points: dict[bytes, _Point] = {}
        for dtype in plan.dtypes:
            xs = tuple(rounded(x, dtype) for x in example.arrays)
            key = b"".join(x.tobytes() for x in xs)
            if key not in points:
                points[key] = self._point(xs, plan)
            self._check_dtype(example.label, dtype, points[key], plan, found)
        return found

    def _point(self, xs: tuple[Numbers, ...], plan: Plan) -> _Point:
        wanted = tuple(i for i, x in enumerate(xs) if x.dtype.kind == "f") * plan.gradients
        truth = self.known(xs, wanted)
        wide: dict[str, Run] = {}
        sways: dict[str, list[Numbers]] = {}
        for name, subject in self.subjects.items():
            mode = _fastest(subject, plan.modes)
            wide[name] = run = subject.run(xs, "float64", mode, wanted)
            if isinstance(run, Computed):
                for quantity, sway in _sway(subject, xs, mode, wanted, run).items():
                    sways.setdefault(quantity, []).append(sway)
        middles = {quantity: _middle(found) for quantity, found in sways.items()}
        size = _natural_slope(xs, [run for run in wide.values() if isinstance(run, Computed)])
        for quantity, sway in middles.items():
            if quantity.startswith("gradient"):
                middles[quantity] = np.fmax(sway, size)
        return _Point(xs, wanted, truth, middles, wide)

    def _check_dtype(self, label: str, dtype: str, point: _Point, plan: Plan, found: Found) -> None:
        runs: dict[tuple[str, str], Run] = {}
        for name, subject in self.subjects.items():
            for mode in plan.modes:
                if dtype == "float64" and mode == _fastest(subject, plan.modes):
                    run: Run = point.wide[name]
                else:
                    run = subject.run(point.xs, dtype, mode, point.wanted)
                if run is not None:
                    runs[name, mode] = run
        computed = {key: run for key, run in runs.items() if isinstance(run, Computed)}
        expected = _Expected(point, dtype, computed, self.limit)
        before = len(found.rows)
        for (name, mode), run in runs.items():
            about = (label, name, mode, dtype)
            found.rows += self._rows(about, run, expected)
            if isinstance(run, Computed):
                self.devices.setdefault(name, run.device)
        mine = found.rows[before:]
        found.blamed |= {row.backend for row in mine if expected.certain(row, mine)}

    def _rows(
        self, about: tuple[str, str, str, str], run: Run, expected: _Expected
    ) -> Iterator[Row]:
        if isinstance(run, Unavailable):
            yield Row(*about, "value", "skipped", None, None, str(run))
        elif isinstance(run, Exception):
            yield Row(*about, "value", "error", None, None, describe(run))
        elif run is not None and run.structure != expected.structure:
            what = f"structure {run.structure} instead of {expected.structure}"
            yield Row(*about, "value", "differs", None, None, what)
        elif run is not None:
            for quantity in run.leaves:
                yield Row(
                    *about, quantity, **vars(self._verdict(about[1], quantity, run, expected))
                )
            if run.problem:
                yield Row(*about, "gradient", "error", None, None, run.problem)

    def _verdict(self, name: str, quantity: str, run: Computed, expected: _Expected) -> Verdict:
        leaf, target = run.leaves[quantity], expected.target(quantity, name)
        whole = not (target.floating or leaf.floating)  # of integers the width is not compared
        dtype = leaf.traits.dtype if whole else expected.dtype(quantity)
        traits = Traits(name, dtype, target.hi.shape, run.device)
        norm = quantity.startswith("gradient")
        verdict = judge(leaf, traits, target, expected.sway(quantity), self.limit, norm)
        if verdict.status == "differs" and quantity in run.disconnected:
            what = "no gradient came back: " + verdict.what
            return Verdict(**{**vars(verdict), "what": what})
        return verdict


class _Expected:
    """What one dtype should give at one point."""

    def __init__(
        self, point: _Point, dtype: str, runs: Mapping[tuple[str, str], Computed], limit: float
    ) -> None:
        self.truth = point.truth
        self._point, self._dtype, self._runs, self._limit = point, dtype, runs, limit
        self._consensus: dict[str, tuple[dict[str, Target], bool]] = {}
        # In float64 where that can be run: then the target is exact for the narrower dtypes.
        wide = {name: run for name, run in point.wide.items() if isinstance(run, Computed)}
        self._candidates = wide or {name: run for (name, _), run in reversed([*runs.items()])}
        self._structures = [run.structure for run in self._candidates.values()]
        self.structure = most_common(self._structures) if self._structures else ""
        if point.truth is not None:
            self.structure = point.truth.structure

    def target(self, quantity: str, backend: str) -> Target:
        """What the array should hold: the truth, else what the backends agree on."""
        if self.truth is not None and quantity in self.truth.targets:
            return self.truth.targets[quantity]
        targets = self._agreed(quantity)[0]
        return targets.get(backend) or next(iter(targets.values()))

    def certain(self, row: Row, rows: Sequence[Row]) -> bool:
        """Whether the backend of one of the rows is wrong, and not perhaps the others, or all."""
        if row.status not in ("differs", "error"):
            return False
        structure = row.what.startswith("structure")
        if self.truth is not None and (structure or row.quantity in self.truth.targets):
            return True
        if row.status == "error" or structure:
            return any(each.status == "agrees" and each.backend != row.backend for each in rows)
        agreeing = any(each.quantity == row.quantity and not each.wrong for each in rows)
        return agreeing and self._agreed(row.quantity)[1]

    def sway(self, quantity: str) -> Numbers | None:
        """What the array moves by with its inputs."""
        return self._point.sway.get(quantity)

    def dtype(self, quantity: str) -> str:
        """The dtype that most backends return; of a gradient, that of the inputs."""
        if quantity.startswith("gradient"):
            return self._dtype
        found = [run.leaves[quantity] for run in self._runs.values() if quantity in run.leaves]
        return most_common([leaf.traits.dtype for leaf in found], self._dtype)

    def _agreed(self, quantity: str) -> tuple[dict[str, Target], bool]:
        if quantity not in self._consensus:
            narrow = {name: run for (name, _), run in self._runs.items()}
            found = _leaves(self._candidates, quantity) or _leaves(narrow, quantity)
            # Of float64 results, to the accuracy of the dtype under test.
            dtype = next(iter(found.values())).traits.dtype
            limit = self._limit * max(EPS[self._dtype] / EPS.get(dtype, 1.0), 1.0)
            norm = quantity.startswith("gradient")
            self._consensus[quantity] = majority(found, self.sway(quantity), limit, norm)
        return self._consensus[quantity]


def _leaves(runs: Mapping[str, Computed], quantity: str) -> dict[str, Leaf]:
    return {name: run.leaves[quantity] for name, run in runs.items() if quantity in run.leaves}


def _fastest(subject: Subject, modes: Sequence[str]) -> str:
    """Compiled, where that is made anyway and exists."""
    return "compiled" if "compiled" in modes and subject.runner.NAME in _COMPILED else "eager"


_COMPILED = ("torch", "jax", "tensorflow")


def _sway(
    subject: Subject, xs: Sequence[Numbers], mode: str, wanted: tuple[int, ...], base: Computed
) -> dict[str, Numbers]:
    """How much each array moves with its inputs, relative to their change."""
    rng = np.random.default_rng(0)
    squares = {quantity: np.zeros(leaf.numbers.shape) for quantity, leaf in base.leaves.items()}
    for _ in range(_SIGNS):
        moved = [
            x * (1 + _STEP * rng.choice([-1.0, 1.0], x.shape)) if x.dtype.kind == "f" else x
            for x in xs
        ]
        run = subject.run(moved, "float64", mode, wanted)
        if not isinstance(run, Computed) or run.structure != base.structure:
            continue
        for quantity, leaf in run.leaves.items():
            if quantity in squares and leaf.numbers.shape == squares[quantity].shape:
                with np.errstate(all="ignore"):
                    change = (leaf.numbers - base.leaves[quantity].numbers) / _STEP
                    squares[quantity] += np.where(np.isfinite(change), change, 0.0) ** 2
    return {quantity: np.sqrt(square / _SIGNS) for quantity, square in squares.items()}


def _natural_slope(xs: Sequence[Numbers], runs: Sequence[Computed]) -> float:
    """The size of the outputs over that of the inputs (at least 1): the terms that a gradient is
    the sum of are of this size, even if they cancel as in the normalisation of two numbers."""
    sizes = [
        max((_size(leaf.numbers) for name, leaf in run.leaves.items() if name[0] == "v"), default=0)
        for run in runs
    ]
    return float(np.median(sizes or [0.0])) / max(1.0, *map(_size, xs), 1.0)


def _size(x: Numbers) -> float:
    return float(np.max(np.abs(x), initial=0.0, where=np.isfinite(x)))


def _middle(found: Sequence[Numbers]) -> Numbers:
    """The median of those that have the shape of most."""
    shapes = [x.shape for x in found]
    usual = max(shapes, key=shapes.count)
    return np.asarray(np.median([x for x in found if x.shape == usual], axis=0))
