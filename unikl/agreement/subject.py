"""A function under test in one backend: called, compiled and differentiated there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unikl.agreement.cases import Numbers
from unikl.agreement.runners import Program, Runner, Unavailable
from unikl.agreement.structure import Leaf, Traits, bind, flatten
from unikl.agreement.truth import quantity


@dataclass(frozen=True, eq=False)
class Computed:
    """What a function gave: its structure, and each array by its quantity."""

    structure: str
    leaves: dict[str, Leaf]
    device: str
    """Of the inputs."""
    disconnected: frozenset[str] = frozenset()
    """The gradients that there are none of; their leaves are zeros."""
    problem: str = ""
    """What differentiating it raised."""


Run = Computed | Exception | None  # None: the backend does not offer it


class Subject:
    """A backend and the function that it runs; compiled once for each dtype and shapes."""

    def __init__(self, runner: Runner, fn: Callable[..., Any], compiler: str) -> None:
        self.runner = runner
        self._fn = bind(fn, runner.XP)
        self._compiler = compiler
        self._programs: dict[tuple[Any, ...], Program | None] = {}

    def run(self, xs: Sequence[Numbers], dtype: str, mode: str, wanted: tuple[int, ...]) -> Run:
        """Run it on inputs in float64, converted; whatever it raises is the answer, too."""
        if dtype not in self.runner.DTYPES:
            return Unavailable(f"it has no {dtype}")
        with np.errstate(all="ignore"), warnings.catch_warnings(), self.runner.context(dtype):
            warnings.simplefilter("ignore")
            try:
                return self._run(xs, dtype, mode, wanted)
            except Exception as error:
                return _explained(error)

    def _run(
        self, xs: Sequence[Numbers], dtype: str, mode: str, wanted: tuple[int, ...]
    ) -> Computed | None:
        own = [self.runner.array(x, dtype if x.dtype.kind == "f" else x.dtype.name) for x in xs]
        key = (dtype, mode, *((x.shape, x.dtype.name) for x in xs))
        problem = ""
        if wanted and (program := self._program((*key, wanted), mode, wanted)):
            try:
                return self._computed(own, wanted, *program(*own))
            except Exception as error:
                problem = describe(error)
        program = self._program((*key, ()), mode, ())
        return None if program is None else self._computed(own, (), *program(*own), problem)

    def _program(self, key: tuple[Any, ...], mode: str, wanted: tuple[int, ...]) -> Program | None:
        if key not in self._programs:
            compiler = self._compiler if mode == "compiled" else None
            self._programs[key] = self.runner.program(self._fn, wanted, compiler)
        return self._programs[key]

    def _computed(
        self,
        xs: Sequence[Any],
        wanted: tuple[int, ...],
        result: Any,
        gradients: Sequence[Any],
        problem: str = "",
    ) -> Computed:
        structure, found = flatten(result)
        leaves = {quantity(path): self._leaf(x) for path, x in found.items()}
        missing = []
        for i, gradient in zip(wanted, gradients, strict=True):
            name = f"gradient of input {i}"
            if gradient is None:
                missing.append(name)
                leaf = self._leaf(xs[i])
                leaves[name] = leaf._replace(numbers=np.zeros(leaf.numbers.shape))
            else:
                leaves[name] = self._leaf(gradient)
        device = self.runner.traits(xs[0]).device if xs else ""
        return Computed(structure, leaves, device, frozenset(missing), problem)

    def _leaf(self, x: Any) -> Leaf:
        if hasattr(x, "dtype") and hasattr(x, "shape"):
            traits = self.runner.traits(x)
            if traits.library == self.runner.NAME:
                return Leaf(traits, self.runner.to_numpy(x))
        numbers = np.asarray(x)
        library = type(x).__module__.partition(".")[0]
        name = "a Python " + type(x).__name__ if library == "builtins" else library
        return Leaf(
            Traits(name, numbers.dtype.name, numbers.shape, "cpu"), numbers.astype(np.float64)
        )


def _explained(error: Exception) -> Exception:
    """An error that only says that TensorFlow has no Array API is nobody's mistake."""
    text = str(error)
    owner = getattr(error, "obj", None)
    if isinstance(error, AttributeError) and getattr(owner, "__name__", "") == "XP":
        return Unavailable(f"unikl's Array API namespace for it has no {error.name}")
    if "__array_namespace__" in text or "is not a supported array type" in text:
        return Unavailable(
            "its arrays have no Array API namespace; give the function a parameter xp, or give "
            "one function for each backend"
        )
    return error


def describe(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) < 300 else f"{text[:150]} ... {text[-150:]}"
