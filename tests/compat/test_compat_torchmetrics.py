"""`unikl.compat.torchmetrics` beside TorchMetrics."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import torchmetrics.functional as tmf

from unikl import compat

from .compat_cases import DTYPES, Array, check, dirichlet, everywhere, gradients, log, vectors

REDUCTIONS = ("none", None, "mean", "sum", "some other word")


def native(p: Array, q: Array, log_prob: bool, reduction: Any) -> Array:
    return tmf.kl_divergence(torch.as_tensor(p), torch.as_tensor(q), log_prob, reduction)


def inputs(p: Array, q: Array, log_prob: bool) -> tuple[Array, Array]:
    return (log(p), log(q)) if log_prob else (p, q)


def test_signature() -> None:
    ours, theirs = (inspect.signature(f.kl_divergence) for f in (compat.torchmetrics, tmf))
    assert list(ours.parameters) == list(theirs.parameters)
    for key, parameter in theirs.parameters.items():
        assert ours.parameters[key].default == parameter.default


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("log_prob", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_edges(dtype: str, log_prob: bool, reduction: Any) -> None:
    arrays = inputs(*vectors(dtype), log_prob)
    want = native(*arrays, log_prob, reduction)
    assert torch.isnan(want).any()
    everywhere(
        lambda p, q: compat.torchmetrics.kl_divergence(p, q, log_prob, reduction), want, *arrays
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("log_prob", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(64, 10), (1, 3), (0, 3)])
def test_random(dtype: str, log_prob: bool, reduction: Any, shape: tuple[int, ...]) -> None:
    p, q = dirichlet(dtype, shape)
    arrays = inputs(3 * p, q, log_prob)
    want = native(*arrays, log_prob, reduction)
    rows = np.abs(p * np.log(p)) + np.abs(p * np.log(q))
    scale = rows.sum(-1) if reduction in ("none", None, "some other word") else 0.0
    ours = lambda p, q: compat.torchmetrics.kl_divergence(p, q, log_prob, reduction)  # noqa: E731
    everywhere(ours, want, *arrays, scale=scale)


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("log_prob", [False, True])
def test_gradient(library: str, log_prob: bool) -> None:
    arrays = inputs(*vectors("float64"), log_prob)
    want = gradients("torch", lambda p, q: tmf.kl_divergence(p, q, log_prob, "none"), *arrays)
    got = gradients(
        library, lambda p, q: compat.torchmetrics.kl_divergence(p, q, log_prob, "none"), *arrays
    )
    zero_in_p = np.isnan(want[0][0])
    assert zero_in_p.all() if not log_prob else zero_in_p.any()
    for one, other in zip(got, want, strict=True):
        size = np.nan_to_num(np.abs(other), posinf=0.0, neginf=0.0).max(-1, keepdims=True)
        check(one, other, scale=1.0 + size)


def test_integers() -> None:
    counts = np.array([[1, 2, 3], [3, 2, 1]]), np.array([[1, 1, 1], [4, 1, 1]])
    check(
        compat.torchmetrics.kl_divergence(*counts),
        native(*counts, False, "mean").double(),
        ulps=1e9,
    )


def test_shapes_are_refused() -> None:
    for p, q in ((np.ones((2, 3)), np.ones((2, 4))), (np.ones(3), np.ones(3))):
        with pytest.raises((RuntimeError, ValueError)):
            native(p, q, False, "mean")
        with pytest.raises(ValueError, match=r"same shape|two axes"):
            compat.torchmetrics.kl_divergence(p, q)


def test_unknown_number_of_rows() -> None:
    p, q = dirichlet("float64")
    spec = tf.TensorSpec([None, 10], tf.float64)
    traced = tf.function(compat.torchmetrics.kl_divergence, input_signature=[spec, spec])
    check(traced(p, q), native(p, q, False, "mean"))


def test_control() -> None:
    """Another divisor, or the values of rows that were not normalised."""
    p, q = dirichlet("float64")
    want = native(p, q, False, "mean")
    with pytest.raises(AssertionError):
        check(compat.torchmetrics.kl_divergence(p, q, reduction="sum"), want)
    log_p, log_q = inputs(3 * p, q, True)
    with pytest.raises(AssertionError):
        check(compat.torchmetrics.kl_divergence(log_p, log_q, True), want)
