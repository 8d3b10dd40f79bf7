"""The two autoencoders in JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from autoencoder_data import (
    LEARNING_RATE,
    MOMENTUM,
    SPARSITY_TARGET,
    SPARSITY_WEIGHT,
    Dense,
    Setting,
    main,
)

from unikl.losses import kl_sparsity, kl_standard_normal


def dense(layer: Dense, x: jax.Array) -> jax.Array:
    kernel, bias = layer
    return jnp.dot(x, kernel) + bias


def descend(loss: Callable[..., jax.Array], weights: Any, noise: Any) -> list[float]:
    """Gradient descent with momentum; the loss of every step."""

    @jax.jit
    def step(weights: Any, velocity: Any, noise: jax.Array) -> Any:
        value, gradient = jax.value_and_grad(loss)(weights, noise)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradient)
        weights = jax.tree.map(lambda w, v: w - LEARNING_RATE * v, weights, velocity)
        return weights, velocity, value

    curve = []
    velocity = jax.tree.map(jnp.zeros_like, weights)
    for each in noise:
        weights, velocity, value = step(weights, velocity, each)
        curve.append(value.item())
    return curve


def train_vae(setting: Setting) -> list[float]:
    with jax.enable_x64(True):
        images = jnp.asarray(setting.images)

        def loss(layers: Any, noise: jax.Array) -> jax.Array:
            hidden = jnp.tanh(dense(layers["hidden"], images))
            mean, log_std = dense(layers["mean"], hidden), dense(layers["log_std"], hidden)
            latent = mean + jnp.exp(log_std) * noise
            logits = dense(layers["logits"], jnp.tanh(dense(layers["decode"], latent)))
            error = jnp.sum(jnp.logaddexp(0, logits) - images * logits, axis=-1)
            return jnp.mean(error + kl_standard_normal(mean, log_std=log_std))

        return descend(loss, setting.vae, setting.noise)


def train_sparse(setting: Setting) -> list[float]:
    with jax.enable_x64(True):
        images = jnp.asarray(setting.images)

        def loss(layers: Any, noise: jax.Array) -> jax.Array:
            hidden = jax.nn.sigmoid(dense(layers["hidden"], images))
            error = jnp.sum((dense(layers["image"], hidden) - images) ** 2, axis=-1).mean()
            penalty: jax.Array = kl_sparsity(hidden, target=SPARSITY_TARGET)
            return error + SPARSITY_WEIGHT * penalty

        return descend(loss, setting.sparse, setting.noise)


if __name__ == "__main__":
    main(train_vae, train_sparse)
