"""The one-pass form, row by row beside the core's, its check, and how JAX runs it in blocks.

How TensorFlow's graphs run it is in test_onepass_graphs.py.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from unikl import kl_divergence, onepass, plain_sums
from unikl.backends import jax as jax_room
from unikl.backends import numpy as room
from unikl.core import Reduction
from unikl.kernels import ffi
from unikl.onepass import Rows, from_logs, from_weights
from unikl.plain_sums import large_from_logs, large_from_weights

LAST = (-1,)
VALUE = (False, False)


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
    rows = large_from_weights(room, p, q, LAST, VALUE)[0]
    assert not rows.exact[:5].any()
    assert rows.exact[5:].sum() > 5
    errors = [abs(rows.kl[r, 0] / kl_of_weights(p[r], q[r]) - 1) for r in range(20)]
    bound = 8 * np.finfo(dtype).eps
    assert all(error < bound for error, (exact,) in zip(errors, rows.exact, strict=True) if exact)
    monkeypatch.setattr(plain_sums, "_LARGE", -math.inf)  # the control: the others are not
    assert large_from_weights(room, p, q, LAST, VALUE)[0].exact.all()
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
        large = large_from_weights(room, np.asarray([p]), np.asarray([q]), LAST, VALUE)[0]
    assert not large.exact.any()
    for x, y in ((p, q), (q, p)):
        with np.errstate(all="ignore"):
            a, b = np.log([x]), np.log([y])
            if not np.isfinite(np.concatenate([a, b])).all():
                for logs in (from_logs, large_from_logs):
                    with np.errstate(all="ignore"):
                        exact = logs(room, a, b, LAST, VALUE)[0].exact
                    assert not exact.any() or (0 in x and 0 not in y)


def test_a_gradient_that_cancels_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all of p lies on one category, so h is nearly its own mean there."""
    a, b = np.array([[30.0, 0.0, 1.0]]), np.array([[0.0, 0.0, -1.0]])
    assert from_logs(room, a, b, LAST, (False, True))[0].exact.all()
    assert not from_logs(room, a, b, LAST, (True, False))[0].exact.any()
    careful = Reduction(room, ("logits", "logits"), LAST).vjp(np.ones((1, 1)), (True, False), a, b)
    monkeypatch.setattr(onepass, "_CENTRED", (0.0, 0.0))  # the control: it would be wrong
    rows, partials = from_logs(room, a, b, LAST, (True, False))
    assert rows.exact.all()
    assert np.abs(partials[0] / careful[0] - 1).max() > 100 * np.finfo(float).eps


