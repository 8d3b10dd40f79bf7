"""Gradients of multivariate normal divergences against matrix calculus at 50 digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import pytest

from tests.distributions.multivariate_cases import (
    BOUND,
    LIBRARIES,
    Drawn,
    N,
    covariance,
    draw,
    matrix,
    nearby,
    to_array,
    wide,
)
from unikl.distributions.multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
)
from unikl.distributions.registry import kl


@pytest.fixture(params=LIBRARIES[1:])
def differentiable(request: pytest.FixtureRequest) -> Iterator[str]:
    with wide(request.param):
        yield request.param


def _gradients(library: str, p: Drawn, q: Drawn, upstream: float) -> dict[str, Any]:
    """Of upstream * KL in every parameter, under the names p.* and q.*."""
    names = [f"p.{n}" for n in p] + [f"q.{n}" for n in q]
    xs = [to_array(library, x) for x in (*p.values(), *q.values())]

    def loss(*args: Any) -> Any:
        of_p, of_q = dict(zip(p, args, strict=False)), dict(zip(q, args[len(p) :], strict=True))
        make = [
            LowRankMultivariateNormal if "cov_factor" in d else MultivariateNormal for d in (p, q)
        ]
        return upstream * kl(make[0](**of_p), make[1](**of_q))

    if library == "torch":
        import torch

        leaves = [x.clone().requires_grad_() for x in xs]
        grads = torch.autograd.grad(loss(*leaves), leaves)
    elif library == "jax":
        import jax

        grads = jax.grad(loss, tuple(range(len(xs))))(*xs)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(xs)
            value = loss(*xs)
        grads = tape.gradient(value, xs)
    return {name: np.asarray(g) for name, g in zip(names, grads, strict=True)}


def _reference_gradients(p: Drawn, q: Drawn) -> dict[str, Any]:
    """By matrix calculus: dKL/dC_p = (C_q^-1 - C_p^-1)/2, and so on."""
    with mpmath.workdps(50):
        a, c = covariance(p), covariance(q)
        inverse, other = c**-1, a**-1
        shift = matrix(p["loc"]) - matrix(q["loc"])
        pull = inverse * shift
        of_p = (inverse - other) / 2
        of_q = (inverse - inverse * a * inverse - pull * pull.T) / 2
        found = {"p.loc": pull, "q.loc": -pull}
        for side, drawn, g, own in (("p", p, of_p, a), ("q", q, of_q, c)):
            for name, x in drawn.items():
                if name == "covariance_matrix":
                    found[f"{side}.{name}"] = g
                elif name == "precision_matrix":
                    found[f"{side}.{name}"] = -own * g * own
                elif name == "scale_tril" or name == "cov_factor":
                    found[f"{side}.{name}"] = 2 * g * matrix(x)
                elif name == "cov_diag":
                    found[f"{side}.{name}"] = mpmath.matrix([g[k, k] for k in range(N)])
        return found


@pytest.mark.parametrize("size", [None, 1e-2, 1e-6])
@pytest.mark.parametrize("form", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_gradients(differentiable: str, form: str, size: float | None) -> None:
    _check_gradients(differentiable, form, size, BOUND)


@pytest.mark.parametrize("size", [None, 1e-2, 1e-6])
def test_gradients_of_low_rank(differentiable: str, size: float | None) -> None:
    # Small parts of a difference of projections: the condition number comes in, here about 10.
    _check_gradients(differentiable, "low_rank", size, 10 * BOUND)


def _check_gradients(library: str, form: str, size: float | None, bound: float) -> None:
    rng = np.random.default_rng(13)
    q = draw(rng, form, "float64")
    p = draw(rng, form, "float64") if size is None else nearby(rng, q, size)
    found, expected = _gradients(library, p, q, 3.0), _reference_gradients(p, q)
    assert set(found) == set(expected)
    for name, g in found.items():
        reference = np.array((3 * expected[name]).tolist(), dtype=object).reshape(g.shape)
        if name.endswith("_matrix"):  # which of the two triangles carries it is a convention
            g = (g + g.T) / 2
        if name.endswith("tril"):
            reference = np.tril(reference)
        off = mpmath.norm([mpmath.mpf(x) for x in (g.astype(object) - reference).ravel()])
        size_of = mpmath.norm([mpmath.mpf(x) for x in reference.ravel()])
        assert float(off / size_of) < bound * np.finfo(np.float64).eps, name
