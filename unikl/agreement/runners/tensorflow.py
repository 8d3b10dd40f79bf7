"""TensorFlow: eager, tf.function with None dimensions and with an unknown rank, and XLA."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from unikl.agreement.cases import Call, Case, Numbers
from unikl.agreement.runners import (
    Checks,
    Inputs,
    Mode,
    Program,
    Traits,
    divergence,
    never,
    tensorflow_xp,
)
from unikl.agreement.structure import flatten, weights

XP = tensorflow_xp.XP
NAME = "tensorflow"
VERSION = tf.__version__
DTYPES = ("float16", "bfloat16", "float32", "float64")
THREADS = 1


def context(dtype: str) -> AbstractContextManager[Any]:
    return nullcontext()


def array(x: Numbers, dtype: str) -> Any:
    return tf.cast(tf.constant(x), dtype)


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
    library = NAME if tf.is_tensor(x) else type(x).__module__
    dtype = getattr(x.dtype, "name", str(x.dtype))
    return Traits(library, dtype, tuple(x.shape), str(getattr(x, "device", "none")))


def to_numpy(x: Any) -> Numbers:
    return np.asarray(tf.cast(x, tf.float64).numpy())


def program(
    fn: Callable[..., Any], wanted: tuple[int, ...], compiler: str | None
) -> Program | None:
    call = tf.function(fn) if compiler else fn

    def run(*xs: Any) -> tuple[Any, Any]:
        if not wanted:
            return call(*xs), ()
        inputs = [xs[i] for i in wanted]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            result = call(*xs)
        ys = {i: y for i, y in enumerate(flatten(result)[1].values()) if _floating(y)}
        if not ys:
            return result, (None,) * len(wanted)
        above = [tf.constant(weights(tuple(y.shape), i), y.dtype) for i, y in ys.items()]
        gradients = tape.gradient([*ys.values()], inputs, above)
        return result, [None if g is None else tf.convert_to_tensor(g) for g in gradients]

    return run


def _floating(x: Any) -> bool:
    return bool(tf.is_tensor(x) and x.dtype.is_floating)


@functools.cache
def _derivatives(call: Call, wanted: Checks) -> Callable[..., dict[str, Any]]:
    """Everything wanted as a function of arrays alone; second order by a tape around a tape."""
    kl = divergence(call)

    def run(p: Any, q: Any, where: Any, weight: Any, tp: Any, tq: Any) -> dict[str, Any]:
        got = {}
        if "value" in wanted:
            got["value"] = kl(p, q, where)
        if "jvp" in wanted:
            with tf.autodiff.ForwardAccumulator((p, q), (tp, tq)) as accumulator:
                value = kl(p, q, where)
            got["jvp"] = accumulator.jvp(value)
        if "gradient" in wanted or "hvp" in wanted:
            with tf.GradientTape() as outer:
                outer.watch((p, q))
                with tf.GradientTape() as inner:
                    inner.watch((p, q))
                    value = kl(p, q, where)
                got["gradient"] = inner.gradient(value, (p, q), weight)
            if "hvp" in wanted:
                got["hvp"] = outer.gradient(got["gradient"], (p, q), (tp, tq))
        return got

    return run


def _with_nones(run: Callable[..., Any], places: tuple[int, ...], *arrays: Any) -> Any:
    """Call with None put back in: a signature has no place for what a case does not have."""
    arguments = list(arrays)
    for place in places:
        arguments.insert(place, None)
    return run(*arguments)


@functools.cache
def _traced(run: Callable[..., Any], signature: tuple[Any, ...], xla: bool) -> Any:
    places = tuple(i for i, spec in enumerate(signature) if spec is None)
    specs = [spec for spec in signature if spec is not None]
    whole = functools.partial(_with_nones, run, places)
    return tf.function(whole, input_signature=specs, jit_compile=xla)


def _spec(x: Any, rank: bool) -> Any:
    if x is None:
        return None
    return tf.TensorSpec([None] * len(x.shape) if rank else None, x.dtype)


def _eager(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    return _derivatives(case.call, wanted)(*x.arrays())


def _graph(
    case: Case, x: Inputs, wanted: Checks, rank: bool = True, xla: bool = False
) -> dict[str, Any]:
    signature = tuple(_spec(array, rank) for array in x.arrays())
    traced = _traced(_derivatives(case.call, wanted), signature, xla)
    got: dict[str, Any] = traced(*(array for array in x.arrays() if array is not None))
    return got


def _graphs(case: Case) -> bool:
    """Half precision is float32 but for the rounding of the inputs and of the gradients."""
    return case.basic or not case.half


def _any_rank(case: Case) -> bool:
    """Of an array of unknown rank only the last axes can be named."""
    return isinstance(case.call.axis, int) and case.call.axis < 0 and not case.half


def _hardest(case: Case) -> bool:
    """XLA compiles every shape for a second."""
    return (case.basic or case.family == "masks") and not case.half


_FIRST = ("value", "gradient")
MODES = {
    "eager": Mode(_eager),
    "function": Mode(_graph, quick=never, takes=_graphs),
    "unknown": Mode(functools.partial(_graph, rank=False), _FIRST, quick=never, takes=_any_rank),
    "xla": Mode(functools.partial(_graph, xla=True), _FIRST, quick=never, takes=_hardest),
}
