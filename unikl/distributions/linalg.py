"""Matrices in batches, on the namespace of a room: what the Array API and TensorFlow lack.

Cholesky factors, triangular solves, triangles and transposes, each from the framework's own
linear algebra.  A matrix that is not positive definite has a factor of NaNs, in every library.
"""

import math
from typing import Any

from ..backends import Array, Backend

__all__ = [
    "cholesky",
    "diagonal",
    "diagonal_matrix",
    "identity_like",
    "lower",
    "solve_lower",
    "solve_upper",
    "transpose",
    "turn",
]


def cholesky(room: Backend, a: Array) -> Array:
    """The lower triangular L with L L^T = a; NaN where `a` is not positive definite."""
    name = _library(room)
    if name == "torch":
        import torch

        factor, info = torch.linalg.cholesky_ex(a)
        return torch.where((info > 0)[..., None, None], math.nan, factor)
    if name == "tensorflow":
        import tensorflow as tf

        return lower(room, tf.linalg.cholesky(a))  # a failed one holds garbage above its NaNs
    if name == "numpy":
        return _cholesky_numpy(a)
    return room.xp.linalg.cholesky(a)


def _cholesky_numpy(a: Array) -> Array:
    import numpy as np

    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:  # one bad matrix spoils the batch: one by one, then
        if a.ndim == 2:
            return np.full_like(a, math.nan)
        return np.stack([_cholesky_numpy(one) for one in a])


def solve_lower(room: Backend, factor: Array, b: Array) -> Array:
    """The x with ``factor @ x = b``, for a lower triangular factor."""
    return _solve(room, factor, b, True)


def solve_upper(room: Backend, factor: Array, b: Array) -> Array:
    """The x with ``factor^T @ x = b``, for a lower triangular factor."""
    return _solve(room, transpose(room, factor), b, False)


def _solve(room: Backend, a: Array, b: Array, is_lower: bool) -> Array:
    name = _library(room)
    if name == "torch":
        import torch

        return torch.linalg.solve_triangular(a, b, upper=not is_lower)
    if name == "jax":
        import jax.scipy.linalg

        return jax.scipy.linalg.solve_triangular(a, b, lower=is_lower)
    if name == "tensorflow":
        import tensorflow as tf

        return tf.linalg.triangular_solve(a, b, lower=is_lower)
    return _substitute(room.xp, a, b, is_lower)


def _substitute(xp: Any, a: Array, b: Array, is_lower: bool) -> Array:
    """Substitution by halves, for libraries without a triangular solve (NumPy is one)."""
    n = a.shape[-1]
    if n == 1:
        return b / a
    m = n // 2
    head, tail = slice(0, m), slice(m, n)
    first, second = (head, tail) if is_lower else (tail, head)
    x = _substitute(xp, a[..., first, first], b[..., first, :], is_lower)
    rest = b[..., second, :] - a[..., second, first] @ x
    y = _substitute(xp, a[..., second, second], rest, is_lower)
    return xp.concat([x, y] if is_lower else [y, x], axis=-2)


def transpose(room: Backend, a: Array) -> Array:
    """The matrix transpose."""
    if _library(room) == "tensorflow":
        import tensorflow as tf

        return tf.linalg.matrix_transpose(a)
    return a.mT


def lower(room: Backend, a: Array) -> Array:
    """The lower triangle, with the diagonal."""
    if _library(room) == "tensorflow":
        import tensorflow as tf

        return tf.linalg.band_part(a, -1, 0)
    return room.xp.tril(a)


def identity_like(room: Backend, a: Array) -> Array:
    """The identity, in the shape of the square matrices `a`."""
    ones = lower(room, room.xp.ones_like(a))
    return ones * transpose(room, ones)


def diagonal(room: Backend, a: Array) -> Array:
    """The diagonals of square matrices."""
    xp = room.xp
    return xp.sum(xp.where(identity_like(room, a) > 0, a, 0.0), axis=-1)


def turn(room: Backend, a: Array) -> Array:
    """The matrix turned by 180 degrees: rows and columns in reverse."""
    if _library(room) == "tensorflow":
        import tensorflow as tf

        return tf.reverse(a, [-2, -1])
    return room.xp.flip(a, axis=(-2, -1))


def diagonal_matrix(room: Backend, x: Array) -> Array:
    """Matrices with the last axis of x on their diagonals."""
    square = room.xp.zeros_like(x[..., None] * x[..., None, :])
    return square + identity_like(room, square) * x[..., None]


def _library(room: Backend) -> str:
    return str(getattr(room, "__name__", "")).rpartition(".")[2]
