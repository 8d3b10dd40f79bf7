"""The one-pass form, row by row beside the core's, its check, and how JAX runs it in blocks."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from unikl import kl_divergence, onepass
from unikl.backends import jax as jax_room
from unikl.backends import numpy as room
from unikl.core import Reduction
from unikl.kernels import ffi
from unikl.onepass import Rows, from_logs, from_weights, large_from_weights

LAST = (-1,)


def kl_of_weights(p: Any, q: Any) -> Any:
    with mpmath.workdps(50):
        x, y = ([mpmath.mpf(float(v)) for v in row] for row in (p, q))
        log = mpmath.log(mpmath.fsum(y) / mpmath.fsum(x))
        parts = [a * mpmath.log(a / b) for a, b in zip(x, y, strict=True) if a]
        return mpmath.fsum(parts) / mpmath.fsum(x) + log


def rows_of(p: Any, q: Any) -> Rows:
    with np.errstate(all="ignore"):
        return from_weights(room, p, q, LAST, (False, False))[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise", [2, 1e-2, 1e-5])
def test_what_the_check_passes_is_within_eight_eps(dtype: Any, noise: float) -> None:
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(30), 20)
    q = p * np.exp(noise * rng.standard_normal(p.shape))
    p, q = p.astype(dtype), (q / q.sum(-1, keepdims=True)).astype(dtype)
    p[:, 3], q[:, 3:5] = 0, 0
    p[:, 4] = 0
    rows = rows_of(p, q)
    assert rows.exact.all()
    for r in range(len(p)):
        error = abs(rows.kl[r, 0] / kl_of_weights(p[r], q[r]) - 1)
        assert error < 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_divergence_by_the_plain_sums(monkeypatch: pytest.MonkeyPatch, dtype: Any) -> None:
    rng = np.random.default_rng(6)
    p, q = (rng.dirichlet(np.ones(30), 20).astype(dtype) for _ in "pq")
    p[:, 3], q[:, 4], p[:, 4] = 0, 0, 0
    q[:5] = p[:5] + 1e-3 * q[:5]
    rows = large_from_weights(room, p, q, LAST)
    assert not rows.exact[:5].any()
    assert rows.exact[5:].sum() > 5
    errors = [abs(rows.kl[r, 0] / kl_of_weights(p[r], q[r]) - 1) for r in range(20)]
    bound = 8 * np.finfo(dtype).eps
    assert all(error < bound for error, (exact,) in zip(errors, rows.exact, strict=True) if exact)
    monkeypatch.setattr(onepass, "_LARGE", -math.inf)  # the control: the others are not
    assert large_from_weights(room, p, q, LAST).exact.all()
    assert max(errors[:5]) > bound


def test_rows_that_agree_better_than_their_totals_do_not_pass() -> None:
    rng = np.random.default_rng(4)
    p = rng.uniform(1, 2, (5, 30))
    q = 1.25 * p * (1 + 1e-6 * rng.standard_normal(p.shape))
    rows = rows_of(p, q)
    assert not rows.exact.any()
    # The control: they would be wrong.
    assert abs(rows.kl[0, 0] / kl_of_weights(p[0], q[0]) - 1) > 100 * np.finfo(float).eps


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([0.5, 0.5], [1.0, 0.0]),
        ([-0.5, 1.5], [0.5, 0.5]),
        ([-0.5, 1.5], [-0.5, 1.5]),
        ([math.nan, 1.0], [0.5, 0.5]),
        ([0.5, 0.5], [math.inf, 0.5]),
        ([0.0, 0.0], [0.5, 0.5]),
        ([1e-300, 1e-300], [0.5, 0.5]),
    ],
)
def test_infinite_rows_and_those_that_are_no_distribution_do_not_pass(p: Any, q: Any) -> None:
    assert not rows_of(np.asarray([p]), np.asarray([q])).exact.any()
    with np.errstate(all="ignore"):
        large = large_from_weights(room, np.asarray([p]), np.asarray([q]), LAST)
    assert not large.exact.any() or max(p) < 1e-200  # a tiny mass is no fault there
    for x, y in ((p, q), (q, p)):
        with np.errstate(all="ignore"):
            a, b = np.log([x]), np.log([y])
            if not np.isfinite(np.concatenate([a, b])).all():
                exact = from_logs(room, a, b, LAST, (False, False))[0].exact
                assert not exact.any() or (0 in x and 0 not in y)


def test_a_gradient_that_cancels_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all of p lies on one category, so h is nearly its own mean there."""
    a, b = np.array([[30.0, 0.0, 1.0]]), np.array([[0.0, 0.0, -1.0]])
    assert from_logs(room, a, b, LAST, (False, True))[0].exact.all()
    assert not from_logs(room, a, b, LAST, (True, False))[0].exact.any()
    careful = Reduction(room, ("logits", "logits"), LAST).vjp(np.ones((1, 1)), (True, False), a, b)
    monkeypatch.setattr(onepass, "_CENTRED", 0.0)  # the control: it would be wrong
    rows, partials = from_logs(room, a, b, LAST, (True, False))
    assert rows.exact.all()
    assert np.abs(partials[0] / careful[0] - 1).max() > 100 * np.finfo(float).eps


# -- JAX ------------------------------------------------------------------------------------------


def gradients(given: Any, p: Any, q: Any, weight: Any) -> Any:
    def loss(p: Any, q: Any) -> Any:
        return (weight * kl_divergence(p, q, given=given)).sum()

    return jax.jit(jax.value_and_grad(loss, (0, 1)))(p, q)


@pytest.mark.parametrize("given", ["probs", "logits"])
@pytest.mark.parametrize("shape", [(24, 10), (23, 11), (4, 6, 12)])  # in blocks, with a rest, in 3
def test_blocks_give_what_the_whole_gives(
    monkeypatch: pytest.MonkeyPatch, given: Any, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(5)
    p, q = (jnp.asarray(rng.dirichlet(np.ones(shape[-1]), shape[:-1]), "float32") for _ in "pq")
    q = q.at[3].set(p[3])  # a block that has to be done with care
    if given == "logits":
        p, q = jnp.log(p), jnp.log(q)
    weight = jnp.asarray(rng.uniform(1, 2, shape[:-1]), "float32")
    whole = gradients(given, p, q, weight)
    jax.clear_caches()
    monkeypatch.setattr(ffi, "serves", lambda rule: False)
    monkeypatch.setattr(jax_room, "_SMALL", 0)
    monkeypatch.setattr(jax_room, "_BLOCK", 5 * shape[-1])
    assert "scan" in str(jax.make_jaxpr(lambda p, q: kl_divergence(p, q, given=given))(p, q))
    blocks = gradients(given, p, q, weight)
    jax.clear_caches()
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(blocks), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * float(jnp.abs(one).max()))
