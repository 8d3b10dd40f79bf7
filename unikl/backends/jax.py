"""JAX: custom_jvp, from which JAX derives reverse mode and every higher order."""

import builtins
import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as xp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from unikl.kernels import ffi, host

from .generic import pick_float_dtype

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
    return _in_one_pass(rule) if hasattr(rule, "first_order") else _differentiable(rule)


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


# -- rules that have a first order in one pass -----------------------------------------------------

_SMALL = 2**12  # elements: below, one pass more costs less than a branch
_BLOCK = 2**18  # elements: what is between the passes stays in the cache


@lru_cache(256)
def _in_one_pass(rule: Any) -> Callable[..., tuple[Array, ...]]:
    """The rule's value, whose derivatives come with it when they are asked for."""
    function = jax.custom_jvp(jax.jit(partial(_fastest, rule, (False, False))))

    def differentiate(xs: tuple[Array, ...], tangents: tuple[Any, ...]) -> Any:
        wanted = tuple([not isinstance(t, SymbolicZero) for t in tangents])
        found = _with_partials(rule, wanted)(*xs)
        y, *constants = found[:3]
        dy = _along(rule, y, found[3:], [t for t in tangents if not isinstance(t, SymbolicZero)])
        return (y, *constants), (dy, *[xp.zeros_like(c) for c in constants])

    function.defjvp(differentiate, symbolic_zeros=True)
    return function


@lru_cache(1024)
def _with_partials(rule: Any, wanted: tuple[bool, ...]) -> Callable[..., tuple[Array, ...]]:
    """Value and partial derivatives, as a function that can be differentiated in its turn."""
    function = jax.custom_jvp(jax.jit(partial(_fastest, rule, wanted)))

    def partials(*xs: Array) -> tuple[Array, ...]:
        one = xp.ones_like(rule.value(*xs)[0])
        return tuple([d for d in rule.vjp(one, wanted, *xs) if d is not None])

    def differentiate(xs: tuple[Array, ...], tangents: tuple[Any, ...]) -> Any:
        found = function(*xs)
        y, *constants = found[:3]
        live = [t for t, want in zip(tangents, wanted, strict=True) if want]
        dy = _along(rule, y, found[3:], live)
        second = jax.jvp(partials, xs, tangents)[1]
        return found, (dy, *[xp.zeros_like(c) for c in constants], *second)

    function.defjvp(differentiate)
    return function


def _along(rule: Any, y: Array, partials: Sequence[Array], tangents: Sequence[Array]) -> Array:
    """The derivative along the tangents, in two factors where a partial derivative is infinite,
    so that there an upstream zero gives zero."""
    dy = xp.zeros_like(y)
    for d, t in zip(partials, tangents, strict=True):
        huge = 0.99 * largest(d.dtype)
        finite, factor = xp.clip(d, -huge, huge), xp.where(xp.isinf(d), huge, 1.0)
        dy = dy + sum((t * finite) * factor, rule.axis)
    return dy


def _fastest(rule: Any, wanted: Any, *xs: Array) -> tuple[Array, ...]:
    """By a fused kernel where one serves, else by the formula."""
    if ffi.serves(rule) and not _typed_by_a_mesh(xs):
        return ffi.by_kernel(_first_order, rule, wanted, *xs)
    return _first_order(rule, wanted, *xs)


def _first_order(rule: Any, wanted: tuple[bool, ...], *xs: Array) -> tuple[Array, ...]:
    """By blocks of rows where these are large, on the CPU."""
    sizes = xs[0].shape
    # Of all processes, not of this one: blocks of rows would gather what is sharded.
    alone = jax.default_backend() == "cpu" and jax.device_count() == 1
    here = alone and not _typed_by_a_mesh(xs)
    if not here or any(not isinstance(n, int) for n in sizes) or xs[0].size < _SMALL:
        return tuple(rule.first_order(_carefully, wanted, *xs))
    large = rule.large(wanted, *xs) if all(rule.linear) else None
    if large is None:
        return _in_blocks(rule, wanted, *xs)
    exact, quick = large

    # A loop of one round or none: XLA leaves its results in place, but copies a conditional's.
    def redo(state: Any) -> Any:
        return (xp.zeros_like(state[0]), *_in_blocks(rule, wanted, *xs))

    return tuple(jax.lax.while_loop(lambda s: s[0], redo, (~xp.all(exact), *quick))[1:])


