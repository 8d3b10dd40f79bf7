"""TensorFlow: custom_gradient around the core, over a namespace of aliases.

TensorFlow has no Array API namespace of its own; `_TensorFlow` below is one, as far as the core
needs it.  Nothing here reads a dimension that may be unknown in a graph, and nothing is patched.
"""

import builtins
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import tensorflow as tf

from .generic import pick_float_dtype
from .tensorflow_fused import by_kernel, concrete, fused, readable
from .tensorflow_graph import in_one_pass

__all__ = [
    "asarray",
    "broadcast",
    "concrete",
    "eps",
    "float_dtype",
    "fused",
    "kernel",
    "largest",
    "max",
    "readable",
    "shape",
    "smallest_normal",
    "stop_gradient",
    "sum",
    "to_numpy",
    "xp",
]

Array = Any

_TILE, _LANES = 128, 4096  # how many numbers are added straight; along the last axis


class _TensorFlow:
    """The Array API names that the core uses (a class that stands for a module)."""

    float16, bfloat16, float32, float64 = tf.float16, tf.bfloat16, tf.float32, tf.float64
    abs, sqrt, square, exp, log = tf.abs, tf.sqrt, tf.square, tf.exp, tf.math.log
    expm1, log1p, maximum, minimum = tf.math.expm1, tf.math.log1p, tf.maximum, tf.minimum
    sin = tf.sin
    isnan, isinf, isfinite = tf.math.is_nan, tf.math.is_inf, tf.math.is_finite
    reshape, squeeze, concat, stack = tf.reshape, tf.squeeze, tf.concat, tf.stack
    ones_like, zeros_like = tf.ones_like, tf.zeros_like
    astype, xlogy, divide_no_nan = tf.cast, tf.math.xlogy, tf.math.divide_no_nan

    @staticmethod
    def where(condition: Array, x1: Any, x2: Any, /) -> Array:
        """tf.where, with Python numbers in the dtype of the other branch."""
        dtype = x1.dtype if tf.is_tensor(x1) else x2.dtype
        return tf.where(condition, tf.convert_to_tensor(x1, dtype), tf.convert_to_tensor(x2, dtype))

    @staticmethod
    def sum(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """tf.reduce_sum."""
        return tf.reduce_sum(x, axis, keepdims)

    @staticmethod
    def mean(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """tf.reduce_mean."""
        return tf.reduce_mean(x, axis, keepdims)

    @staticmethod
    def max(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """tf.reduce_max."""
        return tf.reduce_max(x, axis, keepdims)

    @staticmethod
    def min(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """tf.reduce_min."""
        return tf.reduce_min(x, axis, keepdims)

    @staticmethod
    def any(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """tf.reduce_any."""
        return tf.reduce_any(x, axis, keepdims)

    @staticmethod
    def all(x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        """tf.reduce_all."""
        return tf.reduce_all(x, axis, keepdims)

    @staticmethod
    def expand_dims(x: Array, /, *, axis: int = 0) -> Array:
        """tf.expand_dims."""
        return tf.expand_dims(x, axis)

    @staticmethod
    def broadcast_arrays(*arrays: Array) -> list[Array]:
        """The arrays in one shape, known or not."""
        static, dynamic = arrays[0].shape, tf.shape(arrays[0])
        for x in arrays[1:]:
            static = tf.broadcast_static_shape(static, x.shape)
            dynamic = tf.broadcast_dynamic_shape(dynamic, tf.shape(x))
        results = [tf.broadcast_to(x, dynamic) for x in arrays]
        for x in results:
            x.set_shape(static)  # no operation: ForwardAccumulator fails at tf.ensure_shape
        return results

    @staticmethod
    def isdtype(dtype: Any, kind: str | tuple[str, ...]) -> bool:
        """Whether dtype is of one of the kinds bool, integral, real floating."""
        kinds = (kind,) if isinstance(kind, str) else kind
        known = {
            "bool": dtype.is_bool,
            "integral": dtype.is_integer,
            "real floating": dtype.is_floating,
        }
        return any(known[one] for one in kinds)


xp: Any = _TensorFlow


def asarray(x: Any, like: Array | None = None, /) -> Array:
    y = tf.convert_to_tensor(x)
    wide = like is not None and like.dtype == tf.float64 and y.dtype == tf.float32
    return tf.convert_to_tensor(x, tf.float64) if wide and not hasattr(x, "dtype") else y


def shape(x: Array, /) -> tuple[int | None, ...] | None:
    return None if x.shape.rank is None else tuple(x.shape)


def float_dtype(arrays: tuple[Array, ...], /) -> Any:
    halves = (tf.float16, tf.bfloat16)
    return pick_float_dtype(xp, [x.dtype for x in arrays], halves, tf.float32)


def _finfo(dtype: Any) -> Any:
    return ml_dtypes.finfo(tf.as_dtype(dtype).as_numpy_dtype)


def eps(dtype: Any, /) -> float:
    return float(_finfo(dtype).eps)


def smallest_normal(dtype: Any, /) -> float:
    return float(_finfo(dtype).smallest_normal)


def largest(dtype: Any, /) -> float:
    return float(_finfo(dtype).max)


def sum(x: Array, axis: tuple[int, ...], /) -> Array:
    for one in axis:
        while _is_long(x, one):
            x = _sum_of_tiles(x, one)
        x = tf.reduce_sum(x, one, keepdims=True)
    return x


def _is_long(x: Array, axis: int) -> bool:
    """Do rounding errors add up along this axis?

    TensorFlow adds in pairs along the last axis, XLA in some dozens of lanes; both go straight
    through any other.
    """
    known = shape(x)
    if known is None or None in known or (axis == -1 and tf.executing_eagerly()):
        return False
    n = known[axis]
    return n is not None and n > (_LANES if axis == -1 else _TILE)


def _sum_of_tiles(x: Array, axis: int) -> Array:
    """The axis cut in tiles, each replaced by its sum, and the rest by one."""
    n = x.shape[axis]
    fitting = [t for t in range(32, _LANES + 1 if axis == -1 else _TILE + 1) if n % t == 0]
    tile = builtins.max(fitting, key=partial(_balance, n)) if fitting else _TILE
    whole = n // tile * tile
    before, after = x.shape[: x.shape.rank + axis], x.shape[x.shape.rank + axis + 1 :]
    parts = tf.split(x, [whole, n - whole], axis) if whole < n else [x]
    tiles = tf.reshape(parts[0], (*before, whole // tile, tile, *after))
    sums = tf.reduce_sum(tiles, axis)
    if whole < n:
        sums = tf.concat([sums, tf.reduce_sum(parts[1], axis, keepdims=True)], axis)
    # With no operation in between, XLA would make one sum of both.
    return xp.where(tf.math.is_nan(sums), math.nan, sums)


def _balance(n: int, tile: int) -> int:
    return builtins.min(tile, n // tile)


def max(x: Array, axis: tuple[int, ...], /) -> Array:
    return tf.reduce_max(x, axis, keepdims=True)


def broadcast(arrays: tuple[Array, ...], axis: tuple[int, ...], /) -> list[Array]:
    checks = []
    for one in axis:
        lengths = [tf.shape(x)[one] for x in arrays[:2]]
        if any(_unknown(x, one) for x in arrays[:2]):
            message = f"p and q must have the same number of categories (axis {one})"
            checks.append(tf.debugging.assert_equal(*lengths, message))
            # XLA drops assertions, but not the rule that rows of a matrix have one length.
            checks.append(tf.stack([tf.zeros(n) for n in lengths]))
    with tf.control_dependencies([c for c in checks if c is not None]):
        return list(xp.broadcast_arrays(*[tf.identity(x) for x in arrays]))


def _unknown(x: Array, axis: int) -> bool:
    return x.shape.rank is None or x.shape[axis] is None


def stop_gradient(x: Array, /) -> Array:
    return tf.stop_gradient(x)


def kernel(rule: Any, /) -> Callable[..., tuple[Array, ...]]:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(*xs: Array) -> Any:
        def gradient(g: Array, *constants: Array) -> list[Array | None]:
            # Which gradients are wanted is not known here; a graph drops the others.
            cotangents: list[Array | None] = rule.vjp(g, (True,) * len(xs), *xs)
            return cotangents

        return rule.value(*xs), gradient

    def call(*xs: Array) -> tuple[Array, ...]:
        result: tuple[Array, ...] | None = (
            by_kernel(rule, xs) if hasattr(rule, "fused_kernel") else None
        )
        if result is None:
            quick = hasattr(rule, "first_order") and not tf.executing_eagerly()
            result = (in_one_pass(rule) if quick else function)(*xs)
        return result

    return call


def to_numpy(x: Array, /) -> Any:
    return np.asarray(x)
