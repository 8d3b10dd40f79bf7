"""`unikl.compat.keras` beside Keras."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest

from unikl import compat, kl_divergence

from .compat_cases import DTYPES, check, dirichlet, everywhere, gradients, numpy, vectors


def native(p: object, q: object) -> object:
    return np.asarray(keras.losses.kl_divergence(p, q))


def test_signature_and_names() -> None:
    ours, theirs = (inspect.signature(f.kl_divergence) for f in (compat.keras, keras.losses))
    assert list(ours.parameters) == list(theirs.parameters)
    assert compat.keras.kld is compat.keras.KLD is compat.keras.kullback_leibler_divergence
    assert compat.keras.kld is compat.keras.kl_divergence


@pytest.mark.parametrize("dtype", DTYPES)
def test_edges(dtype: str) -> None:
    p, q = vectors(dtype)
    scale = np.nan_to_num(np.minimum(np.abs(p), 1)).sum(-1) * 20
    everywhere(compat.keras.kl_divergence, native(p, q), p, q, scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(64, 10), (2, 5, 3), (7,), (0, 3)])
def test_random(dtype: str, shape: tuple[int, ...]) -> None:
    p, q = dirichlet(dtype, shape)
    everywhere(compat.keras.kl_divergence, native(p, q), p, q)
    counts = (np.round(100 * p), np.round(100 * q))
    everywhere(compat.keras.kl_divergence, native(*counts), *counts, scale=1.0)


def test_broadcast() -> None:
    p, q = dirichlet("float64", (4, 3))
    check(compat.keras.kl_divergence(p[:, :1], q), native(p[:, :1], q))
    check(compat.keras.kl_divergence(p[0], q), native(p[0], q))


def test_dtypes() -> None:
    p, q = dirichlet("float64", (4, 3))
    for one, other in ((p, q.astype("float32")), (p.astype("float32"), q)):
        check(compat.keras.kl_divergence(one, other), native(one, other), scale=1.0)
    labels = np.eye(3, dtype="int64")
    check(compat.keras.kl_divergence(labels, q[:3]), native(labels, q[:3]))
    for function in (native, compat.keras.kl_divergence):
        with pytest.raises(TypeError):
            function(q[:3], labels)


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_gradient(library: str) -> None:
    arrays = vectors("float64")
    want = gradients("tensorflow", keras.losses.kl_divergence, *arrays)
    got = gradients(library, compat.keras.kl_divergence, *arrays)
    for one, other in zip(got, want, strict=True):
        check(one, other, scale=1.0)


def test_the_clip_hides_infinity() -> None:
    p, q = [0.3, 0.3, 0.4], [0.5, 0.5, 0.0]
    assert numpy(compat.keras.kl_divergence(p, q)) == pytest.approx(5.774227, abs=1e-6)
    assert numpy(kl_divergence(p, q)) == np.inf


def test_control(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another epsilon is noticed."""
    arrays = vectors("float64")
    want = native(*arrays)
    everywhere(compat.keras.kl_divergence, want, *arrays, scale=20.0)
    monkeypatch.setattr(compat.keras, "_EPSILON", 1.0001e-7)
    with pytest.raises(AssertionError):
        everywhere(compat.keras.kl_divergence, want, *arrays, scale=20.0)
