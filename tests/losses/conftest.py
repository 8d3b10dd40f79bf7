"""The four frameworks behind one face: arrays in, gradients and NumPy arrays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest


class Framework:
    """NumPy, without gradients; the other ones below add them."""

    name = "numpy"

    def array(self, x: Any, dtype: Any = np.float64) -> Any:
        """x as an array of the framework."""
        return np.asarray(x, dtype=dtype)

    def numpy(self, x: Any) -> Any:
        """x as a NumPy array."""
        return np.asarray(x)

    def gradients(self, loss: Callable[..., Any], *xs: Any) -> list[Any]:
        """The gradient of a scalar loss in each of xs."""
        raise NotImplementedError

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function under the framework's compiler."""
        return function


class Torch(Framework):
    name = "torch"

    def array(self, x: Any, dtype: Any = np.float64) -> Any:
        import torch

        return torch.from_numpy(np.array(x, dtype=dtype))

    def numpy(self, x: Any) -> Any:
        return x.detach().numpy()

    def gradients(self, loss: Callable[..., Any], *xs: Any) -> list[Any]:
        import torch

        leaves = [x.clone().requires_grad_() for x in xs]
        return [self.numpy(g) for g in torch.autograd.grad(loss(*leaves), leaves)]


class Jax(Framework):
    name = "jax"

    def array(self, x: Any, dtype: Any = np.float64) -> Any:
        import jax.numpy as jnp

        return jnp.asarray(np.asarray(x, dtype=dtype))

    def gradients(self, loss: Callable[..., Any], *xs: Any) -> list[Any]:
        import jax

        return [np.asarray(g) for g in jax.grad(loss, tuple(range(len(xs))))(*xs)]

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import jax

        return jax.jit(function)


class TensorFlow(Framework):
    name = "tensorflow"

    def array(self, x: Any, dtype: Any = np.float64) -> Any:
        import tensorflow as tf

        return tf.constant(np.asarray(x, dtype=dtype))

    def gradients(self, loss: Callable[..., Any], *xs: Any) -> list[Any]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            for x in xs:
                tape.watch(x)
            value = loss(*xs)
        return [np.asarray(g) for g in tape.gradient(value, xs)]

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import tensorflow as tf

        def unknown(x: Any) -> Any:
            return tf.TensorSpec([None] * x.shape.rank, x.dtype)

        def call(*xs: Any) -> Any:
            return tf.function(function, input_signature=[unknown(x) for x in xs])(*xs)

        return call


_ALL: list[type[Framework]] = [Framework, Torch, Jax, TensorFlow]


def _with_float64(cls: type[Framework]) -> Iterator[Framework]:
    if cls is Jax:
        import jax

        with jax.enable_x64(True):
            yield Jax()
    else:
        yield cls()


@pytest.fixture(params=_ALL, ids=lambda cls: cls.name)
def framework(request: pytest.FixtureRequest) -> Iterator[Framework]:
    """Each framework in turn, JAX with float64."""
    yield from _with_float64(request.param)


@pytest.fixture(params=_ALL[1:], ids=lambda cls: cls.name)
def autodiff(request: pytest.FixtureRequest) -> Iterator[Framework]:
    """Each framework that differentiates."""
    yield from _with_float64(request.param)
