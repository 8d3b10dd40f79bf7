"""JAX: custom_jvp, from which JAX derives reverse mode and every higher order."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as xp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from .generic import pick_float_dtype

__all__ = [
    "asarray",
    "broadcast",
    "concrete",
    "eps",
    "float_dtype",
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


def asarray(x: Any, like: Array | None = None, /) -> Array:
    return xp.asarray(x)


def shape(x: Array, /) -> tuple[int | None, ...]:
    return tuple(x.shape)


def float_dtype(arrays: tuple[Array, ...], /) -> Any:
    default = jax.dtypes.canonicalize_dtype(np.float64)  # float32 unless x64 is enabled
    return pick_float_dtype(xp, [x.dtype for x in arrays], (xp.float16, xp.bfloat16), default)


def eps(dtype: Any, /) -> float:
    return float(xp.finfo(dtype).eps)


def smallest_normal(dtype: Any, /) -> float:
    return float(xp.finfo(dtype).smallest_normal)


def largest(dtype: Any, /) -> float:
    return float(xp.finfo(dtype).max)


def sum(x: Array, axis: tuple[int, ...], /) -> Array:
    return xp.sum(x, axis=axis, keepdims=True)


def max(x: Array, axis: tuple[int, ...], /) -> Array:
    return xp.max(x, axis=axis, keepdims=True, initial=-xp.inf)


def broadcast(arrays: tuple[Array, ...], axis: tuple[int, ...], /) -> list[Array]:
    return list(xp.broadcast_arrays(*arrays))


def stop_gradient(x: Array, /) -> Array:
    return jax.lax.stop_gradient(x)


def kernel(rule: Any, /) -> Callable[..., tuple[Array, ...]]:
    return _differentiable(rule)


@lru_cache(256)  # by the rule, so that the compiled functions are found again
def _differentiable(rule: Any) -> Callable[..., tuple[Array, ...]]:
    # Compiled also when called eagerly: one by one, JAX compiles each operation for each shape.
    function = jax.custom_jvp(jax.jit(rule.value))
    jvp = jax.jit(rule.jvp)

    def differentiate(xs: tuple[Array, ...], tangents: tuple[Any, ...]) -> Any:
        y, *constants = function(*xs)
        # Without symbolic zeros, an infinite partial of an argument that is not differentiated
        # would poison the sum.
        live = tuple([None if isinstance(t, SymbolicZero) else t for t in tangents])
        dy = xp.zeros_like(y) if all(t is None for t in live) else jvp(live, *xs)
        return (y, *constants), (dy, *[xp.zeros_like(c) for c in constants])

    function.defjvp(differentiate, symbolic_zeros=True)
    return function


def concrete(x: Array, /) -> bool:
    return readable(x) and all(d.platform == "cpu" for d in x.devices())


def readable(x: Array, /) -> bool:
    return not isinstance(x, jax.core.Tracer) and bool(x.is_fully_addressable)


def to_numpy(x: Array, /) -> Any:
    return np.asarray(x)
