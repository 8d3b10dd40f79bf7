"""Finding a formula, supports that do not nest, and parameters that are none."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pytest
import torch

from unikl.backends import Backend
from unikl.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    ContinuousBernoulli,
    Dirichlet,
    Distribution,
    Exponential,
    Gamma,
    Geometric,
    Gumbel,
    Laplace,
    Normal,
    OneHotCategorical,
    Pareto,
    Poisson,
    Uniform,
    kl,
    register_kl,
    registry,
)
from unikl.distributions.base import Condition, positive


@dataclass(frozen=True, eq=False)
class Point(Distribution):
    """A family of the tests' own."""

    size: Any

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive size."""
        return [positive("size", self.size)]


@dataclass(frozen=True, eq=False)
class FinePoint(Point):
    """A special case of it."""


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone afterwards."""
    monkeypatch.setattr(registry, "_PAIRS", dict(registry._PAIRS))
    monkeypatch.setattr(registry, "_FOUND", {})


# -- registering and finding -----------------------------------------------------------------------


def test_the_most_specific_pair_is_taken() -> None:
    register_kl(Point, Point)(lambda room, p, q: 0 * p.size + 1)
    register_kl(FinePoint, Point)(lambda room, p, q: 0 * p.size + 2)
    assert float(kl(Point(1.0), FinePoint(1.0))) == 1
    assert float(kl(FinePoint(1.0), FinePoint(1.0))) == 2


def test_registering_twice_raises() -> None:
    with pytest.raises(ValueError, match=r"KL\(Normal \|\| Normal\) is registered already"):
        register_kl(Normal, Normal)(lambda room, p, q: 0 * p.loc)


def test_two_pairs_that_fit_equally_well_raise() -> None:
    register_kl(Point, FinePoint)(lambda room, p, q: 0 * p.size)
    register_kl(FinePoint, Point)(lambda room, p, q: 0 * p.size)
    with pytest.raises(TypeError, match=r"ambiguous.*\(Point, FinePoint\) and \(FinePoint, Point"):
        kl(FinePoint(1.0), FinePoint(1.0))
    register_kl(FinePoint, FinePoint)(lambda room, p, q: 0 * p.size + 3)
    assert float(kl(FinePoint(1.0), FinePoint(1.0))) == 3


def test_a_pair_goes_before_a_general_rule() -> None:
    assert registry.find(Normal, Normal) is registry._PAIRS[Normal, Normal, ()].formula
    rule = registry._PAIRS[Distribution, Normal, ("entropy", "mean", "variance")].formula
    assert registry.find(Gamma, Normal) is rule


def test_a_rule_serves_only_families_that_know_what_it_needs() -> None:
    assert registry.find(Point, Normal) is None
    with pytest.raises(NotImplementedError, match=r"KL\(Point \|\| Normal\)"):
        kl(Point(1.0), Normal(0.0, 1.0))


# -- supports --------------------------------------------------------------------------------------

_LINE = [Normal(0.0, 1.0), Laplace(0.0, 1.0), Gumbel(0.0, 1.0)]
_HALF_LINE = [Exponential(1.0), Gamma(2.0, 1.0)]
_UNIT = [Beta(2.0, 3.0), ContinuousBernoulli(0.3)]

_INFINITE = [
    *[(p, q) for p in _LINE for q in (*_HALF_LINE, *_UNIT, Pareto(1.0, 2.0), Uniform(0.0, 9.0))],
    *[(p, q) for p in _HALF_LINE for q in (*_UNIT, Pareto(1.0, 2.0), Uniform(0.0, 9.0))],
    *[(p, Pareto(0.1, 2.0)) for p in _UNIT],
    *[(Pareto(1.0, 2.0), q) for q in (*_UNIT, Uniform(0.0, 9.0))],
    (Poisson(1.0), Bernoulli(0.5)),
    (Poisson(1.0), Binomial(10.0, 0.5)),
]


def test_the_list_holds_all_that_torch_registers() -> None:
    assert len(_INFINITE) == 33


@pytest.mark.parametrize(("p", "q"), _INFINITE, ids=lambda d: type(d).__name__)
def test_infinite_where_the_support_never_nests(p: Distribution, q: Distribution) -> None:
    assert float(kl(p, q)) == math.inf


@pytest.mark.parametrize(
    ("p", "q", "infinite"),
    [
        (Uniform(0.0, [1.0, 3.0]), Uniform(-1.0, 2.0), [False, True]),
        (Uniform([0.0, -1.0], 1.0), Gamma(2.0, 1.0), [False, True]),
        (Uniform(0.0, [1.0, 1.5]), Beta(2.0, 3.0), [False, True]),
        (Beta(2.0, 3.0), Uniform([0.0, 0.1], 1.0), [False, True]),
        (Pareto([1.0, 0.5], 2.0), Pareto(0.8, 3.0), [False, True]),
        (Binomial([5.0, 6.0], 0.5), Binomial(5.0, 0.4), [False, True]),
    ],
)
def test_infinite_where_the_parameters_say_so(p: Any, q: Any, infinite: list[bool]) -> None:
    assert np.isinf(kl(p, q)).tolist() == infinite


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (Bernoulli(0.5), Bernoulli([0.0, 1.0])),
        (Poisson(1.0), Poisson(0.0)),
        (Binomial(3.0, 0.3), Binomial(3.0, 0.0)),
        (Geometric(0.5), Geometric(1.0)),
        (Categorical([0.5, 0.5]), Categorical([1.0, 0.0])),
        (Pareto(1.0, 0.9), Exponential(1.0)),
    ],
)
def test_infinite_where_q_leaves_mass_out(p: Distribution, q: Distribution) -> None:
    assert np.isinf(kl(p, q)).all()


