"""`unikl.compat.torch` beside PyTorch."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unikl import compat

from .compat_cases import DTYPES, Array, check, dirichlet, everywhere, gradients, log, vectors

REDUCTIONS = ("none", "mean", "sum", "batchmean")

pytestmark = pytest.mark.filterwarnings("ignore:reduction:UserWarning")


def inputs(p: Array, q: Array, log_target: bool) -> tuple[Array, Array]:
    return log(q), log(p) if log_target else p


def native(log_q: Array, target: Array, **options: Any) -> Array:
    return F.kl_div(torch.as_tensor(log_q), torch.as_tensor(target), **options)


def size(log_q: Array, target: Array, log_target: bool) -> Array:
    """Of the two terms that torch subtracts."""
    p = np.exp(target) if log_target else target
    log_p = target if log_target else np.log(p)
    return np.abs(p * log_p) + np.abs(p * log_q)


def test_signature() -> None:
    ours, theirs = inspect.signature(compat.torch.kl_div), inspect.signature(F.kl_div)
    assert list(ours.parameters) == list(theirs.parameters)
    for name, parameter in theirs.parameters.items():
        assert ours.parameters[name].default == parameter.default


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_edges(dtype: str, log_target: bool, reduction: str) -> None:
    arrays = inputs(*vectors(dtype), log_target)
    options: dict[str, Any] = {"reduction": reduction, "log_target": log_target}
    want = native(*arrays, **options)
    assert torch.isnan(want).any()
    everywhere(lambda x, t: compat.torch.kl_div(x, t, **options), want, *arrays)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(64, 10), (2, 5, 3), (7,), (0, 3)])
def test_random(dtype: str, log_target: bool, reduction: str, shape: tuple[int, ...]) -> None:
    arrays = inputs(*dirichlet(dtype, shape), log_target)
    options: dict[str, Any] = {"reduction": reduction, "log_target": log_target}
    scale = size(*arrays, log_target) if reduction == "none" else 0.0
    want = native(*arrays, **options)
    everywhere(lambda x, t: compat.torch.kl_div(x, t, **options), want, *arrays, scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
def test_broadcast_and_scalars(dtype: str) -> None:
    p, q = dirichlet(dtype, (4, 3))
    for log_q, target in ((log(q[0]), p), (log(q), p[:1]), (log(q[0, 0]), p[0, 0])):
        for reduction in REDUCTIONS:
            want = native(log_q, target, reduction=reduction)
            got = compat.torch.kl_div(log_q, target, reduction=reduction)
            check(got, want, scale=abs(log_q).max())


@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
def test_deprecated_arguments(
    size_average: bool | None, reduce: bool | None, reduction: str
) -> None:
    p, q = dirichlet("float64", (4, 3))
    both = size_average is None and reduce is None
    word = "reduction: 'mean'" if reduction == "mean" else None
    for function in (native, compat.torch.kl_div):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function(log(q), p, size_average=size_average, reduce=reduce, reduction=reduction)
        expected = word if both else "size_average and reduce"
        assert [str(w.message).startswith(expected or "") for w in caught] == [True] * bool(
            expected
        )
    options: dict[str, Any] = {"size_average": size_average, "reduce": reduce}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = native(log(q), p, reduction=reduction, **options)
        got = compat.torch.kl_div(log(q), p, reduction=reduction, **options)
    check(got, want, scale=1.0)


def test_warns_where_it_is_called() -> None:
    with pytest.warns(UserWarning, match="reduction: 'mean' divides") as caught:
        compat.torch.kl_div([-1.0], [1.0])
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="elementwise_mean"):
        got = compat.torch.kl_div([-1.0, -2.0], [0.5, 0.5], reduction="elementwise_mean")
    with pytest.warns(UserWarning, match="elementwise_mean"):
        check(
            got, native([-1.0, -2.0], [0.5, 0.5], reduction="elementwise_mean").double(), ulps=1e9
        )


def test_refusals() -> None:
    p, q = dirichlet("float64", (4, 3))
    for function in (native, compat.torch.kl_div):
        with pytest.raises(ValueError, match="not a valid value for reduction"):
            function(q, p, reduction="average")
    ones = np.ones(3, "int64")
    with pytest.raises(RuntimeError, match="Integral"):
        native(ones, ones, reduction="sum")
    with pytest.raises(TypeError, match="floating"):
        compat.torch.kl_div(ones, ones, reduction="sum")


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("log_target", [False, True])
def test_gradient(library: str, log_target: bool) -> None:
    arrays = inputs(*vectors("float64"), log_target)
    options: dict[str, Any] = {"reduction": "none", "log_target": log_target}
    want = gradients("torch", lambda x, t: F.kl_div(x, t, **options), *arrays)
    got = gradients(library, lambda x, t: compat.torch.kl_div(x, t, **options), *arrays)
    assert np.isnan(want[1]).any()
    for one, other in zip(got, want, strict=True):
        check(one, other, scale=1.0)


def test_half_precision_stays() -> None:
    p, q = (torch.as_tensor(x).half() for x in dirichlet("float32", (4, 3)))
    got = compat.torch.kl_div(q.log(), p, reduction="sum")
    check(got, F.kl_div(q.log(), p, reduction="sum"), scale=4.0)


def test_control() -> None:
    """A wrong divisor, a swapped order and a rounding in float32 are all noticed."""
    p, q = dirichlet("float64")
    want = native(log(q), p, reduction="batchmean")
    for wrong in (
        lambda: compat.torch.kl_div(log(q), p, reduction="mean"),
        lambda: compat.torch.kl_div(log(p), q, reduction="batchmean"),
        lambda: np.float64(np.float32(want)),
        lambda: np.float32(want),
    ):
        with pytest.raises(AssertionError):
            check(wrong(), want)
    missing = native(*inputs(*vectors("float64"), False), reduction="none")
    with pytest.raises(AssertionError):
        check(np.nan_to_num(missing.numpy()), missing)
