"""One runner for each backend: how that library takes the cases and hands its results back.

Every runner is a module with the same floor plan, the ``Runner`` protocol below. Each imports its
framework at the top, so a runner is loaded only when it is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import unikl
from unikl.agreement.cases import Call, Case, Numbers
from unikl.agreement.structure import Traits

__all__ = [
    "PACKAGES",
    "Checks",
    "Inputs",
    "Mode",
    "Program",
    "Runner",
    "Traits",
    "Unavailable",
    "always",
    "divergence",
    "installed",
    "load",
    "never",
]

# Torch stands before tensorflow: see the note on triton in torch.py.
PACKAGES = {
    "numpy": "numpy",
    "torch": "torch",
    "jax": "jax",
    "tensorflow": "tensorflow",
    "strict": "array_api_strict",
}


Checks = tuple[str, ...]
Program = Callable[..., tuple[Any, Sequence[Any]]]
"""From a function's inputs to its result and the gradients in the inputs that were wanted."""


class Unavailable(Exception):
    """What was asked for cannot be run here, which is nobody's mistake."""


@dataclass(frozen=True)
class Inputs:
    """The arrays of a case as the backend's own arrays."""

    p: Any
    q: Any
    where: Any
    weight: Any
    tangent_p: Any
    tangent_q: Any

    def arrays(self) -> tuple[Any, ...]:
        """All of them, None where the case has none."""
        return self.p, self.q, self.where, self.weight, self.tangent_p, self.tangent_q


def always(case: Case) -> bool:
    """Every case."""
    return True


def never(case: Case) -> bool:
    """No case."""
    return False


@dataclass(frozen=True)
class Mode:
    """One way to run a backend: eager, compiled, vectorised.

    ``run`` takes a case, its inputs and the checks wanted, and returns for each of these the
    backend's own arrays: ``value`` the divergences, ``gradient`` their pullback of the case's
    weight to p and q, ``jvp`` their derivative along the case's tangents, ``hvp`` the derivative
    of that gradient along them. All come from one call, so that they compile together.
    ``takes`` says which cases the mode runs at all, ``quick`` which of them it runs by default.
    """

    run: Callable[[Case, Inputs, Checks], Mapping[str, Any]]
    checks: Checks = ("value", "gradient", "jvp", "hvp")
    quick: Callable[[Case], bool] = always
    takes: Callable[[Case], bool] = always


class Runner(Protocol):
    """The floor plan of a runner module."""

    @property
    def NAME(self) -> str: ...
    @property
    def VERSION(self) -> str: ...
    @property
    def DTYPES(self) -> tuple[str, ...]: ...
    @property
    def THREADS(self) -> int: ...
    @property
    def MODES(self) -> Mapping[str, Mode]: ...
    @property
    def XP(self) -> Any:
        """The Array API namespace."""

    def context(self, dtype: str) -> AbstractContextManager[Any]:
        """What must hold while a case of this dtype runs, undone afterwards."""

    def array(self, x: Numbers, dtype: str) -> Any:
        """An array of this library."""

    def program(
        self, fn: Callable[..., Any], wanted: tuple[int, ...], compiler: str | None
    ) -> Program | None:
        """`fn` with the gradients, in the inputs at the places `wanted`, of the sum of its
        floating outputs times `structure.weights`; None for a gradient that there is none of.

        ``compiler`` is None for eager, else the name of a backend of torch.compile, which means
        compiled elsewhere; a library that cannot do what is asked gives None.
        """

    def inputs(self, case: Case) -> Inputs:
        """The case's arrays in this library, in the case's dtype."""

    def traits(self, x: Any) -> Traits:
        """What ``x`` is; ``library`` is ``NAME`` only for this library's own arrays."""

    def to_numpy(self, x: Any) -> Numbers:
        """The values as float64."""


def installed() -> tuple[str, ...]:
    """The backends whose library can be imported here, in the order in which they may load."""
    return tuple(name for name, package in PACKAGES.items() if find_spec(package) is not None)


def load(name: str) -> Runner:
    """Import the runner of a backend, and with it the framework."""
    if name == "numpy":
        from unikl.agreement.runners import numpy

        return numpy
    if name == "torch":
        from unikl.agreement.runners import torch

        return torch
    if name == "jax":
        from unikl.agreement.runners import jax

        return jax
    if name == "tensorflow":
        from unikl.agreement.runners import tensorflow

        return tensorflow
    if name == "strict":
        from unikl.agreement.runners import strict

        return strict
    raise ValueError(f"unknown backend {name!r}: expected one of {', '.join(PACKAGES)}")


@functools.cache
def divergence(call: Call) -> Callable[..., Any]:
    """The call under test as a function of its arrays alone, the same object for equal calls."""
    keywords = call.keywords()

    def kl(p: Any, q: Any, where: Any) -> Any:
        return unikl.kl_divergence(p, q, where=where, **keywords)

    return kl
