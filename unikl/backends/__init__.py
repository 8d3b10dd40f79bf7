"""The door: which room serves these arrays?

A room is a file in this folder, named after its framework, imported when one of its arrays
first arrives; so ``import unikl`` imports no framework.  `Backend` lists what a room offers.
To add a backend, add its file and its two lines in `_room_of` (CONTRIBUTING.md has the list).
"""

import sys
from collections.abc import Callable
from typing import Any, Literal, Protocol

__all__ = ["FUSED", "Array", "Backend", "Rule", "get_backend"]

Array = Any  # an array of the room's library; Array API arrays share no base class


class Rule(Protocol):
    """A function of arrays with its derivative; hashable, and equal to a rule that does the same.

    The derivatives are themselves differentiated for higher orders.
    """

    @property
    def value(self) -> Callable[..., tuple[Array, ...]]:
        """``value(*xs)`` is (y, and constants): only y has a derivative."""

    @property
    def jvp(self) -> Callable[..., Array]:
        """``jvp(tangents, *xs)`` is the tangent of y; None stands for a zero tangent."""

    @property
    def vjp(self) -> "Callable[..., list[Array | None]]":
        """``vjp(g, wanted, *xs)`` are the cotangents of xs; None where not wanted."""


class Backend(Protocol):
    """What a room offers; mypy checks every room against this."""

    @property
    def xp(self) -> Any:
        """The Array API namespace."""

    def asarray(self, x: Any, like: Array | None = None, /) -> Array:
        """An array of this library; Python numbers on the device and as wide as `like`."""

    def shape(self, x: Array, /) -> tuple[int | None, ...] | None:
        """The shape, as far as it is known: None for an unknown dimension or rank."""

    def float_dtype(self, arrays: tuple[Array, ...], /) -> Any:
        """The dtype to compute in; TypeError if there is none for these arrays."""

    def eps(self, dtype: Any, /) -> float:
        """The distance from 1 to the next number."""

    def smallest_normal(self, dtype: Any, /) -> float:
        """The smallest positive normal number."""

    def largest(self, dtype: Any, /) -> float:
        """The largest finite number."""

    def sum(self, x: Array, axis: tuple[int, ...], /) -> Array:
        """The sum over negative axes, kept as length 1; its error grows like log(n) at most."""

    def max(self, x: Array, axis: tuple[int, ...], /) -> Array:
        """The maximum over negative axes, kept as length 1; -inf along an empty axis."""

    def broadcast(self, arrays: tuple[Array, ...], axis: tuple[int, ...], /) -> list[Array]:
        """The arrays in one shape; lengths along `axis` known at run time alone must agree."""

    def stop_gradient(self, x: Array, /) -> Array:
        """x as a constant."""

    def kernel(self, rule: Rule, /) -> Callable[..., tuple[Array, ...]]:
        """``rule.value``, differentiated by the rule in the library's autodiff."""

    def fused(
        self, p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /
    ) -> Array | None:
        """The divergence over the last axis by the kernels; None: take the core's formulas.

        For the plainest case alone, where the overhead of a call counts; `kernel` knows the
        others.  ``rule_of(room, given)`` is the rule, for second derivatives.
        """

    def concrete(self, x: Array, /) -> bool:
        """Do the values lie in host memory, to be looked at without a transfer or a trace?"""

    def readable(self, x: Array, /) -> bool:
        """Can the values be had at all, from wherever they are?"""

    def to_numpy(self, x: Array, /) -> Any:
        """A NumPy array of the values."""


def get_backend(*arrays: Any) -> Backend:
    """The one room that all `arrays` belong to.

    Python numbers, lists and tuples, and None, belong anywhere, and to NumPy when alone;
    pandas and polars Series belong to NumPy.

    Raises
    ------
    TypeError
        If an argument is no array, or the arrays come from different libraries.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.backends import get_backend
    >>> get_backend(np.ones(3), [1.0, 2.0, 3.0]).__name__
    'unikl.backends.numpy'
    """
    classes = tuple([type(x) for x in arrays])
    home = _HOMES.get(classes)
    if home is None:
        home = _find_home(classes)
        _HOMES[classes] = home
        if not isinstance(home, str):
            FUSED[classes[0]] = home.fused
    if not isinstance(home, str):
        return home
    from . import generic

    return generic.room(next(x for x in arrays if hasattr(x, "__array_namespace__")))


# Each room's `fused`, by the classes of its arrays seen so far: a shorter way than the door.
FUSED: dict[type, Callable[..., Array | None]] = {}

Home = Backend | Literal["generic"]  # a room module, or that each namespace has its own

# By the classes of the arguments; a dict, because Dynamo warns of lru_cache.
_HOMES: dict[tuple[type, ...], Home] = {}


def _find_home(classes: tuple[type, ...]) -> Home:
    """The room for arrays of these classes."""
    found: dict[Any, tuple[type, Home]] = {}
    for cls in classes:
        if cls not in (bool, int, float, list, tuple, type(None)):
            room = _room_of(cls)
            found.setdefault(_library(cls) if room == "generic" else room, (cls, room))
    if len(found) > 1:
        names = " and ".join([_name(cls) for cls, _ in found.values()])
        raise TypeError(
            f"all arrays must come from one library, got {names}; convert one of them first "
            "(numpy.asarray, torch.as_tensor, jax.numpy.asarray, tensorflow.convert_to_tensor, "
            "dask.array.from_array)"
        )
    if not found:
        from . import numpy

        return numpy
    return next(iter(found.values()))[1]


def _room_of(cls: type) -> Home:
    """The room module for one class, by statements that Dynamo and AutoGraph can follow."""
    if _is(cls, "numpy", "ndarray", "generic"):
        from . import numpy

        return numpy
    if _is(cls, "torch", "Tensor"):
        from . import torch

        return torch
    if _is(cls, "jax", "Array") or _is(cls, "jax.core", "Tracer"):
        from . import jax

        return jax
    if _is(cls, "tensorflow", "Tensor", "Variable"):
        from . import tensorflow

        return tensorflow
    if _is(cls, "dask.array", "Array"):
        from . import dask

        return dask
    if _is(cls, "pandas", "Series", "Index", "DataFrame") or _is(cls, "polars", "Series"):
        from . import numpy

        return numpy
    if hasattr(cls, "__array_namespace__"):
        return "generic"
    raise TypeError(
        f"not an array of a known library: {_name(cls)} (known: NumPy, PyTorch, TensorFlow, JAX, "
        "and any type with __array_namespace__)"
    )


def _is(cls: type, module: str, *names: str) -> bool:
    """Is cls a subclass of module's class?  Never imports the module."""
    owner = sys.modules.get(module)
    return owner is not None and issubclass(cls, tuple([getattr(owner, n) for n in names]))


def _library(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _name(cls: type) -> str:
    return f"{_library(cls)}.{cls.__name__}"
