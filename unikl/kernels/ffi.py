"""The row kernels inside JAX programs for one CPU, through XLA's foreign-function interface.

`by_kernel` is a primitive that becomes a call of a kernel where one serves, and the formula that
it was given everywhere else: on other platforms, in a program that is exported (a foreign call is
bound to its process), without Numba, and at run time in a batch of which the kernel leaves a row
to the formula (rows with NaN, without mass, out of range, or infinite where gradients are wanted).
"""

import math
import threading
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from . import host

__all__ = ["by_kernel", "serves"]

Array = Any
Formula = Callable[..., tuple[Array, ...]]  # (rule, wanted, p, q): value, masses, gradients


def serves(rule: Any) -> bool:
    """Is there a kernel for this rule, and one CPU for the whole program?

    With several devices XLA would gather what is sharded before a foreign call; inside shard_map
    the results of a call would lack the types that say along which axes they vary.
    """
    if getattr(rule, "fused_kernel", None) not in ("weights", "logs"):
        return False
    if sorted(rule.axis) != list(range(-len(rule.axis), 0)):
        return False
    if jax.default_backend() != "cpu" or jax.device_count() != 1:
        return False
    return not jax.sharding.get_abstract_mesh().manual_axes and _registered()


def by_kernel(
    formula: Formula, rule: Any, wanted: tuple[bool, bool], p: Array, q: Array
) -> tuple[Array, ...]:
    """``formula(rule, wanted, p, q)``, for a rule that `serves`; not to be differentiated.

    That is the divergence and the masses of p and q, with the category axes kept as length 1,
    and the wanted gradients, of arrays of one shape and dtype.
    """
    return tuple(_rows.bind(p, q, formula=formula, rule=rule, wanted=wanted))


_rows: Any = Primitive("unikl_rows")
_rows.multiple_results = True


def _composite(p: Array, q: Array, *, formula: Formula, rule: Any, wanted: Any) -> list[Array]:
    return list(formula(rule, wanted, p, q))


def _fused(p: Array, q: Array, *, formula: Formula, rule: Any, wanted: Any) -> list[Array]:
    from . import xla_handler

    kernel = xla_handler.number_of(rule.linear[0], wanted)
    xla_handler.load(kernel, p.dtype)
    depth = len(rule.axis)
    batch, shape = p.shape[:-depth], (math.prod(p.shape[:-depth]), math.prod(p.shape[-depth:]))
    shapes = [(3, shape[0]), *[shape] * sum(wanted)]
    results = [jax.ShapeDtypeStruct(each, p.dtype) for each in shapes]
    call = jax.ffi.ffi_call(xla_handler.TARGET, results)
    numbers, *gradients = call(p.reshape(shape), q.reshape(shape), kernel=np.int64(kernel))
    found = [x.reshape(*batch, *[1] * depth) for x in numbers]
    found += [x.reshape(p.shape) for x in gradients]

    # A loop of one round or none: XLA leaves its results in place, but copies a conditional's.
    def redo(state: Any) -> Any:
        return (jnp.zeros_like(state[0]), *rule.first_order(_carefully, wanted, p, q))

    left = jnp.any(jnp.isnan(numbers[0]))
    return list(jax.lax.while_loop(lambda state: state[0], redo, (left, *found))[1:])


def _carefully(exact: Array, quick: Any, careful: Callable[[], Any]) -> Any:
    return careful()


def _types(p: Any, q: Any, *, formula: Formula, rule: Any, wanted: Any) -> Any:
    def alike(p: Array, q: Array) -> list[Array]:
        total = jnp.sum(p + q, axis=rule.axis, keepdims=True)
        return [total] * 3 + [p + q] * sum(wanted)

    return jax.make_jaxpr(alike)(p, q).out_avals


def _vmapped(arrays: Any, places: Any, **parameters: Any) -> Any:
    """The axis of vmap is one more in front."""
    pairs = list(zip(arrays, places, strict=True))
    n = next(x.shape[k] for x, k in pairs if k is not None)
    front = [
        jnp.broadcast_to(x, (n, *x.shape)) if k is None else jnp.moveaxis(x, k, 0) for x, k in pairs
    ]
    results = _rows.bind(*front, **parameters)
    return results, [0] * len(results)


_lower_composite: Any = mlir.lower_fun(_composite, multiple_results=True)
_lower_fused: Any = mlir.lower_fun(_fused, multiple_results=True)


def _lower_on_cpu(context: Any, *arrays: Any, **parameters: Any) -> Any:
    how = getattr(context.module_context, "lowering_parameters", None)
    exported = getattr(how, "for_export", True)  # if that cannot be known, the formula
    lower = _lower_composite if exported or not _registered() else _lower_fused
    return lower(context, *arrays, **parameters)


_rows.def_impl(_composite)  # under jax.disable_jit
_rows.def_abstract_eval(_types)
batching.primitive_batchers[_rows] = _vmapped
mlir.register_lowering(_rows, _lower_composite)
mlir.register_lowering(_rows, _lower_on_cpu, platform="cpu")

_lock = threading.Lock()
_answer: list[bool] = []


def _registered() -> bool:
    """Has XLA taken the handler?  (Asked once.)"""
    with _lock:
        if not _answer:
            _answer.append(_register())
        return _answer[0]


def _register() -> bool:
    if not host.installed():
        return False
    from . import xla_handler

    capsule = jax.ffi.pycapsule(xla_handler.handler_address())
    try:
        jax.ffi.register_ffi_target(xla_handler.TARGET, capsule, platform="cpu")
    except RuntimeError as error:
        warnings.warn(f"unikl: this jaxlib refuses the fused kernels: {error}", stacklevel=2)
        return False
    return True
