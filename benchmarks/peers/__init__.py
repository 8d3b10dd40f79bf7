"""Who computes it: one file for each framework, with its table of candidates.

Everyone returns one number, the mean over the rows, as a training loop would use it; the
gradients are those of that number, by the framework's own autodiff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, Protocol

from benchmarks.workloads import ALL, Cell, Form, Task

Kind = Literal["unikl", "library", "by hand", "ceiling"]
Loss = Callable[[Any, Any], Any]
Result = tuple[Any, ...]  # the value, then the gradients that were asked for
Call = Callable[[], Result]

FAMILIES = ("numpy", "torch", "jax", "tensorflow")
FLOATS = ("float32", "float64", "bfloat16")


@dataclass(frozen=True)
class Candidate:
    """One way to compute it; `losses` holds what it can, by form."""

    name: str
    kind: Kind
    mode: str  # "eager", "jit", ...: what is compared with what
    losses: Mapping[Form, Loss]
    tasks: tuple[Task, ...] = ALL
    dtypes: tuple[str, ...] = FLOATS
    # What probs come to: of the rows normalised, of the numbers as they are, or nothing at all.
    computes: Literal["normalised", "raw", "nothing"] = "raw"
    slow: bool = False  # takes seconds to compile
    curves: bool = False  # drawn against size: its time and its peak memory

    def takes(self, cell: Cell) -> bool:
        return (
            cell.workload.form in self.losses
            and cell.task in self.tasks
            and cell.dtype in self.dtypes
            and (cell.compiled or not self.slow)
            and (self.curves or self.kind == "ceiling" or not cell.workload.sweep)
        )


class Family(Protocol):
    """What each file of this folder offers."""

    @property
    def PACKAGES(self) -> tuple[str, ...]:
        """The distributions whose versions go into the header."""

    @property
    def DTYPES(self) -> tuple[str, ...]:
        """What it is measured in."""

    def candidates(self) -> list[Candidate]:
        """Those whose libraries are installed, in the order of the table."""

    def start(self, dtype: str, /) -> None:
        """Before each cell."""

    def array(self, x: Any, dtype: str, /) -> Any:
        """An array of the framework."""

    def bind(self, candidate: Candidate, form: Form, task: Task, p: Any, q: Any, /) -> Call:
        """A call without arguments that returns only when the result is there."""

    def to_numpy(self, x: Any, /) -> Any:
        """The values in float64."""

    def threads(self) -> str:
        """What the framework says it uses."""


def load(name: str) -> Family:
    """The family's module; importing it imports the framework."""
    if name == "numpy":
        from benchmarks.peers import numpy

        return numpy
    if name == "torch":
        from benchmarks.peers import torch

        return torch
    if name == "jax":
        from benchmarks.peers import jax

        return jax
    if name == "tensorflow":
        from benchmarks.peers import tensorflow

        return tensorflow
    raise ValueError(f"no family {name!r}; there are {', '.join(FAMILIES)}")


def installed(package: str) -> bool:
    return find_spec(package) is not None
