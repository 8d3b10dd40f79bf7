"""`unikl.compat.scipy`, the sums, beside SciPy."""

from __future__ import annotations

import inspect
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from unikl import compat, kl_divergence

from .compat_cases import (
    DTYPES,
    NAN,
    Array,
    check,
    dirichlet,
    everywhere,
    gradients,
    log,
    silence,
    vectors,
)


def size(p: Array, q: Array, axis: Any = ()) -> Array:
    """Of the terms that are summed and subtracted."""
    with np.errstate(all="ignore"):
        p, q = (np.abs(x / np.sum(x, axis, keepdims=True)) for x in (p, q))
        return np.nan_to_num(np.abs(p * log(p / q)) + p + q, posinf=0.0).sum(axis)


def native(function: Any, *arrays: Array, **options: Any) -> Array:
    with silence():
        return np.asarray(function(*arrays, **options))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (compat.scipy.entropy, stats.entropy),
        (compat.scipy.jensenshannon, distance.jensenshannon),
    ],
)
def test_signature(ours: Any, theirs: Any) -> None:
    ours, theirs = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
    assert list(ours) == list(theirs)
    for key, parameter in theirs.items():
        assert (ours[key].default, ours[key].kind) == (parameter.default, parameter.kind)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("base", [None, 2, 1])
def test_entropy_edges(dtype: str, base: float | None) -> None:
    p, q = vectors(dtype)
    options: dict[str, Any] = {"axis": -1, "base": base}
    want = native(stats.entropy, p, q, **options)
    assert np.isnan(want).any()
    everywhere(
        lambda p, q: compat.scipy.entropy(p, q, **options), want, p, q, scale=2 * size(p, q, -1)
    )
    want = native(stats.entropy, p, **options)
    everywhere(lambda p: compat.scipy.entropy(p, **options), want, p)


