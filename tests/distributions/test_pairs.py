"""Every pair against its definition by quadrature or summation, on every backend."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch
from mpmath import mp

from tests.distributions.densities import divergence
from tests.distributions.pairs import PAIRS
from unikl import distributions
from unikl.distributions import kl

_REFERENCES = np.load(Path(__file__).with_name("references.npz"))

_IDS = [f"{p}-{q}" for p, q in PAIRS]


class Case:
    """The reference of one pair: draws of all parameters, their values and slopes."""

    def __init__(self, p: str, q: str) -> None:
        rows, self.names = _REFERENCES[f"{p}|{q}"], list(_REFERENCES[f"{p}|{q}|names"])
        n = len(self.names)
        self.p, self.q = p, q
        self.parameters = [rows[:, k] for k in range(n)]
        self.steps = [rows[:, n + k] for k in range(n)]
        self.values, self.slopes = rows[:, -2], rows[:, -1]

    def kl(self, parameters: Any) -> Any:
        """The divergence of these parameters, in whatever library."""
        sides = [
            {n[2:]: x for n, x in zip(self.names, parameters, strict=True) if n[0] == side}
            for side in "pq"
        ]
        p, q = (
            getattr(distributions, f)(**s) for f, s in zip((self.p, self.q), sides, strict=True)
        )
        return kl(p, q)

    def check_values(self, got: Any, dtype: Any = np.float64) -> None:
        """A few eps of the value, or of 1, the size of the terms that the general rules add.

        A huge value is the exponential of something, whose rounding it multiplies.
        """
        got, size = np.asarray(got), abs(self.values)
        assert got.dtype == dtype
        error = abs(got - self.values) / (1 + size) / np.finfo(dtype).eps
        assert (error <= 16 + np.log1p(size)).all(), f"{error.max()} eps"

    def check_slopes(self, gradient: Any) -> None:
        """The derivative along the direction of the reference, a central difference of it.

        That one is good to 1e-12; `test_accuracy` holds the gradients to 16 eps.
        """
        terms = np.array([np.asarray(g) * s for g, s in zip(gradient, self.steps, strict=True)])
        known = ~np.isnan(self.slopes)
        assert known.any()
        error = abs(terms.sum(axis=0) - self.slopes) / (1 + abs(terms).sum(axis=0))
        assert error[known].max() <= 1e-12, f"{error[known].max()}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pair", PAIRS, ids=_IDS)
def test_numpy(pair: tuple[str, str], dtype: Any) -> None:
    case = Case(*pair)
    case.check_values(case.kl([x.astype(dtype) for x in case.parameters]), dtype)


@pytest.mark.parametrize("pair", PAIRS, ids=_IDS)
def test_torch(pair: tuple[str, str]) -> None:
    case = Case(*pair)
    leaves = [torch.tensor(x, requires_grad=True) for x in case.parameters]
    value = case.kl(leaves)
    case.check_values(value.detach().numpy())
    gradient = torch.autograd.grad(2 * value.sum(), leaves, allow_unused=True)
    case.check_slopes([0.0 if g is None else g.numpy() / 2 for g in gradient])


@pytest.mark.parametrize("pair", PAIRS, ids=_IDS)
def test_tensorflow(pair: tuple[str, str]) -> None:
    case = Case(*pair)
    leaves = [tf.constant(x) for x in case.parameters]
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        value = case.kl(leaves)
        loss = 2 * tf.reduce_sum(value)
    case.check_values(value.numpy())
    gradient = tape.gradient(loss, leaves)
    case.check_slopes([0.0 if g is None else g.numpy() / 2 for g in gradient])


@pytest.mark.parametrize("pair", PAIRS, ids=_IDS)
def test_jax(pair: tuple[str, str]) -> None:
    case = Case(*pair)
    with jax.enable_x64(True):
        leaves = [jnp.asarray(x) for x in case.parameters]
        case.check_values(case.kl(leaves))
        gradient = jax.grad(lambda xs: 2 * case.kl(xs).sum())(leaves)
        case.check_slopes([np.asarray(g) / 2 for g in gradient])


def test_the_checks_can_fail() -> None:
    case = Case("Gamma", "Normal")
    with pytest.raises(AssertionError):
        case.check_values(case.values * (1 + 1e-14) + 1e-14)
    leaves = [torch.tensor(x, requires_grad=True) for x in case.parameters]
    gradient = torch.autograd.grad(case.kl(leaves).sum(), leaves)
    with pytest.raises(AssertionError):
        case.check_slopes([g.numpy() * (1 + 1e-11) for g in gradient])


def test_the_references_are_what_the_densities_give() -> None:
    for pair in (("Poisson", "Poisson"), ("Weibull", "Gamma"), ("Uniform", "Laplace")):
        case = Case(*pair)
        point = [(n, mp.mpf(x[0])) for n, x in zip(case.names, case.parameters, strict=True)]
        sides = [{n[2:]: x for n, x in point if n[0] == side} for side in "pq"]
        with mp.workdps(30):
            assert float(divergence(*pair, *sides)) == case.values[0]


def test_the_references_are_those_of_the_table() -> None:
    known = {name for name in _REFERENCES.files if not name.endswith("|names")}
    assert known == {f"{p}|{q}" for p, q in PAIRS}
    assert all(len(_REFERENCES[name]) >= 20 for name in known)
