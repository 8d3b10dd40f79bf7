"""All families on array-api-strict, and in jit, vmap, torch.compile and tf.function."""

from typing import Any

import array_api_strict as xp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

from tests.distributions.densities import FAMILIES
from unikl import distributions
from unikl.distributions import kl

pytestmark = pytest.mark.filterwarnings(
    # Dynamo's own way with any autograd.Function.
    "ignore:.*Function'> should not be instantiated:DeprecationWarning"
)

_VECTORS = {"Dirichlet", "Categorical", "OneHotCategorical", "Multinomial"}
NAMES = [*FAMILIES, *sorted(_VECTORS)]


# Families whose own divergence has no closed form, with one that they have one from.
_TARGETS = {"Logistic": "Normal", "StudentT": "Normal"}


def _draw(name: str) -> list[Any]:
    """The parameters of p, then those of q: three distributions each."""
    rng = np.random.default_rng(7)
    if name in _VECTORS:
        rows = [rng.uniform(0.2, 2.0, (3, 4)) for _ in range(2)]
        rows = [x if name == "Dirichlet" else x / x.sum(-1, keepdims=True) for x in rows]
        counts = [np.full(3, 5.0)] if name == "Multinomial" else []
        return [*counts, rows[0], *counts, rows[1]]
    columns = []
    for family in (name, _TARGETS.get(name, name)):
        columns += [*np.array([list(FAMILIES[family].draw(rng).values()) for _ in range(3)]).T]
    if name == "Uniform":
        columns[2:] = [columns[0] - 1, columns[1] + 2]
    return columns


def _kl(name: str, *parameters: Any) -> Any:
    p, q = (getattr(distributions, one) for one in (name, _TARGETS.get(name, name)))
    n = len(p.__match_args__) - len(p.alternatives)
    return kl(p(*parameters[:n]), q(*parameters[n:]))


@pytest.mark.parametrize("name", NAMES)
def test_any_array_library(name: str) -> None:
    parameters = [xp.asarray(np.ascontiguousarray(x)) for x in _draw(name)]
    value = _kl(name, *parameters)
    assert isinstance(value, type(parameters[0]))
    np.testing.assert_allclose(np.asarray(value), _kl(name, *_draw(name)), rtol=2e-14)


@pytest.mark.parametrize("name", NAMES)
def test_jax_jit_and_vmap(name: str) -> None:
    with jax.enable_x64(True):
        parameters, expected = [jnp.asarray(x) for x in _draw(name)], _kl(name, *_draw(name))

        def call(*xs: Any) -> Any:
            return _kl(name, *xs)

        np.testing.assert_allclose(jax.jit(call)(*parameters), expected, rtol=2e-14)
        np.testing.assert_allclose(jax.vmap(call)(*parameters), expected, rtol=2e-14)


@pytest.mark.parametrize("name", NAMES)
def test_torch_compile_and_vmap(name: str) -> None:
    parameters, expected = [torch.tensor(x) for x in _draw(name)], _kl(name, *_draw(name))

    def call(*xs: Any) -> Any:
        return _kl(name, *xs)

    torch.compiler.reset()
    compiled = torch.compile(call, fullgraph=True, backend="eager")
    np.testing.assert_allclose(compiled(*parameters), expected, rtol=2e-14)
    np.testing.assert_allclose(torch.vmap(call)(*parameters), expected, rtol=2e-14)


def test_torch_compile_of_a_gradient() -> None:
    parameters = [torch.tensor(x, requires_grad=True) for x in _draw("Gamma")]

    def call(*xs: Any) -> Any:
        return _kl("Gamma", *xs)

    torch.compiler.reset()
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    got = torch.autograd.grad(compiled(*parameters).sum(), parameters)
    expected = torch.autograd.grad(call(*parameters).sum(), parameters)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_tf_function_with_unknown_batch(name: str) -> None:
    parameters, expected = [tf.constant(x) for x in _draw(name)], _kl(name, *_draw(name))
    specs = [tf.TensorSpec([None, *x.shape[1:]], tf.float64) for x in parameters]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def call(*xs: Any) -> Any:
        return _kl(name, *xs)

    np.testing.assert_allclose(call(*parameters).numpy(), expected, rtol=2e-14)


@pytest.mark.parametrize("name", ["Gamma", "Beta", "Bernoulli"])
def test_second_order(name: str) -> None:
    """At p = q the Hessian in q is the Fisher information, the negative of the mixed one."""
    half = len(_draw(name)) // 2
    with jax.enable_x64(True):
        point = [jnp.asarray(x[0]) for x in _draw(name)[:half]]

        def call(xs: Any, ys: Any) -> Any:
            return _kl(name, *xs, *ys)

        pure = jax.hessian(call, argnums=1)(point, point)
        mixed = jax.jacfwd(jax.grad(call, argnums=1), argnums=0)(point, point)
        np.testing.assert_allclose(np.array(pure), -np.array(mixed), rtol=1e-10, atol=1e-12)
        assert (np.diag(np.array(pure).reshape(half, half)) > 0).all()
