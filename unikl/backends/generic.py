"""Any other Array API library, and what the rooms of the named ones share.

The room for an array is made from its ``__array_namespace__``; it has no autodiff.  The
functions above it are used by the other rooms too, in plain sight: ``from .generic import ...``.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Array = Any

_TILE = 128


def tiled_sum(xp: Any, x: Array, axis: tuple[int, ...]) -> Array:
    """The sum over negative axes (kept), in tiles: short sums, then the sum of the sums.

    For libraries whose own sum runs straight through a long axis, where 10^6 float32 terms
    lose three digits.
    """
    for one in axis:
        while x.shape[one] is not None and x.shape[one] > _TILE:
            x = _sum_tiles(xp, x, one)
        x = xp.sum(x, axis=one, keepdims=True)
    return x


def _sum_tiles(xp: Any, x: Array, axis: int) -> Array:
    """One level: the axis is cut in tiles of 128, each replaced by its sum (the rest by one)."""
    n = x.shape[axis]
    whole = n // _TILE * _TILE
    before, after = x.shape[: x.ndim + axis], x.shape[x.ndim + axis + 1 :]
    pick = [slice(None)] * x.ndim
    pick[axis] = slice(0, whole)
    tiles = xp.reshape(x[tuple(pick)], (*before, n // _TILE, _TILE, *after))
    sums = xp.sum(tiles, axis=axis)
    if whole == n:
        return sums
    pick[axis] = slice(whole, n)
    return xp.concat([sums, xp.sum(x[tuple(pick)], axis=axis, keepdims=True)], axis=axis)


def pick_float_dtype(xp: Any, dtypes: list[Any], halves: tuple[Any, ...], default: Any) -> Any:
    """float64 or float32: the wider of the floats; `default` if all are integers or bools."""
    floats = []
    for dtype in dtypes:
        if dtype == xp.float64 or dtype == xp.float32 or dtype in halves:
            floats.append(dtype)
        elif not xp.isdtype(dtype, ("integral", "bool")):
            raise TypeError(f"arrays must be real (float, integer or bool), got dtype {dtype}")
    if not floats:
        return default
    return xp.float64 if any(dtype == xp.float64 for dtype in floats) else xp.float32


class Room:
    """The room of one namespace; see `unikl.backends.Backend`."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.__name__ = f"unikl.backends.generic({xp.__name__})"

    def asarray(self, x: Any, like: Array | None = None, /) -> Array:
        if hasattr(x, "__array_namespace__") or like is None:
            return x
        device = getattr(like, "device", None)
        return self.xp.asarray(x, **({} if device is None else {"device": device}))

    def shape(self, x: Array, /) -> tuple[int | None, ...]:
        # Lazy libraries say None or NaN for what they do not know yet.
        return tuple([None if n is None or math.isnan(n) else n for n in x.shape])

    def float_dtype(self, arrays: tuple[Array, ...], /) -> Any:
        dtypes = [x.dtype for x in arrays]
        halves = [getattr(self.xp, name, None) for name in ("float16", "bfloat16")]
        return pick_float_dtype(self.xp, dtypes, tuple(halves), self.xp.float64)

    def eps(self, dtype: Any, /) -> float:
        # Measured: the finfo of an arbitrary-precision library speaks of machine floats.
        eps = float(self.xp.finfo(dtype).eps)
        one = self.xp.ones((1,), dtype=dtype)
        if _in_host_memory(one):
            while eps > 1e-300 and bool(self.xp.all(one + 0.25 * eps * one != one)):
                eps *= 0.5
        return eps

    def smallest_normal(self, dtype: Any, /) -> float:
        return float(self.xp.finfo(dtype).smallest_normal)

    def largest(self, dtype: Any, /) -> float:
        return float(self.xp.finfo(dtype).max)

    def sum(self, x: Array, axis: tuple[int, ...], /) -> Array:
        return tiled_sum(self.xp, x, axis)

    def max(self, x: Array, axis: tuple[int, ...], /) -> Array:
        return self.xp.max(x, axis=axis, keepdims=True)

    def broadcast(self, arrays: tuple[Array, ...], axis: tuple[int, ...], /) -> list[Array]:
        return list(self.xp.broadcast_arrays(*arrays))

    def stop_gradient(self, x: Array, /) -> Array:
        return x

    def kernel(self, rule: Any, /) -> Callable[..., tuple[Array, ...]]:
        value: Callable[..., tuple[Array, ...]] = rule.value
        return value

    def fused(
        self, p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /
    ) -> Array | None:
        return None

    def concrete(self, x: Array, /) -> bool:
        return _in_host_memory(x) and hasattr(type(x), "__array__")

    def readable(self, x: Array, /) -> bool:
        return self.concrete(x)

    def to_numpy(self, x: Array, /) -> Any:
        import numpy as np

        return np.asarray(x)


def _in_host_memory(x: Array) -> bool:
    """Only a library that can hand out host memory says so; lazy ones have no such method."""
    device = getattr(x, "__dlpack_device__", None)
    return device is not None and device()[0] == 1  # kDLCPU


@lru_cache(64)
def _room(xp: Any) -> Room:
    return Room(xp)


def room(x: Array) -> Room:
    """The room of x's namespace."""
    return _room(x.__array_namespace__())
