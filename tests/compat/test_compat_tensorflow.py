"""`unikl.compat.tensorflow` beside TensorFlow."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from unikl import compat

from .compat_cases import (
    DTYPES,
    INF,
    NAN,
    TO,
    Array,
    check,
    dirichlet,
    everywhere,
    gradients,
    log,
    vectors,
)

CROSS_ENTROPY = compat.tensorflow.softmax_cross_entropy_with_logits


def categorical(a: Array, b: Array) -> Array:
    """The answer of tf.distributions, which still is in tf.compat.v1."""
    p, q = (tf.compat.v1.distributions.Categorical(probs=x) for x in (a, b))
    return tf.compat.v1.distributions.kl_divergence(p, q)


def with_logits(a: Array, b: Array) -> Array:
    p = tf.nn.softmax(a)
    to_a = tf.nn.softmax_cross_entropy_with_logits(labels=p, logits=a)
    to_b = tf.nn.softmax_cross_entropy_with_logits(labels=p, logits=b)
    return tf.reduce_sum(to_b - to_a)


def formula(p: Array, q: Array) -> Array:
    return tf.reduce_sum(p * tf.math.log(p / q))


NATIVE: dict[str, Any] = {
    "categorical_kl_divergence": categorical,
    "kl_divergence_with_logits": with_logits,
    "kl_divergence": formula,
}


def inputs(name: str, p: Array, q: Array) -> tuple[Array, Array]:
    return (log(p), log(q)) if name.endswith("logits") else (p, q)


def size(p: Array, q: Array, axis: Any) -> Array:
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.abs(p * log(p)) + np.abs(p * log(q)) + p, posinf=0.0).sum(axis)


LABELS = np.array([[0.5, 0.3, 0.2], [0.5, 0.5, 0], [0, 0, 0], [2, -1, 3], [NAN, 0, 1], [1, 2, 0]])
LOGITS = np.array(
    [
        *([1.0, 2.0, 3.0], [1.0, 2.0, -INF], [-INF, -INF, -INF]),
        *([INF, 0.0, 0.0], [NAN, 0.0, 0.0], [1e4, 0.0, -1e4]),
    ]
)


def test_signature() -> None:
    theirs = inspect.signature(tf.nn.softmax_cross_entropy_with_logits)
    ours = inspect.signature(CROSS_ENTROPY)
    assert list(ours.parameters) == [name for name in theirs.parameters if name != "name"]
    assert ours.parameters["axis"].default == theirs.parameters["axis"].default == -1


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_edges(dtype: str) -> None:
    labels, logits = (np.repeat(LABELS, 6, 0).astype(dtype), np.tile(LOGITS, (6, 1)).astype(dtype))
    want = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
    assert np.isnan(want).any()
    assert np.isinf(want).any()
    everywhere(CROSS_ENTROPY, want, labels, logits)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "axis"), [((64, 10), -1), ((64, 10), 0), ((2, 5, 3), 1), ((7,), -1), ((0, 3), -1)]
)
def test_cross_entropy_random(dtype: str, shape: tuple[int, ...], axis: int) -> None:
    p, q = dirichlet(dtype, shape)
    want = tf.nn.softmax_cross_entropy_with_logits(p, log(q) + 3, axis)
    everywhere(lambda p, b: CROSS_ENTROPY(p, b, axis), want, p, log(q) + 3)


def test_cross_entropy_dtypes_and_broadcast() -> None:
    p, q = dirichlet("float64", (4, 3))
    native = tf.nn.softmax_cross_entropy_with_logits
    check(CROSS_ENTROPY(p[0], log(q)), native(p[0], log(q)))
    logits = tf.constant(log(q), tf.float16)
    check(CROSS_ENTROPY(tf.cast(p, tf.float16), logits), native(tf.cast(p, tf.float16), logits))
    check(CROSS_ENTROPY(p, log(q).astype("float32")), native(p, tf.constant(log(q), tf.float32)))
    with pytest.raises(TypeError):
        CROSS_ENTROPY(p, np.ones((4, 3), "int32"))


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_cross_entropy_gradient(library: str) -> None:
    """Also TensorFlow's for labels that do not sum to 1, which is not that of the value."""
    native = tf.nn.softmax_cross_entropy_with_logits
    arrays = np.repeat(LABELS, 6, 0), np.tile(LOGITS, (6, 1))
    want = gradients("tensorflow", native, *arrays)
    for one, other in zip(gradients(library, CROSS_ENTROPY, *arrays), want, strict=True):
        check(one, other, scale=1.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NATIVE)
def test_recipes_edges(dtype: str, name: str) -> None:
    p, q = vectors(dtype)
    # A recipe that sums over the batch takes the vectors one by one.
    batches = [(p, q)] if name.startswith("cat") else [(p[k], q[k]) for k in range(len(p))]
    for one, other in batches:
        arrays = inputs(name, one, other)
        want = NATIVE[name](*[tf.constant(x) for x in arrays])
        scale = size(one, other, -1)
        everywhere(getattr(compat.tensorflow, name), want, *arrays, scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("shape", [(64, 10), (2, 5, 3), (7,)])
def test_recipes_random(dtype: str, name: str, shape: tuple[int, ...]) -> None:
    p, q = dirichlet(dtype, shape)
    arrays = inputs(name, p, q)
    want = NATIVE[name](*[tf.constant(x) for x in arrays])
    scale = size(p, q, -1 if np.ndim(want) else None)
    everywhere(getattr(compat.tensorflow, name), want, *arrays, scale=scale)


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("name", NATIVE)
def test_recipes_gradient(library: str, name: str) -> None:
    p, q = vectors("float64")
    for k in range(len(p)):
        arrays = inputs(name, p[k], q[k])
        want = gradients("tensorflow", NATIVE[name], *arrays)
        got = gradients(library, getattr(compat.tensorflow, name), *arrays)
        for one, other in zip(got, want, strict=True):
            check(one, other, scale=40.0, ulps=8.0)


@pytest.mark.parametrize("library", TO)
def test_the_example_of_the_question(library: str) -> None:
    a, b = [[0.25, 0.1, 0.65], [0.8, 0.15, 0.05]], [[0.7, 0.2, 0.1], [0.15, 0.8, 0.05]]
    p, q = (TO[library](np.array(x, "float32")) for x in (a, b))
    got = compat.tensorflow.categorical_kl_divergence(p, q)
    np.testing.assert_allclose(got, [0.88995184, 1.08808468], rtol=1e-6)
    np.testing.assert_allclose(compat.tensorflow.kl_divergence(p, q), 1.97803652, rtol=1e-6)


def test_control() -> None:
    """The divergence instead of the cross-entropy, the mean instead of the sum."""
    p, q = dirichlet("float64")
    want = tf.nn.softmax_cross_entropy_with_logits(p, log(q))
    with pytest.raises(AssertionError):
        check(compat.tensorflow.categorical_kl_divergence(p, q), want)
    with pytest.raises(AssertionError):
        check(compat.tensorflow.kl_divergence(p, q) / len(p), formula(p, q))
