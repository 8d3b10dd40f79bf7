"""The generalised Jensen-Shannon divergence: its ends, its accuracy, its gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest

from unikl import kl_divergence
from unikl.losses import jensen_shannon

if TYPE_CHECKING:
    from tests.losses.conftest import Framework

BETAS = (1e-6, 0.5, 0.9)
NOISES = (3, 1e-2, 1e-6)


class Exact:
    """By the definition, at 50 digits: the value and the gradients in p and q as given."""

    def __init__(self, p: Any, q: Any, given: str, beta: float) -> None:
        with mpmath.workdps(50):
            self.value, self.gradients = self._compute(p, q, given == "logits", mpmath.mpf(beta))

    def _compute(self, p: Any, q: Any, logs: bool, beta: Any) -> Any:
        exact = [[mpmath.mpf(float(x)) for x in v] for v in (p, q)]
        if logs:
            exact = [[mpmath.exp(x) for x in v] for v in exact]
        totals = [sum(v) for v in exact]
        w, z = ([x / total for x in v] for v, total in zip(exact, totals, strict=True))
        m = [beta * x + (1 - beta) * y for x, y in zip(w, z, strict=True)]
        scale = max(beta, 1 - beta) / min(beta, 1 - beta)
        kls, gradients = [], []
        for one, total, share in ((w, totals[0], beta), (z, totals[1], 1 - beta)):
            logs_m = [mpmath.log(x / y) for x, y in zip(one, m, strict=True)]
            kl = sum(x * y for x, y in zip(one, logs_m, strict=True))
            kls.append(share * kl)
            factors = one if logs else [1 / total] * len(one)
            gradients.append(
                [scale * share * f * (x - kl) for f, x in zip(factors, logs_m, strict=True)]
            )
        return scale * sum(kls), gradients


def draw(noise: float, given: str, dtype: Any, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    a = 4 * rng.normal(size=40)
    b = a + noise * rng.normal(size=40)
    return [(x if given == "logits" else np.exp(x)).astype(dtype) for x in (a, b + 1)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", ["logits", "counts"])
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("noise", NOISES)
def test_values_to_8_eps(
    noise: float, beta: float, given: Any, dtype: Any, framework: Framework
) -> None:
    p, q = draw(noise, given, dtype)
    exact = Exact(p, q, given, beta).value
    got = jensen_shannon(
        framework.array(p, dtype), framework.array(q, dtype), given=given, beta=beta
    )
    assert framework.numpy(got).dtype == dtype
    assert abs(mpmath.mpf(float(got)) / exact - 1) < 8 * np.finfo(dtype).eps


@pytest.mark.parametrize(("given", "noise"), [("logits", 1e-4), ("counts", 1e-6)])
def test_a_rounded_mixture_would_not_do(given: str, noise: float) -> None:
    """The control: the textbook formula, on our own divergence, is off by far more."""
    p, q = draw(noise, given, np.float32)
    exact = Exact(p, q, given, 0.5).value
    if given == "logits":
        p, q = np.exp(p), np.exp(q)
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    textbook = (kl_divergence(p, m) + kl_divergence(q, m)) / 2
    assert abs(mpmath.mpf(float(textbook)) / exact - 1) > 1000 * np.finfo(np.float32).eps


@pytest.mark.parametrize("given", ["logits", "counts"])
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("noise", NOISES)
def test_gradients_to_16_eps(noise: float, beta: float, given: Any, autodiff: Framework) -> None:
    p, q = draw(noise, given, np.float64, seed=1)
    check_gradients(p, q, given, beta, autodiff)


@pytest.mark.parametrize("beta", BETAS)
def test_gradients_of_one_heavy_category(beta: float, autodiff: Framework) -> None:
    """Its own derivative is what the others' leave, 13 digits below its log ratio."""
    p, q = np.array([30.0, 0.0, 1.0]), np.array([0.0, 0.5, 1.0])
    check_gradients(p, q, "logits", beta, autodiff)


def check_gradients(p: Any, q: Any, given: Any, beta: float, autodiff: Framework) -> None:
    exact = Exact(p, q, given, beta).gradients
    got = autodiff.gradients(
        lambda p, q: 2.5 * jensen_shannon(p, q, given=given, beta=beta),
        autodiff.array(p),
        autodiff.array(q),
    )
    for ours, truth in zip(got, exact, strict=True):
        truth = 2.5 * np.array([float(x) for x in truth])
        error = np.linalg.norm(ours - truth) / np.linalg.norm(truth)
        assert error < 16 * np.finfo(np.float64).eps


def test_the_ends_are_the_two_divergences(framework: Framework) -> None:
    p, q = np.random.default_rng(2).dirichlet(np.ones(6), (2, 4))
    arrays = framework.array(p), framework.array(q)
    for end, near, expected in (
        (0.0, 1e-13, kl_divergence(p, q)),
        (1.0, 1 - 1e-13, kl_divergence(q, p)),
    ):
        exact = framework.numpy(jensen_shannon(*arrays, beta=end, reduction="none"))
        np.testing.assert_allclose(exact, expected, rtol=1e-15)
        close = framework.numpy(jensen_shannon(*arrays, beta=near, reduction="none"))
        np.testing.assert_allclose(close, expected, rtol=1e-11)