def _typed_by_a_mesh(xs: Sequence[Array]) -> bool:
    """Do the types say how the arrays are sharded?  Then they may not be reshaped, even on a mesh
    of one device, and the results of a foreign call would lack it."""
    return any(axis is not None for x in xs for axis in jax.typeof(x).sharding.spec)


def _in_blocks(rule: Any, wanted: tuple[bool, ...], *xs: Array) -> tuple[Array, ...]:
    sizes, axis = xs[0].shape, rule.axis
    block = partial(_block, rule, wanted)
    rows, row = math.prod(sizes[: -len(axis)]), math.prod(sizes[-len(axis) :])
    step = builtins.max(1, _BLOCK // row)
    if sorted(axis) != list(range(-len(axis), 0)) or rows <= step:
        return block(*xs)
    flat = [x.reshape(rows, *sizes[-len(axis) :]) for x in xs]
    found = _by_blocks(block, rows, _divisor(rows, step), flat)
    return tuple([x.reshape(*sizes[: -len(axis)], *x.shape[1:]) for x in found])


def _block(rule: Any, wanted: tuple[bool, ...], *xs: Array) -> tuple[Array, ...]:
    def otherwise() -> tuple[Array, ...]:
        found: tuple[Array, ...] = rule.first_order(_branch, wanted, *xs)
        return found

    # Of weights, it is the whole that may be large.
    large = None if rule.linear[0] else rule.large(wanted, *xs)
    if large is None:
        return otherwise()
    exact, quick = large
    return _branch(exact, quick, otherwise)


def _by_blocks(
    block: Callable[..., tuple[Array, ...]], rows: int, step: int, xs: list[Array]
) -> list[Array]:
    whole = rows // step * step

    def one(start: Array) -> tuple[Array, ...]:
        return block(*[jax.lax.dynamic_slice_in_dim(x, start, step) for x in xs])

    found = jax.lax.map(one, xp.arange(0, whole, step))
    found = [x.reshape(whole, *x.shape[2:]) for x in found]
    if whole == rows:
        return found
    rest = block(*[x[whole:] for x in xs])
    return [xp.concatenate(pair) for pair in zip(found, rest, strict=True)]


def _divisor(rows: int, step: int) -> int:
    """A step that leaves no rest, if one is near."""
    near = [n for n in range(step, step // 4, -1) if rows % n == 0]
    return near[0] if near else step


def _branch(
    exact: Array, quick: tuple[Array, ...], careful: Callable[[], tuple[Array, ...]]
) -> tuple[Array, ...]:
    found: tuple[Array, ...] = jax.lax.cond(xp.all(exact), lambda: quick, careful)
    return found


def _carefully(
    exact: Array, quick: tuple[Array, ...], careful: Callable[[], tuple[Array, ...]]
) -> tuple[Array, ...]:
    return careful()


def fused(p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /) -> Array | None:
    if not (_in_host_memory(p) and _in_host_memory(q) and p.devices() == q.devices()):
        return None
    found = host.plain(np.asarray(p), np.asarray(q), given, validate, None, (False, False))
    return None if found is None else jax.device_put(found[0], p.device)


def _in_host_memory(x: Any) -> bool:
    return (
        isinstance(x, jax.Array)
        and not isinstance(x, jax.core.Tracer)
        and isinstance(x.device, jax.Device)
        and isinstance(x.sharding, jax.sharding.SingleDeviceSharding)  # keeps a mesh of one device
        and x.device.platform == "cpu"
    )


def concrete(x: Array, /) -> bool:
    return readable(x) and all(d.platform == "cpu" for d in x.devices())


def readable(x: Array, /) -> bool:
    return not isinstance(x, jax.core.Tracer) and bool(x.is_fully_addressable)


def to_numpy(x: Array, /) -> Any:
    return np.asarray(x)
