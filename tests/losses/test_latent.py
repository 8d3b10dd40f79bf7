"""The VAE's term and the sparsity penalty: exact where the textbook formulas cancel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest

from unikl.losses import kl_sparsity, kl_standard_normal

if TYPE_CHECKING:
    from tests.losses.conftest import Framework

SPREADS = ("log_std", "log_var", "std")
# Both sides of every branch: the series end at |2 s| = 1.4, and at std^2 - 1 = -1/2 and 1.
LOGS = (-30, -3, -1.4, -0.71, -0.69, -0.3, -1e-3, -1e-7, 0, 1e-9, 1e-4, 0.2, 0.35, 0.69, 0.71, 2)
RNG = np.random.default_rng(0)
MEAN, LOG_STD = RNG.normal(size=(2, 5, 3))


def exact(mean: float, spread: float, name: str) -> tuple[Any, Any]:
    """KL and its derivative in the spread, at 50 digits."""
    with mpmath.workdps(50):
        m, x = mpmath.mpf(mean), mpmath.mpf(spread)
        variance = {"log_std": mpmath.exp(2 * x), "log_var": mpmath.exp(x), "std": x * x}[name]
        slope = {"log_std": 1, "log_var": 0.5, "std": 1 / x if x else mpmath.inf}[name]
        return (m * m + variance - 1 - mpmath.log(variance)) / 2, (variance - 1) * slope


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SPREADS)
def test_values_and_gradients_to_4_eps(name: str, dtype: Any, autodiff: Framework) -> None:
    spreads = np.array([np.exp(x) if name == "std" else x for x in LOGS], dtype)
    means = np.array([1e-4 if k % 2 else 0.7 for k in range(spreads.size)], dtype)
    truth = [exact(float(m), float(s), name) for m, s in zip(means, spreads, strict=True)]
    m, s = autodiff.array(means, dtype), autodiff.array(spreads, dtype)
    values = autodiff.numpy(kl_standard_normal(m, axis=(), **{name: s}))
    grad_m, grad_s = autodiff.gradients(
        lambda m, s: kl_standard_normal(m, axis=None, **{name: s}), m, s
    )
    assert values.dtype == dtype
    np.testing.assert_array_equal(grad_m, means)
    for got, expected in zip(
        (*values, *grad_s), [kl for kl, _ in truth] + [slope for _, slope in truth], strict=True
    ):
        assert abs(mpmath.mpf(float(got)) - expected) <= 4 * np.finfo(dtype).eps * abs(expected)


def test_the_textbook_formula_would_not_do() -> None:
    """The control, and why this function exists."""
    s = np.array([1e-4], np.float32)
    zero = np.zeros_like(s)
    truth = float(exact(0.0, float(s[0]), "log_std")[0])
    textbook = -0.5 * (1 + 2 * s - zero**2 - np.exp(2 * s))
    assert abs(textbook[0] / truth - 1) > 0.9
    assert kl_standard_normal(zero, log_std=s) == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 1), None, ()])
def test_all_forms_are_the_formula(axis: Any, framework: Framework) -> None:
    textbook = -0.5 * (1 + 2 * LOG_STD - MEAN**2 - np.exp(2 * LOG_STD))
    expected = textbook if axis == () else textbook.sum(axis)
    forms = {"log_std": LOG_STD, "log_var": 2 * LOG_STD, "std": np.exp(LOG_STD)}
    for name, spread in forms.items():
        spreads: dict[str, Any] = {name: framework.array(spread)}
        got = kl_standard_normal(framework.array(MEAN), axis=axis, **spreads)
        np.testing.assert_allclose(framework.numpy(got), expected, rtol=1e-13)


def test_spreads_broadcast_and_may_be_numbers(framework: Framework) -> None:
    mean = framework.array(MEAN)
    for spread, full in ((0.3, 0.3), (framework.array(LOG_STD[0]), LOG_STD[0])):
        got = framework.numpy(kl_standard_normal(mean, log_std=spread))
        expected = kl_standard_normal(MEAN, log_std=np.broadcast_to(full, MEAN.shape))
        np.testing.assert_allclose(got, expected, rtol=1e-15)
    single = kl_standard_normal(framework.array(MEAN, np.float32), std=1.3)
    assert framework.numpy(single).dtype == np.float32


def test_half_precision_is_computed_in_float32() -> None:
    import torch

    mean, log_std = (torch.from_numpy(x).half() for x in (MEAN, LOG_STD))
    got = kl_standard_normal(mean, log_std=log_std)
    assert got.dtype == torch.float32
    torch.testing.assert_close(
        got, kl_standard_normal(mean.float(), log_std=log_std.float()), rtol=0, atol=0
    )


def test_edges(framework: Framework) -> None:
    zero = framework.array([0.0])
    with np.errstate(all="ignore"):
        for name, value, expected in (
            ("std", 0.0, math.inf),
            ("log_std", -math.inf, math.inf),
            ("log_var", 1e4, math.inf),
            ("std", -1.0, math.nan),
            ("log_std", math.nan, math.nan),
            ("std", 1.0, 0.0),
        ):
            spread: dict[str, Any] = {name: framework.array([value])}
            np.testing.assert_equal(float(kl_standard_normal(zero, **spread)), expected)


def test_free_bits(autodiff: Framework) -> None:
    mean, log_std = autodiff.array(MEAN), autodiff.array(LOG_STD)
    terms = kl_standard_normal(MEAN, log_std=LOG_STD, axis=())
    floor = float(np.median(terms))
    got = autodiff.numpy(kl_standard_normal(mean, log_std=log_std, free_bits=floor))
    np.testing.assert_allclose(got, np.maximum(terms, floor).sum(-1), rtol=1e-14)
    gradient, _ = autodiff.gradients(
        lambda m, s: kl_standard_normal(m, log_std=s, free_bits=floor, axis=None), mean, log_std
    )
    np.testing.assert_array_equal(gradient, np.where(terms < floor, 0, MEAN))


@pytest.mark.parametrize("spreads", [{}, {"std": 1.0, "log_std": 0.0}])
def test_exactly_one_spread(spreads: Any) -> None:
    with pytest.raises(ValueError, match="give one of log_std, log_var and std"):
        kl_standard_normal(MEAN, **spreads)


def bernoulli(target: float, mean: Any) -> Any:
    active, not_active = (
        target * np.log(target / mean),
        (1 - target) * np.log((1 - target) / (1 - mean)),
    )
    return (active + not_active).sum()


def test_sparsity_has_both_terms(autodiff: Framework) -> None:
    x = RNG.uniform(0, 1, (4, 7, 3))
    means = x.mean((0, 1))
    got = kl_sparsity(autodiff.array(x), target=0.05)
    assert float(got) == pytest.approx(bernoulli(0.05, means), rel=1e-14)
    (gradient,) = autodiff.gradients(lambda x: kl_sparsity(x, target=0.05), autodiff.array(x))
    slope = (-0.05 / means + 0.95 / (1 - means)) / 28
    np.testing.assert_allclose(gradient, np.broadcast_to(slope, x.shape), rtol=1e-13)
    over_batch = kl_sparsity(autodiff.array(x), target=0.05, axis=0)
    assert float(over_batch) == pytest.approx(bernoulli(0.05, x.mean(0)), rel=1e-14)


def test_sparsity_edges(framework: Framework) -> None:
    assert float(kl_sparsity(framework.array([0.2, 0.2]), target=0.2)) == 0
    assert float(kl_sparsity(framework.array([[0.0], [0.0]]), target=0.2)) == math.inf
    assert framework.numpy(kl_sparsity(framework.array([[0.5]], np.float32))).dtype == np.float32
    with pytest.raises(ValueError, match="q holds a negative number"):
        kl_sparsity(framework.array([[3.0, 0.5]]))
    with pytest.raises(ValueError, match="target must be between 0 and 1"):
        kl_sparsity(framework.array([[0.5]]), target=0)
