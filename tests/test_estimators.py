"""Divergences from samples, by hand."""

from __future__ import annotations

import importlib
import math
import warnings
from typing import Any

import numpy as np
import pytest

from unikl.estimators import from_samples

X, Y = [1, 1, 2, 2, 3], [1, 1, 1, 1, 1, 2, 3, 3, 3, 3]
# p = (.4, .4, .2), q = (.5, .1, .4)
KL = 0.4 * math.log(0.8) + 0.4 * math.log(4) + 0.2 * math.log(0.5)


def test_the_number_by_hand() -> None:
    assert from_samples(X, Y) == pytest.approx(KL, rel=1e-15)
    assert from_samples(X, Y) == pytest.approx(0.326631, abs=5e-7)
    assert from_samples(X, Y, base=2) == pytest.approx(KL / math.log(2), rel=1e-15)
    assert from_samples(X, X * 7) == 0
    assert type(from_samples(X, Y)) is float


def test_the_order_of_samples_is_no_matter() -> None:
    assert from_samples(X[::-1], [3, 1, 3, 1, 2, 1, 3, 1, 3, 1]) == pytest.approx(KL, rel=1e-15)


@pytest.mark.parametrize(
    "name",
    [
        lambda n: "abc"[n - 1],
        lambda n: ("tuple", n),
        lambda n: frozenset([n]),
        lambda n: None if n == 1 else n,
        lambda n: n / 2,
    ],
)
def test_any_hashable_category(name: Any) -> None:
    assert from_samples(map(name, X), map(name, Y)) == pytest.approx(KL, rel=1e-15)


@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "tensorflow", "pandas", "polars"])
def test_arrays_of_any_library(library: str) -> None:
    make: Any
    if library in ("pandas", "polars"):
        make = pytest.importorskip(library).Series
    elif library == "jax":
        make = importlib.import_module("jax.numpy").array
    elif library == "tensorflow":
        make = importlib.import_module(library).constant
    else:
        make = getattr(
            importlib.import_module(library), "tensor" if library == "torch" else "array"
        )
    x, y = make(X), make(Y)
    assert from_samples(x, y) == pytest.approx(KL, rel=1e-15)
    assert from_samples(x, Y) == pytest.approx(KL, rel=1e-15)


def test_arrays_of_strings() -> None:
    names = np.array(["", "a", "b", "c"])
    assert from_samples(names[X], names[Y]) == pytest.approx(KL, rel=1e-15)


def test_additive_smoothing() -> None:
    got = from_samples(X, Y, smoothing="additive", alpha=0.5)
    p, q = np.array([2.5, 2.5, 1.5]) / 6.5, np.array([5.5, 1.5, 4.5]) / 11.5
    assert got == pytest.approx((p * np.log(p / q)).sum(), rel=1e-14)
    # A category that neither takes gets its share as well.
    got = from_samples(X, Y, smoothing="additive", categories=[1, 2, 3, 4])
    p, q = np.array([3, 3, 2, 1]) / 9, np.array([6, 2, 5, 1]) / 14
    assert got == pytest.approx((p * np.log(p / q)).sum(), rel=1e-14)


def test_unseen_categories_are_named() -> None:
    with pytest.warns(UserWarning, match=r"y never takes category 'c', and x does") as caught:
        assert from_samples("abc", "aab") == math.inf
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"categories 'c', 'd', 'e', 'f', 'g' and 2 more"):
        assert from_samples("abcdefghi", "ab") == math.inf
    with pytest.warns(UserWarning, match="category '1'"):
        assert from_samples(["1"], [1]) == math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_samples("aab", "abc") < math.inf
        assert from_samples("abc", "aab", smoothing="additive") < math.inf


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (([], X), {}, "x is empty"),
        ((X, iter(())), {}, "y is empty"),
        (([1.0, math.nan], [1.0]), {}, "x holds NaN"),
        ((np.ones((2, 2)), X), {}, r"x must have one axis, got shape \(2, 2\)"),
        ((X, Y), {"categories": [1, 2]}, "x holds category 3, not among"),
        ((X, Y), {"smoothing": "laplace"}, "smoothing must be None or 'additive'"),
        ((X, Y), {"smoothing": "additive", "alpha": 0}, "alpha must be positive"),
        ((X, Y), {"base": 1}, "base must be"),
    ],
)
def test_errors(arguments: Any, options: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        from_samples(*arguments, **options)


def test_the_bias_is_as_documented() -> None:
    rng = np.random.default_rng(0)
    n, m, k = 400, 1000, 5
    estimates = [from_samples(rng.integers(0, k, n), rng.integers(0, k, m)) for _ in range(400)]
    expected = (k - 1) / 2 * (1 / n + 1 / m)
    assert np.mean(estimates) == pytest.approx(expected, rel=0.15)
