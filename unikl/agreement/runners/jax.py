"""JAX: jit, eager and vmap, each with reverse, forward and second-order derivatives.

float64 needs JAX's x64 mode: it is switched on around the float64 cases, in this thread alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unikl.agreement.cases import Call, Case, Numbers
from unikl.agreement.runners import Checks, Inputs, Mode, Program, Traits, divergence, never
from unikl.agreement.structure import flatten, weights
from unikl.backends import jax as room

XP = room.xp
NAME = "jax"
VERSION = jax.__version__
DTYPES = ("float16", "bfloat16", "float32", "float64")
THREADS = 2  # most of its time is XLA's, which compiles in any number of them


def context(dtype: str) -> AbstractContextManager[Any]:
    return jax.enable_x64(dtype == "float64")  # type: ignore[no-any-return]


def array(x: Numbers, dtype: str) -> Any:
    # Without x64 there is no int64: the widest integer there is.
    return jnp.asarray(x, jax.dtypes.canonicalize_dtype(dtype))


def inputs(case: Case) -> Inputs:
    def optional(x: Numbers | None, dtype: str) -> Any:
        return None if x is None else array(x, dtype)

    return Inputs(
        array(case.p, case.dtype),
        array(case.q, case.dtype),
        optional(case.where, "bool"),
        array(case.weight, case.compute_dtype),
        optional(case.tangent_p, case.dtype),
        optional(case.tangent_q, case.dtype),
    )


def traits(x: Any) -> Traits:
    library = NAME if isinstance(x, jax.Array) else type(x).__module__
    return Traits(library, str(x.dtype), tuple(x.shape), str(getattr(x, "device", "none")))


def to_numpy(x: Any) -> Numbers:
    return np.asarray(x).astype(np.float64)


def program(
    fn: Callable[..., Any], wanted: tuple[int, ...], compiler: str | None
) -> Program | None:
    def run(*xs: Any) -> tuple[Any, Any]:
        def at(*chosen: Any) -> tuple[Any, Any]:
            arguments = list(xs)
            for i, x in zip(wanted, chosen, strict=True):
                arguments[i] = x
            result = fn(*arguments)
            found = list(flatten(result)[1].values())
            return {i: y for i, y in enumerate(found) if _floating(y)}, result

        if not wanted:
            return fn(*xs), ()
        ys, pullback, result = jax.vjp(at, *(xs[i] for i in wanted), has_aux=True)
        return result, pullback(
            {i: jnp.asarray(weights(y.shape, i), y.dtype) for i, y in ys.items()}
        )

    return jax.jit(run) if compiler else run


def _floating(x: Any) -> bool:
    return isinstance(x, jax.Array) and bool(jnp.issubdtype(x.dtype, jnp.floating))


@functools.cache
def _transforms(call: Call, wanted: Checks) -> Callable[..., dict[str, Any]]:
    """Everything wanted as a function of arrays alone; second order is forward over reverse.

    It is the same object for equal calls: jit keeps what it compiled by function and shapes.
    """
    kl = divergence(call)

    def run(p: Any, q: Any, where: Any, weight: Any, tp: Any, tq: Any) -> dict[str, Any]:
        def first(p: Any, q: Any) -> Any:
            value, pullback = jax.vjp(lambda p, q: kl(p, q, where), p, q)
            return value, pullback(weight)

        got: dict[str, Any] = {}
        if "value" in wanted:
            got["value"] = kl(p, q, where)
        if "jvp" in wanted or "hvp" in wanted:
            (_, got["gradient"]), (got["jvp"], got["hvp"]) = jax.jvp(first, (p, q), (tp, tq))
        elif "gradient" in wanted:
            _, got["gradient"] = first(p, q)
        return got

    return run


_jitted = functools.cache(jax.jit)


@functools.cache
def _mapped(run: Callable[..., Any], axes: tuple[int | None, ...]) -> Callable[..., Any]:
    return jax.jit(jax.vmap(run, axes))


def _eager(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    return _transforms(case.call, wanted)(*x.arrays())


def _jit(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    got: dict[str, Any] = _jitted(_transforms(case.call, wanted))(*x.arrays())
    return got


def _vmap(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    axes = tuple(None if array is None else 0 for array in x.arrays())
    got: dict[str, Any] = _mapped(_transforms(case.call, wanted), axes)(*x.arrays())
    return got


def _quick(case: Case) -> bool:
    """Half precision is float32 but for the rounding of the inputs and of the gradients."""
    return case.basic or not case.half


def _eagerly(case: Case) -> bool:
    """Eager JAX compiles each operation for each shape."""
    return case.basic and case.dtype == "float32"


MODES = {
    "jit": Mode(_jit, quick=_quick),
    "eager": Mode(_eager, quick=never, takes=_eagerly),
    "vmap": Mode(_vmap, quick=never, takes=lambda case: case.rowwise and not case.half),
}
