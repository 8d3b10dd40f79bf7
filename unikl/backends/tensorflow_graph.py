"""TensorFlow under tf.function and XLA: a rule whose first order comes in one pass.

A comparison at run time tells which form serves the whole batch: the plain sums, in the fewest
operations, where no divergence is small; the terms that do not cancel; or the careful form.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["in_one_pass"]

Array = Any
Pick = Callable[[tuple[Array, ...]], tuple[Array, ...]]


def in_one_pass(rule: Any) -> Callable[..., Any]:
    """``rule.value``; its derivatives, when asked for, as `rule.first_order` has them."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(*xs: Array) -> Any:
        def gradient(g: Array, *constants: Array) -> list[Array]:
            # One by one: which are wanted is not known here, and a graph drops the others.
            return [_cotangent(rule, want, g, *xs) for want in ((True, False), (False, True))]

        return _first_order(rule, (False, False), tuple, *xs), gradient

    result: Callable[..., Any] = function
    return result


def _cotangent(rule: Any, wanted: tuple[bool, bool], g: Array, *xs: Array) -> Array:
    """One cotangent, as a function that can be differentiated in its turn."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(g: Array, *xs: Array) -> Any:
        def gradient(upstream: Array) -> Any:
            with tf.GradientTape() as tape:
                tape.watch((g, *xs))
                again = [d for d in rule.vjp(g, wanted, *xs) if d is not None]
            return tape.gradient(again, (g, *xs), [upstream])

        def times_g(found: tuple[Array, ...]) -> tuple[Array, ...]:
            # Where a derivative is infinite, an upstream zero still gives zero.
            return (tf.where(g == 0, tf.zeros_like(g), g * found[3]),)

        return _first_order(rule, wanted, times_g, *xs)[0], gradient

    return function(g, *xs)


def _first_order(rule: Any, wanted: tuple[bool, bool], pick: Pick, *xs: Array) -> tuple[Array, ...]:
    """What `pick` makes of the value, the masses and the wanted partial derivatives."""

    def in_one_pass() -> tuple[Array, ...]:
        exact, *found = rule.first_order(_with_exact, wanted, *xs)
        return tf.reduce_all(exact), *pick(tuple(found))

    def carefully() -> tuple[Array, ...]:
        found = rule.value(*xs)
        if any(wanted):
            partials = rule.vjp(tf.ones_like(found[0]), wanted, *xs)
            found = (*found, *[d for d in partials if d is not None])
        return pick(found)

    large = rule.large(wanted, *xs)
    if large is None:
        return carefully()
    everywhere = tf.reduce_all(large[0])
    # One after the other: a forward accumulator cannot follow a tf.cond inside another.
    exact, *found = _if(everywhere, (everywhere, *pick(large[1])), in_one_pass)
    return _if(exact, tuple(found), carefully)


def _with_exact(
    exact: Array, quick: tuple[Array, ...], careful: Callable[[], tuple[Array, ...]]
) -> tuple[Array, ...]:
    return exact, *quick


def _if(
    condition: Array, found: tuple[Array, ...], otherwise: Callable[[], tuple[Array, ...]]
) -> tuple[Array, ...]:
    if tf.executing_eagerly():
        return found if bool(condition) else otherwise()
    return tuple(tf.cond(condition, lambda: found, otherwise))
