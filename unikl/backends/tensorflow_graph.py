"""TensorFlow under tf.function and XLA: a rule whose first order comes in one pass."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["in_one_pass"]

Array = Any


def in_one_pass(rule: Any) -> Callable[..., Any]:
    """``rule.value``; its derivatives, when asked for, as `rule.first_order` has them."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(*xs: Array) -> Any:
        def gradient(g: Array, *constants: Array) -> list[Array]:
            return _cotangents(rule, g, *xs)

        return rule.first_order(_branch, (False, False), *xs), gradient

    result: Callable[..., Any] = function
    return result


def _cotangents(rule: Any, g: Array, *xs: Array) -> list[Array]:
    """In two factors where a derivative is infinite, so that there an upstream zero gives zero."""
    if tf.executing_eagerly():
        partials = _partials(rule, (True, True), *xs)
    else:  # one by one: which are wanted is not known here, and a graph drops the others
        partials = [_partials(rule, want, *xs)[0] for want in ((True, False), (False, True))]
    cotangents = []
    for d in partials:
        huge = tf.constant(0.99 * d.dtype.max, d.dtype)
        factor = tf.where(tf.math.is_inf(d), huge, tf.ones_like(huge))
        cotangents.append((g * tf.clip_by_value(d, -huge, huge)) * factor)
    return cotangents


def _partials(rule: Any, wanted: tuple[bool, bool], *xs: Array) -> list[Array]:
    """The wanted partial derivatives, as functions that can be differentiated in their turn."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(*xs: Array) -> Any:
        def gradient(*upstream: Array) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(xs)
                one = tf.ones_like(rule.value(*xs)[0])
                again = [d for d in rule.vjp(one, wanted, *xs) if d is not None]
            return tape.gradient(again, xs, upstream)

        return rule.first_order(_branch, wanted, *xs)[3:], gradient

    return list(function(*xs))


def _branch(
    exact: Array, quick: tuple[Array, ...], careful: Callable[[], tuple[Array, ...]]
) -> tuple[Array, ...]:
    everywhere = tf.reduce_all(exact)
    if tf.executing_eagerly():
        return quick if bool(everywhere) else careful()
    return tuple(tf.cond(everywhere, lambda: quick, careful))
