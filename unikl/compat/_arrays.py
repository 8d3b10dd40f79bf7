"""What the modules of this package share: reading arguments, and NumPy's warnings."""

import contextlib
import math
from typing import Any

import numpy as np

from ..backends import Array, Backend, get_backend

__all__ = ["length", "log_softmax", "quiet", "read", "read_floats"]


def read(*arrays: Any) -> tuple[Backend, list[Array]]:
    """The room of `arrays`, and the arrays in one floating dtype.

    That is their own dtype, half precision included, where all have the same one.
    """
    room = get_backend(*arrays)
    converted = _convert(room, arrays)
    first = converted[0].dtype
    same = all(x.dtype == first for x in converted)
    if same and room.xp.isdtype(first, "real floating"):
        return room, converted
    dtype = room.float_dtype(tuple(converted))
    return room, [room.xp.astype(x, dtype) for x in converted]


def read_floats(*arrays: Any) -> tuple[Backend, list[Array]]:
    """As `read`, for libraries that refuse integers."""
    room = get_backend(*arrays)
    for x in _convert(room, arrays):
        if room.xp.isdtype(x.dtype, ("bool", "integral")):
            raise TypeError(f"the arrays must be floating, got dtype {x.dtype}")
    return read(*arrays)


def _convert(room: Backend, arrays: tuple[Any, ...]) -> list[Array]:
    like = next((x for x in arrays if hasattr(x, "dtype")), None)
    return [room.asarray(x, like) for x in arrays]


def length(room: Backend, x: Array, axis: int | None = None) -> Any:
    """How many entries x has, in all or along `axis`; counted where the shape is not known."""
    shape = room.shape(x)
    if shape is not None and None not in shape:
        known = [n for n in shape if n is not None]
        return math.prod(known) if axis is None else known[axis]
    ones = room.xp.ones_like(x)
    if axis is not None:
        ones = room.xp.max(ones, axis=tuple([k for k in range(len(x.shape)) if k != axis]))
    return room.xp.sum(ones)


def log_softmax(room: Backend, x: Array, axis: int = -1) -> Array:
    """The logarithm of softmax, from logits shifted by their maximum."""
    shifted = x - room.stop_gradient(room.max(x, (axis,)))
    return shifted - room.xp.log(room.xp.sum(room.xp.exp(shifted), axis=axis, keepdims=True))


def quiet(room: Backend) -> contextlib.AbstractContextManager[Any]:
    """NumPy's warnings off: 0/0 and log 0 are what a caller asks for here.

    Other rooms have no such warnings, and Dynamo cannot trace ``numpy.errstate``.
    """
    if getattr(room, "__name__", "") == "unikl.backends.numpy":
        return np.errstate(all="ignore")
    return contextlib.nullcontext()
