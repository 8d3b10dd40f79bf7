"""TensorFlow on every case, eager, in graphs and under XLA; and what else goes in as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from conformance.grid import assert_agrees, assert_meets, case
from unikl.agreement.runners import divergence
from unikl.agreement.runners import tensorflow as runner
from unikl.agreement.suite import Work

BACKEND = "tensorflow"
MODES = ("eager", "function", "unknown", "xla")


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "function"])
def test_variables_go_in_as_they_are(graph: bool) -> None:
    of = case("regimes/probs-logits", "float32")
    x = runner.inputs(of)
    p, q = tf.Variable(x.p), tf.Variable(x.q)

    def both() -> Any:
        with tf.GradientTape() as tape:  # which watches variables by itself
            value = divergence(of.call)(p, q, None)
        return value, tape.gradient(value, (p, q), x.weight)

    value, gradient = tf.function(both)() if graph else both()
    assert not isinstance(value, tf.Variable)
    assert_meets(of, "value", "", runner.to_numpy(value))
    for argument, each in zip("pq", gradient, strict=True):
        assert_meets(of, "gradient", argument, runner.to_numpy(each))


def test_a_batch_of_any_rank() -> None:
    of = case("regimes/logits", "float64")
    x = runner.inputs(of)
    spec = tf.TensorSpec(None, tf.float64)
    kl = tf.function(lambda p, q: divergence(of.call)(p, q, None), input_signature=[spec, spec])
    for batch in ((), (1,), (len(of.rows),), (2, len(of.rows) // 2)):
        shape, rows = (*batch, of.p.shape[-1]), int(np.prod(batch))
        value = kl(tf.reshape(x.p[:rows], shape), tf.reshape(x.q[:rows], shape))
        assert value.shape == batch
        whole = np.concatenate([runner.to_numpy(value).reshape(-1), of.value.hi[rows:]])
        assert_meets(of, "value", "", whole)


@pytest.mark.parametrize("name", ["regimes/logits", "regimes/probs"])
def test_vectorized_map(name: str) -> None:
    of = case(name, "float64")
    x = runner.inputs(of)

    def row(arrays: Any) -> Any:
        p, q, weight = arrays
        with tf.GradientTape() as tape:
            tape.watch((p, q))
            value = divergence(of.call)(p, q, None)
        return value, *tape.gradient(value, (p, q), weight)

    value, *gradient = tf.vectorized_map(row, (x.p, x.q, x.weight), fallback_to_while_loop=False)
    assert_meets(of, "value", "", runner.to_numpy(value))
    for argument, each in zip("pq", gradient, strict=True):
        assert_meets(of, "gradient", argument, runner.to_numpy(each))


@pytest.mark.parametrize("name", ["regimes/logits", "regimes/probs", "regimes/probs-logits"])
@pytest.mark.parametrize("xla", [False, True], ids=["function", "xla"])
def test_hessians(name: str, xla: bool) -> None:
    of = case(name, "float64")
    x = runner.inputs(of)

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def blocks(p: Any, q: Any) -> Any:
        with tf.GradientTape(persistent=True) as outer:
            outer.watch((p, q))
            with tf.GradientTape() as inner:
                inner.watch((p, q))
                value = divergence(of.call)(p, q, None)
            first = inner.gradient(value, (p, q))
        return [[outer.batch_jacobian(each, by) for by in (p, q)] for each in first]

    for argument, (by_p, by_q) in zip("pq", blocks(x.p, x.q), strict=True):
        along = tf.linalg.matvec(by_p, x.tangent_p) + tf.linalg.matvec(by_q, x.tangent_q)
        assert_meets(of, "hvp", argument, runner.to_numpy(x.weight[:, None] * along))
