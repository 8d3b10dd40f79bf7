"""What a function returns: arrays, alone or in tuples, lists and dicts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from unikl.agreement.cases import Numbers


class Traits(NamedTuple):
    """What an array is besides its values."""

    library: str
    dtype: str
    shape: tuple[int, ...]
    device: str


class Leaf(NamedTuple):
    """One array that came back: what it is, and its numbers in float64."""

    traits: Traits
    numbers: Numbers

    @property
    def floating(self) -> bool:
        """Whether it holds floating-point numbers."""
        return "float" in self.traits.dtype


def flatten(result: Any) -> tuple[str, dict[str, Any]]:
    """The structure of a result, as text, and its arrays by their path in it.

    Examples
    --------
    >>> flatten((1.5, {"loss": 2.5}))
    ("(array, {'loss': array})", {'[0]': 1.5, "[1]['loss']": 2.5})
    """
    found: dict[str, Any] = {}
    return _walk(result, "", found), found


def _walk(x: Any, path: str, found: dict[str, Any]) -> str:
    if isinstance(x, Mapping):
        keys = sorted(x, key=repr)  # JAX sorts them too
        inner = [f"{key!r}: {_walk(x[key], f'{path}[{key!r}]', found)}" for key in keys]
        return "{" + ", ".join(inner) + "}"
    if isinstance(x, tuple | list):
        inner = [_walk(each, f"{path}[{i}]", found) for i, each in enumerate(x)]
        left, right = "()" if isinstance(x, tuple) else "[]"
        return left + ", ".join(inner) + right
    if x is None:
        return "None"
    found[path] = x
    return "array"


def bind(fn: Callable[..., Any], xp: Any) -> Callable[..., Any]:
    """`fn` as a function of arrays alone: if it has a parameter ``xp``, that is the namespace."""
    try:
        takes = "xp" in inspect.signature(fn).parameters
    except (TypeError, ValueError):  # a builtin
        takes = False
    if not takes:
        return fn

    def bound(*xs: Any) -> Any:
        return fn(*xs, xp=xp)

    return bound


@functools.lru_cache(1024)
def weights(shape: tuple[int, ...], position: int) -> Numbers:
    """What the outputs are multiplied with before their sum is differentiated.

    Of both signs and of different sizes, so that a gradient rule that ignores what comes from
    above is seen; multiples of 1/8, exact in every dtype. The same for equal arguments.
    """
    rng = np.random.default_rng([position, *shape])
    size = rng.integers(4, 13, shape) / 8 * rng.choice([-1.0, 1.0], shape)
    made = np.asarray(size, np.float64)
    made.setflags(write=False)
    return made
