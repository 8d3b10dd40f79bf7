"""Gradients at the edges, through each framework's own autodiff.

The suite in conformance/ has the numbers; here is what a single call cannot show: an upstream
gradient of zero, second order at zeros, and shapes known only at run time.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

from unikl import kl_divergence

Gradient = Callable[[Callable[..., Any], list[Any]], list[Any]]


def torch_gradient(loss: Callable[..., Any], xs: list[Any]) -> list[Any]:
    arrays = [torch.tensor(x, requires_grad=True) for x in xs]
    return [g.numpy() for g in torch.autograd.grad(loss(torch, *arrays), arrays)]


def jax_gradient(loss: Callable[..., Any], xs: list[Any]) -> list[Any]:
    arrays = [jnp.asarray(x) for x in xs]
    return [np.asarray(g) for g in jax.grad(lambda *a: loss(jnp, *a), (0, 1))(*arrays)]


def tensorflow_gradient(loss: Callable[..., Any], xs: list[Any]) -> list[Any]:
    arrays = [tf.constant(x) for x in xs]
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        value = loss(tf.math, *arrays)
    return [g.numpy() for g in tape.gradient(value, arrays)]


GRADIENTS = [torch_gradient, jax_gradient, tensorflow_gradient]


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_an_infinite_row_that_is_not_used_has_gradient_zero(gradient: Gradient) -> None:
    rows = [[[0.3, 0.3, 0.4], [0.2, 0.3, 0.5]], [[0.5, 0.5, 0.0], [0.1, 0.1, 0.8]]]

    mask = {torch: torch.tensor([False, True]), jnp: jnp.asarray([False, True])}

    def loss(xp: Any, p: Any, q: Any) -> Any:
        kl = kl_divergence(p, q)
        if xp is tf.math:
            return tf.reduce_sum(tf.where([False, True], kl, tf.zeros_like(kl)))
        return xp.where(mask[xp], kl, xp.zeros_like(kl)).sum()

    for g in gradient(loss, rows):
        assert (g[0] == 0).all()
        assert np.isfinite(g[1]).all()
        assert (g[1] != 0).any()


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_chain_through_softmax_gives_zero_at_a_masked_logit(gradient: Gradient) -> None:
    """p = 0 < q has the derivative -inf in p; through softmax that must be 0, not NaN."""
    softmax = {torch: torch.softmax, jnp: jax.nn.softmax, tf.math: tf.nn.softmax}

    def loss(xp: Any, a: Any, b: Any) -> Any:
        return kl_divergence(softmax[xp](a, -1), softmax[xp](b, -1))

    in_a, in_b = gradient(loss, [[1.0, 2.0, -math.inf], [2.0, 1.0, 0.5]])
    assert in_a[2] == 0
    assert np.isfinite(in_a).all()
    assert np.isfinite(in_b).all()


EDGES = [
    ("probs", [0.5, 0.5, 0.0], [0.25, 0.5, 0.25]),
    ("probs", [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]),
    ("probs", [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
    ("logits", [1.0, 2.0, -math.inf], [2.0, 1.0, 0.0]),
    ("logits", [1.0, 2.0, -math.inf], [2.0, 1.0, -math.inf]),
    ("logits", [1.0, -math.inf, -math.inf], [2.0, 1.0, -math.inf]),
]


@pytest.mark.parametrize(("given", "p", "q"), EDGES)
def test_the_hessian_is_finite_at_zeros(given: Any, p: Any, q: Any) -> None:
    def kl(a: Any, b: Any) -> Any:
        return kl_divergence(a, b, given=given)

    in_jax = jax.hessian(kl, (0, 1))(jnp.asarray(p), jnp.asarray(q))
    in_torch = torch.func.hessian(kl, (0, 1))(torch.tensor(p), torch.tensor(q))
    for row_jax, row_torch in zip(in_jax, in_torch, strict=True):
        for one, other in zip(row_jax, row_torch, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=4e-6)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("shape", [[None], None])
def test_tensorflow_refuses_a_broadcast_that_only_run_time_shows(xla: bool, shape: Any) -> None:
    spec = tf.TensorSpec(shape, tf.float32)
    compiled = tf.function(
        lambda p, q: kl_divergence(p, q), input_signature=[spec, spec], jit_compile=xla
    )
    assert float(compiled(tf.constant([0.5, 0.5]), tf.constant([0.25, 0.75]))) > 0
    with pytest.raises(tf.errors.InvalidArgumentError):
        compiled(tf.constant([1.0]), tf.constant([0.5, 0.5]))


def test_traced_values_are_not_looked_at() -> None:
    bad = [2.0, 1.0]
    assert np.isfinite(jax.jit(kl_divergence)(jnp.asarray(bad), jnp.asarray(bad)))
    assert torch.vmap(kl_divergence)(torch.tensor([bad]), torch.tensor([bad])).isfinite().all()
    with pytest.raises(ValueError, match="validate=True needs values"):
        jax.jit(lambda p: kl_divergence(p, p, validate=True))(jnp.asarray(bad))
    with pytest.raises(ValueError, match="rows of p sum"):
        kl_divergence(torch.tensor(bad), torch.tensor(bad))