def test_the_gradient_goes_over_into_that_of_the_ends(autodiff: Framework) -> None:
    p, q = (autodiff.array(x) for x in np.random.default_rng(3).dirichlet(np.ones(6), (2, 4)))
    for end, near in ((0.0, 1e-12), (1.0, 1 - 1e-12)):
        there, close = (
            autodiff.gradients(lambda p, q, b=b: jensen_shannon(p, q, beta=b), p, q)
            for b in (end, near)
        )
        np.testing.assert_allclose(close, there, atol=1e-10)


def test_a_half_is_the_textbook_divergence() -> None:
    from scipy.spatial.distance import jensenshannon

    p, q = np.random.default_rng(4).dirichlet(np.ones(6), (2, 20))
    ours = jensen_shannon(p, q, reduction="none")
    np.testing.assert_allclose(ours, jensenshannon(p, q, axis=1) ** 2, rtol=1e-12)
    assert jensen_shannon([[1.0, 0.0]], [[0.0, 1.0]]) == pytest.approx(math.log(2), rel=1e-15)
    assert jensen_shannon([[1.0, 0.0]], [[0.0, 1.0]], base=2) == pytest.approx(1, rel=1e-15)


def test_swapping_the_arguments_swaps_the_weights() -> None:
    p, q = np.random.default_rng(5).dirichlet(np.ones(6), (2, 20))
    for beta in (0, 0.125, 0.25, 0.5):
        np.testing.assert_allclose(
            jensen_shannon(p, q, beta=beta), jensen_shannon(q, p, beta=1 - beta), rtol=1e-14
        )


def test_zeros_are_finite_between_the_ends(autodiff: Framework) -> None:
    p, q = autodiff.array([0.5, 0.5, 0.0, 0.0]), autodiff.array([0.25, 0.0, 0.75, 0.0])
    value = float(jensen_shannon(p, q, beta=0.25))
    m = [0.3125, 0.125, 0.5625]
    kl_p = 0.5 * math.log(0.5 / m[0]) + 0.5 * math.log(0.5 / m[1])
    kl_q = 0.25 * math.log(0.25 / m[0]) + 0.75 * math.log(0.75 / m[2])
    assert value == pytest.approx(3 * (0.25 * kl_p + 0.75 * kl_q), rel=1e-15)
    for gradient in autodiff.gradients(lambda p, q: jensen_shannon(p, q, beta=0.25), p, q):
        assert np.isfinite(gradient).all()
    grad_p, grad_q = autodiff.gradients(lambda p, q: jensen_shannon(p, q, beta=0.25), p, q)
    np.testing.assert_allclose(grad_p[:2], 0.75 * (np.log(0.5 / np.array(m[:2])) - kl_p))
    np.testing.assert_allclose(grad_p[3], -0.75 * kl_p)
    assert grad_p[2] < -500
    np.testing.assert_allclose(grad_q[3], -2.25 * kl_q)
    assert grad_q[1] < -1500
    assert float(jensen_shannon(p, q, beta=0.0)) == math.inf

    logits = [autodiff.array(np.log(np.maximum(np.array(x), 1e-320))) for x in ([1, 1], [1, 1])]
    infinite = [autodiff.array([0.0, -np.inf, 1.0]), autodiff.array([1.0, 0.0, -np.inf])]
    for pair in (logits, infinite):
        gradients = autodiff.gradients(lambda p, q: jensen_shannon(p, q, given="logits"), *pair)
        assert all(np.isfinite(g).all() for g in gradients)
    assert gradients[0][1] == 0
    assert gradients[1][2] == 0


def test_second_order_and_transforms() -> None:
    import torch

    p, q = (torch.from_numpy(x) for x in draw(1.0, "logits", np.float64)[:2])
    p, q = p[:5], q[:5]

    def loss(p: Any, q: Any) -> Any:
        return jensen_shannon(p, q, given="logits", beta=0.3)

    inputs = (p.clone().requires_grad_(), q.clone().requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs)
    assert torch.autograd.gradgradcheck(loss, inputs)
    rows = torch.stack([p, q]), torch.stack([q, 2 * p])
    each = torch.func.vmap(loss)(*rows)
    expected = jensen_shannon(*rows, given="logits", beta=0.3, reduction="none")
    torch.testing.assert_close(each, expected, rtol=1e-14, atol=0)


def test_graphs(framework: Framework) -> None:
    p, q = np.random.default_rng(6).dirichlet(np.ones(6), (2, 4))
    arrays = framework.array(p), framework.array(q)
    compiled = framework.compiled(lambda p, q: jensen_shannon(p, q, beta=0.3))
    assert float(compiled(*arrays)) == pytest.approx(float(jensen_shannon(p, q, beta=0.3)))


def test_rows_that_are_no_distributions() -> None:
    p, q = np.array([[0.5, 0.5]]), np.array([[0.0, 0.0]])
    with pytest.raises(ValueError, match=r"q has no mass|rows of q sum"):
        jensen_shannon(p, q)
    assert np.isnan(jensen_shannon(p, q, given="counts", validate=False))
    assert np.isnan(jensen_shannon(np.ones((2, 0)), np.ones((2, 0)), validate=False))
    for beta in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="beta must be from 0 to 1"):
            jensen_shannon(p, p, beta=beta)