AXES: list[tuple[tuple[int, ...], Any]] = [
    *(((64, 10), 0), ((64, 10), -1), ((64, 10), None), ((7,), 0)),
    *(((2, 5, 3), 1), ((2, 5, 3), (0, 2)), ((0, 3), 0), ((0, 3), 1)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_entropy_random(dtype: str, shape: tuple[int, ...], axis: Any, keepdims: bool) -> None:
    p, q = dirichlet(dtype, shape)
    options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
    scale = np.reshape(size(p, q, axis), np.shape(native(stats.entropy, p, q, **options)))
    for one, other in ((p, q), (100 * p, 7 * q)):
        want = native(stats.entropy, one, other, **options)
        everywhere(
            lambda p, q: compat.scipy.entropy(p, q, **options), want, one, other, scale=scale
        )
        want = native(stats.entropy, one, **options)
        everywhere(lambda p: compat.scipy.entropy(p, **options), want, one)


@pytest.mark.parametrize("dtype", DTYPES)
def test_entropy_is_right_where_scipy_is(dtype: str) -> None:
    """Where SciPy is within 0.5 eps of the truth, ours is within 4 of it; everywhere of that."""
    p, q = dirichlet(dtype, (500, 5))
    exact = np.array([exact_entropy(*rows) for rows in zip(p, q, strict=True)])
    want, eps = stats.entropy(p, q, axis=-1), np.finfo(dtype).eps
    right = np.abs(want - exact) <= 0.5 * eps * exact
    assert 100 < right.sum() < 500
    everywhere(lambda p, q: compat.scipy.entropy(p, q, axis=-1), want[right], p[right], q[right])
    ours = compat.scipy.entropy(p, q, axis=-1)
    assert (np.abs(ours - exact) <= 4 * eps * exact).all()


def exact_entropy(p: Array, q: Array) -> float:
    with mpmath.workdps(40):
        rows = [[mpmath.mpf(float(x)) for x in row] for row in (p, q)]
        w, z = ([x / mpmath.fsum(row) for x in row] for row in rows)
        return float(mpmath.fsum(a * mpmath.log(a / b) for a, b in zip(w, z, strict=True)))


@pytest.mark.parametrize("nan_policy", ["propagate", "omit", "raise", "ignore"])
def test_nan_policy(nan_policy: str) -> None:
    p, q = vectors("float64")
    arrays: list[Any] = [(p, q), (p,), ([[NAN, NAN, NAN]],), ([[0.5, NAN]], [[0.5, 0.5]])]
    for one in arrays:
        options: dict[str, Any] = {"axis": -1, "nan_policy": nan_policy}
        if nan_policy in ("raise", "ignore"):
            for function in (stats.entropy, compat.scipy.entropy):
                with pytest.raises(ValueError, match=r"(?i)nan"), silence():
                    function(*one, **options)
        else:
            check(
                compat.scipy.entropy(*one, **options),
                native(stats.entropy, *one, **options),
                scale=4.0,
            )


def test_entropy_broadcasts_and_refuses() -> None:
    for shapes in (((3, 2), (3, 1)), ((3, 2), (1, 2)), ((4, 3, 2), (3, 2))):
        p, q = (np.arange(1.0, 1 + np.prod(s)).reshape(s) for s in shapes)
        check(compat.scipy.entropy(p, q), native(stats.entropy, p, q), scale=1.0)
    for function in (stats.entropy, compat.scipy.entropy):
        with pytest.raises(ValueError, match="positive"):
            function([1, 2], [2, 1], base=0)
    with pytest.raises(ValueError, match="out of bounds"):
        compat.scipy.entropy([1, 2], [2, 1], axis=1)
    assert compat.scipy.entropy([1, 1], [1, 3]) == kl_divergence([1, 1], [1, 3], given="counts")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("base", [None, 2, -1])
def test_jensenshannon_edges(dtype: str, base: float | None) -> None:
    p, q = vectors(dtype)
    want = native(distance.jensenshannon, p, q, base, axis=-1)
    assert np.isnan(want).any()
    ours = lambda p, q: compat.scipy.jensenshannon(p, q, base, axis=-1)  # noqa: E731
    everywhere(ours, want, p, q, scale=4.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), AXES[:-2])
@pytest.mark.parametrize("keepdims", [False, True])
def test_jensenshannon_random(
    dtype: str, shape: tuple[int, ...], axis: Any, keepdims: bool
) -> None:
    p, q = dirichlet(dtype, shape)
    options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
    want = native(distance.jensenshannon, 3 * p, q, **options)
    everywhere(
        lambda p, q: compat.scipy.jensenshannon(p, q, **options), want, 3 * p, q, scale=1 / want
    )


def test_jensenshannon_of_near_equal_rows_is_no_nan() -> None:
    p, q = dirichlet("float64", (500, 5))
    q = p * (1 + 1e-12 * q)
    assert np.isnan(native(distance.jensenshannon, p, q, axis=-1)).sum() > 100
    assert (compat.scipy.jensenshannon(p, q, axis=-1) >= 0).all()


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_gradient(library: str) -> None:
    """SciPy has none; ours is the core's."""
    p, q = dirichlet("float64", (4, 3))
    weight = np.random.default_rng(1).uniform(0.5, 2, 4)[:, None]
    kl = (p * np.log(p / q)).sum(-1, keepdims=True)
    got = gradients(library, lambda p, q: compat.scipy.entropy(p, q, axis=-1), p, q)
    check(got[0], weight * (np.log(p / q) - kl), scale=8.0)
    check(got[1], weight * (1 - p / q), scale=8.0)


def test_control() -> None:
    """The other axis, the divergence without its root, the other order are all noticed."""
    p, q = dirichlet("float64", (5, 5))
    want, root = native(stats.entropy, p, q), native(distance.jensenshannon, p, q)
    for wrong, right in (
        (compat.scipy.entropy(p, q, axis=1), want),
        (compat.scipy.entropy(q, p), want),
        (compat.scipy.jensenshannon(p, q) ** 2, root),
        (compat.scipy.jensenshannon(p, q, base=2), root),
    ):
        with pytest.raises(AssertionError):
            check(wrong, right, scale=4.0)
