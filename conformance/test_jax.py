"""JAX on every case, eager, under jit and vmap; and Hessians."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conformance.grid import assert_agrees, assert_meets, case
from unikl.agreement.runners import divergence
from unikl.agreement.runners import jax as runner
from unikl.agreement.suite import Work

BACKEND = "jax"
MODES = ("jit", "eager", "vmap")


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)


def test_the_process_keeps_its_precision() -> None:
    of = case("regimes/logits", "float64")
    assert jnp.asarray(1.0).dtype == jnp.float32  # as JAX runs by default
    with runner.context(of.dtype):
        assert runner.inputs(of).p.dtype == jnp.float64
    assert jnp.asarray(1.0).dtype == jnp.float32


@pytest.mark.parametrize("name", ["regimes/logits", "regimes/probs"])
@pytest.mark.parametrize("jacobian", [jax.jacrev, jax.jacfwd])
def test_jacobians(name: str, jacobian: Any) -> None:
    of = case(name, "float64")
    kl = divergence(of.call)
    with runner.context(of.dtype):
        x = runner.inputs(of)
        rows = jax.vmap(jacobian(lambda p, q: kl(p, q, None), argnums=(0, 1)))
        for argument, each in zip("pq", jax.jit(rows)(x.p, x.q), strict=True):
            own = x.weight[:, None] * each
            assert_meets(of, "gradient", argument, runner.to_numpy(own))


@pytest.mark.parametrize("name", ["regimes/logits", "regimes/probs", "regimes/probs-logits"])
def test_hessians(name: str) -> None:
    of = case(name, "float64")
    kl = divergence(of.call)
    with runner.context(of.dtype):
        x = runner.inputs(of)
        hessian = jax.hessian(lambda p, q: kl(p, q, None), argnums=(0, 1))
        blocks = jax.jit(jax.vmap(hessian))(x.p, x.q)
        for argument, (by_p, by_q) in zip("pq", blocks, strict=True):
            along = _rowwise(by_p, of.tangent_p) + _rowwise(by_q, of.tangent_q)
            assert_meets(of, "hvp", argument, of.weight[:, None] * along)


def _rowwise(matrices: Any, vectors: Any) -> Any:
    return np.einsum("rij,rj->ri", runner.to_numpy(matrices), vectors)
