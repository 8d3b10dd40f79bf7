"""TensorFlow's way into the fused kernels, for eager tensors in host memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from unikl.kernels import host

__all__ = ["by_kernel", "concrete", "fused", "readable"]

Array = Any

try:
    # Not public, as nothing public says whether a tape or a forward accumulator listens.
    from tensorflow.python.eager.forwardprop_util import pack_tangents
    from tensorflow.python.eager.record import could_possibly_record, should_record_backprop
except ImportError:
    could_possibly_record = pack_tangents = should_record_backprop = None


def concrete(x: Array, /) -> bool:
    """See `unikl.backends.Backend.concrete`."""
    return readable(x) and "CPU" in x.device


def readable(x: Array, /) -> bool:
    """See `unikl.backends.Backend.readable`."""
    return tf.executing_eagerly() and hasattr(x, "numpy")


def _views(xs: tuple[Array, ...]) -> tuple[Any, ...] | None:
    """NumPy views without a copy, of eager tensors that no forward accumulator watches."""
    if pack_tangents is None or not all(isinstance(x, tf.Tensor) and concrete(x) for x in xs):
        return None
    if pack_tangents(xs).tangents:
        return None
    return tuple([np.asarray(memoryview(x)) for x in xs if x.dtype in (tf.float32, tf.float64)])


def _tensor(x: Any) -> Array:
    """Without a copy where that pays; the kernels align their gradients as TensorFlow needs."""
    if x.nbytes < host.SMALL or not x.flags.c_contiguous:
        return tf.constant(x)
    return tf.experimental.dlpack.from_dlpack(x.__dlpack__())


def by_kernel(rule: Any, xs: tuple[Array, ...]) -> tuple[Array, ...] | None:
    """By the kernels, if these are eager tensors in host memory."""
    views = _views(xs)
    if views is None or len(views) != 2:
        return None
    # The gradients of what a tape watches; it does not say which of them it will ask for.
    wanted = tuple([could_possibly_record() and should_record_backprop([x]) for x in xs])
    found = host.reduce(rule, views, keep=any(wanted))
    if found is None:
        return None
    results = [tf.constant(y) for y in found[:3]]
    if not any(wanted):
        return tuple(results)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(*xs: Array) -> Any:
        def gradient(g: Array, *constants: Array) -> Any:
            return _fused_vjp(rule, found.saved, wanted, g, xs)

        return results, gradient

    result: tuple[Array, ...] = tuple(function(*xs))
    return result


def _fused_vjp(
    rule: Any, saved: Any, wanted: Any, g: Array, xs: tuple[Array, ...]
) -> list[Array | None]:
    """The cotangents by the kernels; their own derivatives by the formulas."""
    views = _views((g, *xs))
    found = None
    if views is not None and len(views) == 3:
        found = host.gradients(rule, views[1:], saved, views[0], wanted)
    if found is None:
        formulas: list[Array | None] = rule.vjp(g, wanted, *xs)
        return formulas
    cotangents = [_tensor(d) for d in found if d is not None]
    if could_possibly_record():
        cotangents = _twice(rule, wanted, cotangents)(g, *xs)
    rest = iter(cotangents)
    return [next(rest) if want else None for want in wanted]


def _twice(rule: Any, wanted: Any, cotangents: list[Array]) -> Callable[..., list[Array]]:
    """The wanted cotangents, as a function of g and xs whose derivatives are the formulas'."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(g: Array, *xs: Array) -> Any:
        def second(*upstream: Array) -> Any:
            with tf.GradientTape() as tape:
                tape.watch((g, *xs))
                formulas = [d for d in rule.vjp(g, wanted, *xs) if d is not None]
            return tape.gradient(formulas, (g, *xs), upstream)

        return cotangents, second

    call: Callable[..., list[Array]] = function
    return call


def fused(p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /) -> Array | None:
    """See `unikl.backends.Backend.fused`."""
    if not tf.executing_eagerly() or not tf.is_tensor(q):
        return None
    views = _views((p, q))
    if views is None or len(views) != 2 or could_possibly_record():
        return None
    found = host.plain(*views, given, validate, None, (False, False))
    return None if found is None else tf.constant(found[0])
