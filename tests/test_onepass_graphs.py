"""Which form TensorFlow's graphs take, and what XLA adds up."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from unikl import kl_divergence
from unikl.backends import numpy as numpy_room
from unikl.backends import tensorflow as room
from unikl.core import Reduction

BOTH = (True, True)
MODES = pytest.mark.parametrize("xla", [False, True], ids=["function", "xla"])


def batch(given: str) -> tuple[Any, Any]:
    """Divergences from 0.5 to 3 nats."""
    rng = np.random.default_rng(10)
    a, b = (2 * rng.standard_normal((6, 40)) for _ in "ab")
    if given == "probs":
        a, b = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (a, b))
    return a, b


def gradients(given: Any, xla: bool) -> Any:
    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def function(p: Any, q: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch((p, q))
            value = kl_divergence(p, q, given=given)
        return value, *tape.gradient(value, (p, q), weight)

    return function


def poison(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make these forms wrong."""
    for name in names:
        monkeypatch.setattr(Reduction, name, _nothing)


def _nothing(self: Reduction, *arguments: Any) -> Any:
    p = arguments[-1]
    nan = p[..., :1] + np.nan
    if callable(arguments[0]):  # first_order(branch, wanted, p, q)
        exact = tf.ones_like(nan, tf.bool)
        found = (nan, nan, nan, *[p + np.nan] * sum(arguments[1]))
        return arguments[0](exact, found, None)
    return nan, nan, nan


@MODES
@pytest.mark.parametrize("given", ["probs", "logits"])
def test_a_batch_of_large_divergences(
    monkeypatch: pytest.MonkeyPatch, given: Any, xla: bool
) -> None:
    """By the plain sums alone: the other forms are poisoned."""
    p, q = batch(given)
    weight = np.linspace(1, 2, 6)
    weight[2] = 0
    careful = Reduction(numpy_room, (given, given), (-1,))
    expected = careful.value(p, q)[0][:, 0], *careful.vjp(weight[:, None], BOTH, p, q)
    poison(monkeypatch, "first_order", "value")
    function = gradients(given, xla)
    for mine, theirs in zip(function(p, q, weight), expected, strict=True):
        size = np.linalg.norm(theirs.reshape(6, -1), axis=-1)
        off = np.linalg.norm((mine - theirs).numpy().reshape(6, -1), axis=-1)
        assert (off <= 8 * np.finfo(float).eps * size).all()
    q[3] = p[3] * 1.001 if given == "probs" else p[3] + 0.001  # the control: a small one among them
    assert np.isnan(function(p, q, weight)[0]).all()


def test_xla_does_not_add_a_long_row_straight() -> None:
    rng = np.random.default_rng(10)
    x = rng.random((2, 2**20), np.float32)
    exact = x.sum(-1, keepdims=True, dtype=np.float64)
    errors = []
    for add in (lambda x: room.sum(x, (-1,)), lambda x: tf.reduce_sum(x, -1, keepdims=True)):
        found = tf.function(add, jit_compile=True)(tf.constant(x)).numpy()
        errors.append(np.abs(found / exact - 1).max() / np.finfo(np.float32).eps)
    assert errors[0] < 3
    assert errors[1] > 8  # the control: if XLA does it well by itself, `sum` can go


@MODES
@pytest.mark.parametrize("n", [5000, 5003, 2**13])  # tiles that fit, a prime, a power of two
@pytest.mark.parametrize("axis", [-1, -2])
def test_sums_in_tiles(xla: bool, n: int, axis: int) -> None:
    x = np.random.default_rng(11).random((3, n) if axis == -1 else (n, 3))
    x[(0, 7) if axis == -1 else (7, 0)] = np.nan
    found = tf.function(lambda x: room.sum(x, (axis,)), jit_compile=xla)(tf.constant(x))
    np.testing.assert_allclose(found, x.sum(axis, keepdims=True), rtol=1e-14)
