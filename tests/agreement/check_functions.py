"""Functions as people write them, once for each framework, and the mistakes that they make.

Each maker takes the backend that is to be wrong and how, and returns a function for each backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import torch

Array = Any
Function = Callable[..., Array]
EPSILON = 1e-5


def layer_norm(wrong: str = "", mistake: str = "") -> dict[str, Function]:
    """(x - mean) / sqrt(variance + 1e-5) over the last axis."""

    def options(backend: str) -> tuple[int, float, int]:
        planted = mistake if backend == wrong else ""
        axis = 0 if planted == "axis" else -1
        return axis, 0.0 if planted == "epsilon" else EPSILON, int(planted == "ddof")

    def with_numpy(x: Array) -> Array:
        axis, epsilon, ddof = options("numpy")
        variance = x.var(axis=axis, ddof=ddof, keepdims=True)
        return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(variance + x.dtype.type(epsilon))

    def with_torch(x: Array) -> Array:
        axis, epsilon, ddof = options("torch")
        variance = x.var(dim=axis, correction=ddof, keepdim=True)
        return (x - x.mean(dim=axis, keepdim=True)) / torch.sqrt(variance + epsilon)

    def with_jax(x: Array) -> Array:
        axis, epsilon, ddof = options("jax")
        variance = jnp.var(x, axis=axis, ddof=ddof, keepdims=True)
        return (x - jnp.mean(x, axis=axis, keepdims=True)) / jnp.sqrt(variance + epsilon)

    def with_tensorflow(x: Array) -> Array:
        axis, epsilon, ddof = options("tensorflow")
        mean = tf.reduce_mean(x, axis, keepdims=True)
        n = tf.cast(tf.shape(x)[axis] - ddof, x.dtype)
        variance = tf.reduce_sum((x - mean) ** 2, axis, keepdims=True) / n
        return (x - mean) / tf.sqrt(variance + epsilon)

    return {
        "numpy": with_numpy,
        "torch": with_torch,
        "jax": with_jax,
        "tensorflow": with_tensorflow,
    }


def log_sum_exp(wrong: str = "", mistake: str = "") -> dict[str, Function]:
    """log sum exp(x) over the last axis."""

    def axis(backend: str) -> int:
        return 0 if backend == wrong and mistake == "axis" else -1

    def with_numpy(x: Array) -> Array:
        top = np.max(x, axis=-1, keepdims=True)
        return np.log(np.sum(np.exp(x - top), axis=axis("numpy"))) + top[..., 0]

    def with_torch(x: Array) -> Array:
        return torch.logsumexp(x, dim=axis("torch"))

    def with_jax(x: Array) -> Array:
        return jax.nn.logsumexp(x, axis=axis("jax"))

    def with_tensorflow(x: Array) -> Array:
        if wrong == "tensorflow" and mistake == "overflow":
            return tf.math.log(tf.reduce_sum(tf.exp(x), -1))
        return tf.reduce_logsumexp(x, axis("tensorflow"))

    return {
        "numpy": with_numpy,
        "torch": with_torch,
        "jax": with_jax,
        "tensorflow": with_tensorflow,
    }


def focal_loss(wrong: str = "", mistake: str = "") -> dict[str, Function]:
    """The mean of -(1 - p_t)^2 log(p_t + 1e-5), p_t the probability of the label t of each row."""

    def epsilon(backend: str) -> float:
        return 0.0 if backend == wrong and mistake == "epsilon" else EPSILON

    def axis(backend: str) -> int:
        return 0 if backend == wrong and mistake == "axis" else -1

    def with_numpy(x: Array, labels: Array) -> Array:
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        p = e / np.sum(e, axis=axis("numpy"), keepdims=True)
        at = np.take_along_axis(p, labels[:, None], -1)
        return np.mean(-((1 - at) ** 2) * np.log(at + x.dtype.type(epsilon("numpy"))))

    def with_torch(x: Array, labels: Array) -> Array:
        p = torch.softmax(x, dim=axis("torch")).gather(-1, labels[:, None])
        return (-((1 - p) ** 2) * torch.log(p + epsilon("torch"))).mean()

    def with_jax(x: Array, labels: Array) -> Array:
        p = jnp.take_along_axis(jax.nn.softmax(x, axis=axis("jax")), labels[:, None], -1)
        return jnp.mean(-((1 - p) ** 2) * jnp.log(p + epsilon("jax")))

    def with_tensorflow(x: Array, labels: Array) -> Array:
        p = tf.gather(tf.nn.softmax(x, axis("tensorflow")), labels, axis=-1, batch_dims=1)
        return tf.reduce_mean(-((1 - p) ** 2) * tf.math.log(p + epsilon("tensorflow")))

    return {
        "numpy": with_numpy,
        "torch": with_torch,
        "jax": with_jax,
        "tensorflow": with_tensorflow,
    }