# -- edges that other libraries miss ---------------------------------------------------------------


def test_edges() -> None:
    assert float(kl(Poisson(0.0), Poisson(1.0))) == 1
    assert float(kl(Binomial(10.0, 1.0), Binomial(10.0, 0.3))) == pytest.approx(12.039728043259361)
    unit, other = Uniform(0.0, 1.0), ContinuousBernoulli(0.3)
    assert float(kl(other, unit)) == pytest.approx(0.0294, abs=1e-4)
    assert float(kl(unit, other)) == pytest.approx(0.0294, abs=3e-3)
    far = kl(ContinuousBernoulli(logits=-500.0), ContinuousBernoulli(logits=20.0))
    # The normalisers, log(1/500) and log(e^20/20), and 520 times the mean 1/500.
    assert float(far) == pytest.approx(20 - math.log(20) + math.log(500) - 520 / 500, rel=1e-8)
    one = kl(OneHotCategorical([0.5, 0.5, 0.0]), OneHotCategorical([0.25, 0.5, 0.25]))
    assert float(one) == pytest.approx(0.34657359027997264, rel=1e-15)


def test_anchors() -> None:
    half = np.float32
    p, q = Beta(half(1e5), half(1e5)), Beta(half(1.001e5), half(1e5))
    assert float(kl(p, q)) == pytest.approx(0.0249877, rel=2e-6)
    gammas = kl(Gamma(half(1e4), half(1)), Gamma(half(1.0001e4), half(1)))
    assert float(gammas) == pytest.approx(5.0001e-05, rel=4e-6)
    dirichlets = kl(Dirichlet(np.full(1000, half(50))), Dirichlet(np.full(1000, half(50.5))))
    assert float(dirichlets) == pytest.approx(0.0249747, rel=2e-6)
    assert float(kl(Normal(0.0, 1.0), Normal(1.0, 2.0))) == 0.4431471805599453


# -- parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (Normal(0.0, -1.0), "Normal.scale of p must be positive and finite"),
        (Normal(math.nan, 1.0), "Normal.loc of p must be finite"),
        (Laplace(0.0, [1.0, 0.0]), r"Laplace.scale of p .* \(the first one .* not: \(1,\)\)"),
        (Uniform(1.0, 1.0), "Uniform.high of p must be above low"),
    ],
)
def test_invalid_parameters(p: Distribution, message: str) -> None:
    q = Normal(0.0, 1.0)
    with pytest.raises(ValueError, match=message):
        kl(p, q)
    assert np.isnan(np.atleast_1d(kl(p, q, validate=False))[-1])


def test_invalid_parameters_of_discrete_families() -> None:
    with pytest.raises(ValueError, match=r"Bernoulli.probs of q must be between 0 and 1"):
        kl(Bernoulli(0.5), Bernoulli(1.5))
    with pytest.raises(ValueError, match=r"Categorical.probs of p must be non-negative"):
        kl(Categorical([0.0, 0.0]), Categorical([0.5, 0.5]))
    with pytest.raises(ValueError, match="2 and 3 comp"):
        kl(Dirichlet([1.0, 2.0]), Dirichlet([1.0, 2.0, 3.0]))


def test_alternatives() -> None:
    with pytest.raises(ValueError, match="exactly one of probs, logits, got none"):
        Bernoulli()
    with pytest.raises(ValueError, match="exactly one of probs, logits, got probs and logits"):
        Bernoulli(0.5, 0.0)
    by_logits = kl(Bernoulli(logits=math.log(0.3 / 0.7)), Bernoulli(logits=math.log(0.6 / 0.4)))
    assert float(by_logits) == pytest.approx(float(kl(Bernoulli(0.3), Bernoulli(0.6))), rel=1e-14)
    mixed = kl(Bernoulli(0.3), Bernoulli(logits=math.log(0.6 / 0.4)))
    assert float(mixed) == pytest.approx(float(by_logits), rel=1e-14)


# -- arrays ----------------------------------------------------------------------------------------


def test_two_libraries_do_not_mix() -> None:
    with pytest.raises(TypeError, match="one library"):
        kl(Normal(torch.zeros(2), 1.0), Normal(np.zeros(2), 1.0))


def test_batches_broadcast_and_units() -> None:
    value = kl(Normal(np.zeros((3, 1)), 1.0), Normal(np.ones(2), 2.0), base=2)
    assert value.shape == (3, 2)
    assert value[0, 0] == pytest.approx(0.4431471805599453 / math.log(2), rel=1e-15)


def test_half_precision_is_computed_in_float32() -> None:
    loc = torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True)
    value = kl(Normal(loc, 1.0), Normal(0.0, 1.0))
    value.sum().backward()
    assert value.dtype == torch.float32
    assert loc.grad is not None
    assert loc.grad.dtype == torch.bfloat16


def test_a_distribution_is_a_pytree() -> None:
    p = Bernoulli(logits=jax.numpy.zeros(3))
    leaves, tree = jax.tree_util.tree_flatten(p)
    assert len(leaves) == 1
    again = jax.tree_util.tree_unflatten(tree, leaves)
    assert isinstance(again, Bernoulli)
    assert again.probs is None
    mean = jax.vmap(kl, in_axes=(p.map(lambda x: 0), None))(p, Bernoulli(logits=1.0))
    assert mean.shape == (3,)
