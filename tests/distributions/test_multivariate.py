"""Multivariate normal distributions in all forms, on four libraries, against 50 digits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.distributions.multivariate_cases import (
    BOUND,
    FORMS,
    LIBRARIES,
    N,
    draw,
    eps_off,
    make,
    nearby,
    reference_kl,
    to_array,
    wide,
)
from unikl.distributions.multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
)
from unikl.distributions.registry import kl


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Iterator[str]:
    with wide(request.param):
        yield request.param


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("form_q", FORMS)
@pytest.mark.parametrize("form_p", FORMS)
def test_any_form_against_any_other(library: str, form_p: str, form_q: str, dtype: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(2):
        p, q = draw(rng, form_p, dtype), draw(rng, form_q, dtype)
        value = kl(make(library, p), make(library, q))
        assert dtype in str(value.dtype)
        assert eps_off(value, reference_kl(p, q), dtype) < BOUND


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1e-2, 1e-6])
@pytest.mark.parametrize("form", FORMS)
def test_nearly_equal_distributions(library: str, form: str, size: float, dtype: str) -> None:
    rng = np.random.default_rng(11)
    for _ in range(3):
        q = draw(rng, form, dtype)
        p = nearby(rng, q, size)
        value = kl(make(library, p), make(library, q))
        assert eps_off(value, reference_kl(p, q), dtype) < BOUND


def test_the_plain_formula_fails_where_they_are_nearly_equal() -> None:
    """The control: these draws do tell a formula that cancels from one that does not."""
    rng = np.random.default_rng(11)
    q = draw(rng, "covariance_matrix", "float64")
    p = nearby(rng, q, 1e-6)
    a, c = p["covariance_matrix"], q["covariance_matrix"]
    shift = p["loc"] - q["loc"]
    ratio = np.linalg.solve(c, a)
    plain = np.trace(ratio) - N - np.linalg.slogdet(ratio)[1] + shift @ np.linalg.solve(c, shift)
    assert eps_off(plain / 2, reference_kl(p, q), "float64") > 1000


def test_equal_distributions_are_at_zero(library: str) -> None:
    rng = np.random.default_rng(3)
    for form in FORMS:
        p = draw(rng, form, "float64")
        assert float(kl(make(library, p), make(library, p))) == 0


def test_batches_broadcast(library: str) -> None:
    rng = np.random.default_rng(5)
    p = [draw(rng, "covariance_matrix", "float64") for _ in range(3)]
    q = draw(rng, "low_rank", "float64")
    batch = {name: np.stack([one[name] for one in p])[:, None] for name in p[0]}
    value = np.asarray(kl(make(library, batch), make(library, q)))
    assert value.shape == (3, 1)
    for k in range(3):
        assert eps_off(value[k, 0], reference_kl(p[k], q), "float64") < BOUND


# -- the edges -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("covariance_matrix", [[1.0, 2.0], [2.0, 1.0]]),
        ("precision_matrix", [[1.0, 0.0], [0.0, -1.0]]),
        ("scale_tril", [[1.0, 0.0], [1.0, 0.0]]),
    ],
)
def test_what_is_no_covariance(library: str, name: str, bad: Any) -> None:
    good = np.eye(2)
    matrices = to_array(library, np.stack([np.asarray(bad), good]))
    p = MultivariateNormal(to_array(library, np.zeros(2)), **{name: matrices})
    q = MultivariateNormal(to_array(library, np.zeros(2)), **{name: to_array(library, good)})
    with pytest.raises(ValueError, match=rf"MultivariateNormal\.{name} of p must be .*\(0,\)"):
        kl(p, q, validate=True)
    value = np.asarray(kl(p, q, validate=False))
    assert np.isnan(value[0])
    assert value[1] == 0


def test_one_form_is_asked_for() -> None:
    with pytest.raises(ValueError, match="exactly one of covariance_matrix, precision_matrix"):
        MultivariateNormal(np.zeros(2))


def test_a_large_low_rank_pair_takes_no_dense_matrix() -> None:
    n, rank = 100_000, 8  # one dense matrix would have 75 GiB
    rng = np.random.default_rng(0)
    w, d, loc = rng.normal(size=(n, rank)), rng.uniform(0.5, 2, n), rng.normal(size=n)
    p = LowRankMultivariateNormal(loc, w * 1.001, d * 1.001)
    q = LowRankMultivariateNormal(loc, w, d)
    times = []
    for _ in range(2):
        start = time.process_time()
        value = float(kl(p, q))
        times.append(time.process_time() - start)
    u = 1.001**2 - 1  # of the eight large directions; the others change by 0.001
    few, many = u - np.log1p(u), 1e-3 - np.log1p(1e-3)
    assert value == pytest.approx((many * (n - rank) + few * rank) / 2, rel=1e-4)
    assert min(times) < 1


# -- transformations -------------------------------------------------------------------------------


def test_torch_transforms() -> None:
    import torch

    loc, matrix = torch.zeros(3, N), torch.stack([torch.eye(N) * k for k in (1.0, 2.0, 3.0)])

    def value(loc: Any, matrix: Any) -> Any:
        p = MultivariateNormal(loc, covariance_matrix=matrix)
        return kl(p, MultivariateNormalDiag(loc + 1.0, torch.ones(N)))

    eager = value(loc, matrix)
    torch.testing.assert_close(torch.func.vmap(value)(loc, matrix), eager)
    compiled = torch.compile(value, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(loc, matrix), eager)


def test_jax_transforms() -> None:
    import jax
    import jax.numpy as jnp

    loc, matrix = jnp.zeros((3, N)), jnp.stack([jnp.eye(N) * k for k in (1.0, 2.0, 3.0)])

    def value(p: Any, q: Any) -> Any:
        return kl(p, q)

    p = MultivariateNormal(loc, covariance_matrix=matrix)
    q = MultivariateNormalDiag(loc + 1.0, jnp.ones((3, N)))
    eager = value(p, q)
    np.testing.assert_allclose(jax.jit(value)(p, q), eager, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(value)(p, q), eager, rtol=1e-6)


def test_a_tensorflow_graph_of_unknown_batch() -> None:
    import tensorflow as tf

    spec = [tf.TensorSpec([None, N], tf.float64), tf.TensorSpec([None, N, N], tf.float64)]

    @tf.function(input_signature=spec)  # type: ignore[untyped-decorator]
    def value(loc: Any, matrix: Any) -> Any:
        p = MultivariateNormal(loc, covariance_matrix=matrix)
        return kl(p, MultivariateNormalDiag(loc + 1.0, tf.ones_like(loc)))

    matrix = np.stack([np.eye(N) * k for k in (1.0, 2.0, 3.0)])
    found = value(tf.zeros([3, N], tf.float64), tf.constant(matrix))
    expected = [(N * (k - 1 - np.log(k)) + N) / 2 for k in (1.0, 2.0, 3.0)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# -- against the libraries, where they are right ---------------------------------------------------


@pytest.mark.parametrize("form_q", ["covariance_matrix", "low_rank"])
@pytest.mark.parametrize("form_p", ["covariance_matrix", "low_rank"])
def test_torch_agrees_far_from_equality(form_p: str, form_q: str) -> None:
    import torch

    rng = np.random.default_rng(19)
    p, q = draw(rng, form_p, "float64"), draw(rng, form_q, "float64")
    theirs = []
    for drawn in (p, q):
        name = "LowRankMultivariateNormal" if "cov_factor" in drawn else "MultivariateNormal"
        family = getattr(torch.distributions, name)
        theirs.append(family(**{key: torch.from_numpy(x) for key, x in drawn.items()}))
    expected = torch.distributions.kl_divergence(*theirs)
    found = kl(make("torch", p), make("torch", q))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
