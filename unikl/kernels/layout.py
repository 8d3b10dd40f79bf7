"""Arrays as rows of a contiguous matrix, and results back in the caller's layout."""

import math
from typing import Any

import numpy as np

__all__ = ["SMALL", "WRITEABLE", "empty", "in_place", "kept", "rows", "writable"]

WRITEABLE = 0x400  # NPY_ARRAYWRITEABLE of NumPy's C API
SMALL = 2**16  # bytes: what is smaller is copied, rather than aligned


def rows(x: Any, axis: tuple[int, ...]) -> Any:
    """A contiguous matrix of one row a distribution; a view where x is laid out like that."""
    if x.ndim == 2 and axis == (-1,) and x.flags.c_contiguous:
        return writable(x)
    if axis != (-1,):
        x = np.moveaxis(x, axis, range(-len(axis), 0))
    n = math.prod(x.shape[x.ndim - len(axis) :])
    x = x if x.flags.c_contiguous else np.ascontiguousarray(x)
    return writable(x).reshape(-1, n)


class _Address:
    """An array's memory; it is only read, but Numba compiles again for arrays that say so."""

    def __init__(self, x: Any) -> None:
        there = x.__array_interface__
        self.__array_interface__ = there | {"data": (there["data"][0], False)}
        self.owner = x


def writable(x: Any) -> Any:
    """x, as an array that does not say that it is only to be read."""
    # Not flags.writeable, which warns of arrays that NumPy has broadcast.
    return x if x.flags.num & WRITEABLE else np.asarray(_Address(x))


def empty(like: Any) -> Any:
    """Uninitialised memory, aligned to 64 bytes (TensorFlow takes no other without a copy)."""
    if like.nbytes < SMALL:
        return np.empty(like.shape, like.dtype)
    raw = np.empty(like.nbytes + 64, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64
    return raw[start : start + like.nbytes].view(like.dtype).reshape(like.shape)


def kept(x: Any, like: Any, axis: tuple[int, ...]) -> Any:
    """One number a row, with the category axes as length 1."""
    axes = [one % like.ndim for one in axis]
    return x.reshape([1 if k in axes else n for k, n in enumerate(like.shape)])


def in_place(g: Any, like: Any, axis: tuple[int, ...]) -> Any:
    """A gradient with the axes where the caller has them."""
    if g is None or axis == (-1,):
        return None if g is None else g.reshape(like.shape)
    axes = [one % like.ndim for one in axis]
    order = [k for k in range(like.ndim) if k not in axes] + axes
    return g.reshape([like.shape[k] for k in order]).transpose(np.argsort(order))
