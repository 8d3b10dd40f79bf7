"""TensorFlow: custom_gradient around the core, over a namespace of aliases.

TensorFlow has no Array API namespace of its own; `_TensorFlow` below is one, as far as the core
needs it.  Nothing here reads a dimension that may be unknown in a graph, and nothing is patched.
"""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import tensorflow as tf

from unikl.kernels import host

from .generic import pick_float_dtype, tiled_sum
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

try:
    # Not public, as nothing public says whether a tape or a forward accumulator listens.
    from tensorflow.python.eager.forwardprop_util import pack_tangents
    from tensorflow.python.eager.record import could_possibly_record
except ImportError:
    could_possibly_record = pack_tangents = None


class _TensorFlow:
    """The Array API names that the core uses (a class that stands for a module)."""

    float16, bfloat16, float32, float64 = tf.float16, tf.bfloat16, tf.float32, tf.float64
    abs, sqrt, square, exp, log = tf.abs, tf.sqrt, tf.square, tf.exp, tf.math.log
    expm1, log1p, maximum, minimum = tf.math.expm1, tf.math.log1p, tf.maximum, tf.minimum
    isnan, isinf, isfinite = tf.math.is_nan, tf.math.is_inf, tf.math.is_finite
    reshape, squeeze, concat, stack = tf.reshape, tf.squeeze, tf.concat, tf.stack
    ones_like, zeros_like = tf.ones_like, tf.zeros_like
    astype = tf.cast

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
    # TensorFlow sums straight through any axis but the last, and XLA through that one too.
    known = shape(x)
    if known is None or None in known or (axis == (-1,) and tf.executing_eagerly()):
        return tf.reduce_sum(x, axis, keepdims=True)
    return tiled_sum(xp, x, axis)


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
            _fused(rule, xs) if hasattr(rule, "fused_kernel") else None
        )
        if result is None:
            quick = hasattr(rule, "first_order") and not tf.executing_eagerly()
            result = (in_one_pass(rule) if quick else function)(*xs)
        return result

    return call


# -- the fused kernels, for eager tensors in host memory -------------------------------------------


def _views(xs: tuple[Array, ...]) -> tuple[Any, ...] | None:
    """NumPy views without a copy, of eager tensors that no forward accumulator watches."""
    if pack_tangents is None or not all(isinstance(x, tf.Tensor) and concrete(x) for x in xs):
        return None
    if pack_tangents(xs).tangents:
        return None
    return tuple([np.asarray(memoryview(x)) for x in xs if x.dtype in (tf.float32, tf.float64)])


def _tensor(x: Any) -> Array:
    """Without a copy where that pays; the kernels align their gradients as TensorFlow needs."""
    if x.nbytes < 2**16 or not x.flags.c_contiguous:
        return tf.constant(x)
    return tf.experimental.dlpack.from_dlpack(x.__dlpack__())


def _fused(rule: Any, xs: tuple[Array, ...]) -> tuple[Array, ...] | None:
    views = _views(xs)
    found = host.reduce(rule, views) if views is not None and len(views) == 2 else None
    if found is None:
        return None
    results = [tf.constant(y) for y in (found.kl, found.mass_p, found.mass_q)]
    if not could_possibly_record():
        return tuple(results)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(*xs: Array) -> Any:
        def gradient(g: Array, *constants: Array) -> Any:
            return _fused_vjp(rule, g, xs)

        return results, gradient

    result: tuple[Array, ...] = tuple(function(*xs))
    return result


def _fused_vjp(rule: Any, g: Array, xs: tuple[Array, ...]) -> list[Array]:
    """The cotangents by the kernels; their own derivatives by the formulas."""
    views = _views((g, *xs))
    found = host.reduce(rule, views[1:], (True, True)) if views else None
    if found is None or not found.finite or views is None:
        formulas: list[Array] = rule.vjp(g, (True, True), *xs)
        return formulas

    for d in found.gradients:
        np.multiply(d, views[0], out=d)
    cotangents = [_tensor(d) for d in found.gradients]
    if not could_possibly_record():
        return cotangents

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(g: Array, *xs: Array) -> Any:
        def second(*upstream: Array) -> Any:
            with tf.GradientTape() as tape:
                tape.watch((g, *xs))
                formulas = rule.vjp(g, (True, True), *xs)
            return tape.gradient(formulas, (g, *xs), upstream)

        return cotangents, second

    result: list[Array] = function(g, *xs)
    return result


def fused(p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /) -> Array | None:
    if not tf.executing_eagerly() or not tf.is_tensor(q):
        return None
    views = _views((p, q))
    if views is None or len(views) != 2 or could_possibly_record():
        return None
    found = host.plain(*views, given, validate, None, (False, False))
    return None if found is None else tf.constant(found[0])


def concrete(x: Array, /) -> bool:
    return readable(x) and "CPU" in x.device


def readable(x: Array, /) -> bool:
    return tf.executing_eagerly() and hasattr(x, "numpy")


def to_numpy(x: Array, /) -> Any:
    return np.asarray(x)
