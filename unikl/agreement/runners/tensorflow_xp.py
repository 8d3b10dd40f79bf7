"""An Array API namespace for TensorFlow, which has none, for functions that take ``xp``.

It is the one that the library itself computes with, and those of the standard's other names that
TensorFlow has under a name of its own with the same meaning. What is missing is an AttributeError.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from unikl.backends.tensorflow import xp as _xp

Array = Any


class XP(_xp):  # type: ignore[misc]
    """The names of the Array API standard for tensors (a class that stands for a module)."""

    pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None
    int32, int64, bool = tf.int32, tf.int64, tf.bool
    acos, acosh, asin, asinh = tf.math.acos, tf.math.acosh, tf.math.asin, tf.math.asinh
    atan, atan2, atanh = tf.math.atan, tf.math.atan2, tf.math.atanh
    cos, cosh, sin, sinh, tan, tanh = tf.cos, tf.cosh, tf.sin, tf.sinh, tf.tan, tf.tanh
    ceil, floor, round, sign, negative = tf.math.ceil, tf.floor, tf.round, tf.sign, tf.negative
    add, subtract, multiply, divide, pow = tf.add, tf.subtract, tf.multiply, tf.divide, tf.pow
    equal, not_equal, less, less_equal = tf.equal, tf.not_equal, tf.less, tf.less_equal
    greater, greater_equal = tf.greater, tf.greater_equal
    logical_and, logical_or, logical_not = tf.logical_and, tf.logical_or, tf.logical_not
    broadcast_to, matmul = tf.broadcast_to, tf.matmul
    reciprocal, matrix_transpose = tf.math.reciprocal, tf.linalg.matrix_transpose
    permute_dims = tf.transpose

    @staticmethod
    def asarray(x: Any, /, *, dtype: Any = None) -> Array:
        """tf.convert_to_tensor."""
        return tf.convert_to_tensor(x, dtype)

    @staticmethod
    def min(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """tf.reduce_min."""
        return tf.reduce_min(x, axis, keepdims)

    @staticmethod
    def prod(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """tf.reduce_prod."""
        return tf.reduce_prod(x, axis, keepdims)

    @staticmethod
    def var(
        x: Array, /, *, axis: Any = None, correction: float = 0, keepdims: Any = False
    ) -> Array:
        """tf.math.reduce_variance, times n / (n - correction)."""
        variance = tf.math.reduce_variance(x, axis, keepdims)
        if not correction:
            return variance
        n = tf.size(x) / tf.size(variance)
        return variance * tf.cast(n / (n - correction), x.dtype)

    @staticmethod
    def std(
        x: Array, /, *, axis: Any = None, correction: float = 0, keepdims: Any = False
    ) -> Array:
        """The square root of `var`."""
        return tf.sqrt(XP.var(x, axis=axis, correction=correction, keepdims=keepdims))

    @staticmethod
    def argmax(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
        """tf.argmax."""
        flat = tf.reshape(x, [-1]) if axis is None else x
        found = tf.argmax(flat, 0 if axis is None else axis)
        return tf.expand_dims(found, axis) if keepdims and axis is not None else found

    @staticmethod
    def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:
        """tf.maximum and tf.minimum."""
        x = x if min is None else tf.maximum(x, tf.convert_to_tensor(min, x.dtype))
        return x if max is None else tf.minimum(x, tf.convert_to_tensor(max, x.dtype))
