"""Distributions made of others: their divergences come apart as mathematics says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unikl.distributions import Bernoulli, Categorical, Normal, kl
from unikl.distributions.multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
)
from unikl.distributions.structure import (
    Delta,
    ExpandedDistribution,
    Independent,
    JointDistribution,
    MaskedDistribution,
    MixtureSameFamily,
    TransformedDistribution,
)

ONE = 0.4431471805599453  # of N(0, 1) from N(1, 2)
P, Q = Normal(0.0, 1.0), Normal(1.0, 2.0)


def _value(p: Any, q: Any) -> Any:
    return np.asarray(kl(p, q))


def test_independent_axes_add_up() -> None:
    p, q = Normal(np.zeros((2, 3)), 1.0), Normal(np.ones(3), 2.0)
    np.testing.assert_allclose(_value(Independent(p, 1), Independent(q, 1)), [3 * ONE] * 2)
    q = Normal(np.ones((2, 3)), 2.0)
    np.testing.assert_allclose(_value(Independent(p, 2), Independent(q, 2)), 6 * ONE)
    np.testing.assert_allclose(_value(Independent(p, 0), Independent(q, 0)), np.full((2, 3), ONE))
    nested = [Independent(Independent(one, 1), 1) for one in (p, q)]
    np.testing.assert_allclose(_value(*nested), 6 * ONE)
    with pytest.raises(ValueError, match="p takes 1 axes of its batch as one outcome, q takes 2"):
        kl(Independent(p, 1), Independent(q, 2))


def test_one_invalid_axis_makes_the_outcome_invalid() -> None:
    p = Independent(Normal(np.zeros((2, 2)), np.array([[1.0, 1.0], [1.0, -1.0]])), 1)
    q = Independent(Normal(np.ones(2), 2.0), 1)
    value = np.asarray(kl(p, q, validate=False))
    assert value[0] == pytest.approx(2 * ONE)
    assert np.isnan(value[1])
    with pytest.raises(ValueError, match=r"Normal.*\.scale of p|Independent\.scale of p"):
        kl(p, q)


@pytest.mark.parametrize(
    "other",
    [
        MultivariateNormal(np.ones(2), covariance_matrix=4 * np.eye(2)),
        MultivariateNormalDiag(np.ones(2), np.full(2, 2.0)),
        LowRankMultivariateNormal(np.ones(2), np.zeros((2, 1)), np.full(2, 4.0)),
    ],
)
def test_independent_normals_are_a_multivariate_normal(other: Any) -> None:
    p = Independent(Normal(np.zeros(2), 1.0), 1)
    assert float(kl(p, other)) == pytest.approx(2 * ONE, rel=1e-14)
    back = Independent(Normal(np.ones(2), 2.0), 1)
    assert float(kl(other, back)) == pytest.approx(0, abs=1e-15)
    with pytest.raises(NotImplementedError, match=r"Independent\(Normal"):
        kl(Independent(Bernoulli(probs=np.full(2, 0.5)), 1), other)


def test_expanded() -> None:
    p = ExpandedDistribution(P, (2, 3))
    np.testing.assert_allclose(_value(p, Q), np.full((2, 3), ONE))
    np.testing.assert_allclose(_value(P, ExpandedDistribution(Q, (3,))), np.full(3, ONE))
    np.testing.assert_allclose(_value(p, ExpandedDistribution(Q, (3,))), np.full((2, 3), ONE))
    np.testing.assert_allclose(_value(Independent(p, 2), Independent(p, 2)), 0)


def test_masked() -> None:
    mask = np.array([True, False])
    p = MaskedDistribution(Normal(np.zeros(2), np.array([1.0, -1.0])), mask)
    expected = [ONE, 0]  # an invalid parameter that is masked out is none
    np.testing.assert_allclose(_value(p, MaskedDistribution(Q, True)), expected)
    np.testing.assert_allclose(_value(p, Q), expected)
    np.testing.assert_allclose(
        _value(ExpandedDistribution(P, (2,)), MaskedDistribution(Q, mask)), expected
    )


def test_joint() -> None:
    coin, fair = Bernoulli(probs=0.25), Bernoulli(probs=0.5)
    value = kl(JointDistribution((P, coin)), JointDistribution((Q, fair)))
    assert float(value) == pytest.approx(ONE + float(kl(coin, fair)), rel=1e-15)
    with pytest.raises(ValueError, match="p has 2 parts, q has 1"):
        kl(JointDistribution((P, coin)), JointDistribution((Q,)))


def test_transformed_needs_a_shared_injection() -> None:
    p, q = TransformedDistribution(P, "exp"), TransformedDistribution(Q, "exp")
    assert float(kl(p, q)) == ONE
    with pytest.raises(NotImplementedError, match="the transforms differ"):
        kl(p, TransformedDistribution(Q, "tanh"))
    # |x| of N(1, 1) and of N(-1, 1) are equal: KL of the bases, 2, would be wrong.
    folded = [TransformedDistribution(Normal(m, 1.0), "abs", injective=False) for m in (1.0, -1.0)]
    with pytest.raises(NotImplementedError, match="not injective"):
        kl(*folded)


def test_a_mixture_has_a_closed_form_with_itself_alone() -> None:
    weights, means = np.array([0.25, 0.75]), np.array([0.0, 3.0])
    p = MixtureSameFamily(Categorical(probs=weights), Normal(means, 1.0))
    assert float(kl(p, p)) == 0
    with pytest.raises(NotImplementedError, match="two different mixtures"):
        kl(p, MixtureSameFamily(Categorical(probs=weights), Normal(means + 1, 1.0)))


def test_delta() -> None:
    p, q = Delta(np.array([1.0, 2.0])), Delta(np.array([1.0, 3.0]))
    np.testing.assert_array_equal(_value(p, q), [0, np.inf])
    assert float(kl(Delta(p.value, 1), Delta(q.value, 1))) == np.inf
    assert float(kl(Delta(p.value, 1), Delta(p.value, 1))) == 0


def test_gradients_go_through() -> None:
    import torch

    loc = torch.zeros(2, 3, requires_grad=True)
    p = MaskedDistribution(
        Independent(ExpandedDistribution(Normal(loc, 1.0), (2, 3)), 1), torch.tensor([True, False])
    )
    q = Independent(Normal(torch.ones(2, 3), 2.0), 1)
    (3 * kl(p, q)).sum().backward()
    expected = torch.tensor([[-0.75] * 3, [0.0] * 3])
    torch.testing.assert_close(loc.grad, expected)


def test_structures_are_pytrees_under_jit_and_vmap() -> None:
    import jax
    import jax.numpy as jnp

    p = Independent(Normal(jnp.zeros((2, 3)), jnp.ones((2, 3))), 1)
    q = Independent(Normal(jnp.ones((2, 3)), jnp.full((2, 3), 2.0)), 1)
    for transformed in (jax.jit(_kl), jax.vmap(_kl)):
        np.testing.assert_allclose(transformed(p, q), [3 * ONE] * 2, rtol=1e-6)


def _kl(p: Any, q: Any) -> Any:
    return kl(p, q)