def derivatives(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """KL, and its gradients in the logarithms a and b; in the weights times P w and Q z."""
    with mpmath.workdps(50):
        x, y = ([mpmath.mpf(float(v)) for v in row] for row in (a, b))
        w, z = ([mpmath.exp(v) for v in row] for row in (x, y))
        w, z = ([v / mpmath.fsum(row) for v in row] for row in (w, z))
        logs = [mpmath.log(u / v) for u, v in zip(w, z, strict=True)]
        kl = mpmath.fsum(u * v for u, v in zip(w, logs, strict=True))
        da = [u * (v - kl) for u, v in zip(w, logs, strict=True)]
        return kl, da, [v - u for u, v in zip(w, z, strict=True)]


def of_weights(p: Any, q: Any) -> tuple[Any, Any, Any]:
    """KL, and its gradients in the weights, where none is 0."""
    with mpmath.workdps(50):
        x, y = ([mpmath.mpf(float(v)) for v in row] for row in (p, q))
        mass_p, mass_q = mpmath.fsum(x), mpmath.fsum(y)
        ratios = [(u / mass_p) / (v / mass_q) for u, v in zip(x, y, strict=True)]
        kl = mpmath.fsum(u * mpmath.log(v) for u, v in zip(x, ratios, strict=True)) / mass_p
        dp = [(mpmath.log(v) - kl) / mass_p for v in ratios]
        return kl, dp, [(1 - v) / mass_q for v in ratios]


def off(got: Any, expected: Any) -> float:
    """The norm of the error, relative to that of what is expected."""
    with mpmath.workdps(50):
        errors = [mpmath.mpf(float(u)) - v for u, v in zip(got, expected, strict=True)]
        return float(mpmath.norm(errors) / mpmath.norm(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1, 6])
@pytest.mark.parametrize("shift", [0, 77.7, 1e4])
def test_large_divergences_and_their_gradients(dtype: Any, scale: float, shift: float) -> None:
    rng = np.random.default_rng(7)
    bound, passed = 8 * np.finfo(dtype).eps, 0
    for n in (2, 10, 50):
        a, b = ((scale * rng.standard_normal((6, n)) + s).astype(dtype) for s in (shift, 0))
        p, q = (np.exp((x - x.max()).clip(-80)) for x in (a, b))
        for forms, x, y, truth in (
            (large_from_logs, a, b, derivatives),
            (large_from_weights, p, q, of_weights),
        ):
            for k, wanted in enumerate((VALUE, (True, False), (False, True))):
                with np.errstate(over="ignore"):  # of the masses, under a shift
                    rows, partials = forms(room, x, y, LAST, wanted)
                for r in np.flatnonzero(rows.exact):
                    expected = truth(x[r], y[r])[k]
                    found = partials[0][r] if k else rows.kl[r]
                    assert off(found, expected if k else [expected]) < bound
                    passed += 1
    assert passed > 50


def test_a_large_divergence_whose_gradient_cancels_does_not_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two heavy categories differ, and the many others agree but for a trifle."""
    rng = np.random.default_rng(8)
    p = rng.uniform(1, 2, (1, 20_000))
    q = p * (1 + 1e-9 * rng.standard_normal(p.shape))
    p[:, 0], p[:, 1] = 0.8 * p.sum(), 0.1 * p.sum()
    q[:, 0], q[:, 1] = p[:, 1], p[:, 0]
    _, _, dq = of_weights(p[0], q[0])
    assert large_from_weights(room, p, q, LAST, VALUE)[0].exact.all()
    assert not large_from_weights(room, p, q, LAST, (False, True))[0].exact.any()
    monkeypatch.setattr(plain_sums, "_FAR", 0.0)  # the control: it would be wrong
    rows, partials = large_from_weights(room, p, q, LAST, (False, True))
    assert rows.exact.all()
    assert off(partials[0][0], dq) > 8 * np.finfo(float).eps


@pytest.mark.parametrize(
    ("p", "q", "wanted"),
    [
        ([0.9, 0.05, 0.05], [0.9 + 1e-12, 0.1, 1e-9], (False, True)),  # the heavy one agrees
        ([0.5 + 1e-9, 0.5 - 1e-9, 1e-20], [0.25, 0.25, 0.5], (True, False)),  # all ratios agree
    ],
)
def test_large_divergences_of_logarithms_too(
    monkeypatch: pytest.MonkeyPatch, p: Any, q: Any, wanted: Any
) -> None:
    a, b = np.log([p]), np.log([q])
    assert large_from_logs(room, a, b, LAST, VALUE)[0].exact.all()
    assert not large_from_logs(room, a, b, LAST, wanted)[0].exact.any()
    monkeypatch.setattr(plain_sums, "_FAR", 0.0)  # the control: it is this check
    assert large_from_logs(room, a, b, LAST, wanted)[0].exact.all()


def test_zeros_in_a_large_divergence() -> None:
    """As the core has them: the derivative at p = 0 < q is that at the smallest normal number."""
    p, q = np.array([[0.0, 0.0, 0.9, 0.1]]), np.array([[0.0, 0.6, 0.1, 0.3]])
    careful = Reduction(room, ("probs", "probs"), LAST)
    with np.errstate(divide="ignore", invalid="ignore"):
        rows, partials = large_from_weights(room, p, q, LAST, (True, True))
    assert rows.exact.all()
    np.testing.assert_allclose(rows.kl, careful.value(p, q)[0], rtol=4e-16)
    expected: Any = careful.vjp(np.ones((1, 1)), (True, True), p, q)
    for mine, theirs in zip(partials, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-15, atol=2e-15)


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
