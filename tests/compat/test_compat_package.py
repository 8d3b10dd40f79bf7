"""What holds for every function of `unikl.compat`: the compilers, and what it imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tensorflow as tf
import torch

from unikl import compat

from .compat_cases import Array, check, dirichlet, log, numpy, silence

ROOT = Path(__file__).parents[2]

# Each function on probabilities p, q and their logarithms, with the options that need tracing.
CALLS: dict[str, Callable[[Any, Any, Any, Any], Array]] = {
    "torch": lambda p, q, a, b: compat.torch.kl_div(b, p, reduction="batchmean"),
    "torch log_target": lambda p, q, a, b: compat.torch.kl_div(b, a, None, None, "sum", True),
    "keras": lambda p, q, a, b: compat.keras.kl_divergence(p, q),
    "scipy rel_entr": lambda p, q, a, b: compat.scipy.rel_entr(p, q),
    "scipy kl_div": lambda p, q, a, b: compat.scipy.kl_div(p, q),
    "scipy entropy": lambda p, q, a, b: compat.scipy.entropy(p, q, 2, 1, nan_policy="omit"),
    "scipy jensenshannon": lambda p, q, a, b: compat.scipy.jensenshannon(p, q, axis=-1),
    "optax": lambda p, q, a, b: compat.optax.kl_divergence(b, p),
    "optax log": lambda p, q, a, b: compat.optax.kl_divergence_with_log_targets(b, a),
    "optax generalized": lambda p, q, a, b: compat.optax.generalized_kl_divergence(b, p),
    "torchmetrics": lambda p, q, a, b: compat.torchmetrics.kl_divergence(p, q),
    "pot": lambda p, q, a, b: compat.pot.kl_div(p, q, mass=True),
    "jax rel_entr": lambda p, q, a, b: compat.jax.rel_entr(p, q),
    "jax kl_div": lambda p, q, a, b: compat.jax.kl_div(p, q),
    "tf cross-entropy": (
        lambda p, q, a, b: compat.tensorflow.softmax_cross_entropy_with_logits(p, b)
    ),
    "tf categorical": lambda p, q, a, b: compat.tensorflow.categorical_kl_divergence(p, q),
    "tf logits": lambda p, q, a, b: compat.tensorflow.kl_divergence_with_logits(a, b),
    "tf formula": lambda p, q, a, b: compat.tensorflow.kl_divergence(p, q),
}


def inputs() -> tuple[Array, ...]:
    p, q = dirichlet("float64", (6, 4))
    return p, q, log(p), log(q)


@pytest.mark.parametrize("name", CALLS)
def test_traced_by_jax(name: str) -> None:
    with jax.enable_x64(True):
        check(jax.jit(CALLS[name])(*inputs()), numpy(CALLS[name](*inputs())), scale=4.0)


@pytest.mark.parametrize("name", CALLS)
def test_traced_by_tensorflow(name: str) -> None:
    spec = tf.TensorSpec([None, 4], tf.float64)  # the batch is not known
    traced = tf.function(CALLS[name], input_signature=[spec] * 4, autograph=True)
    check(traced(*inputs()), numpy(CALLS[name](*inputs())), scale=4.0)


@pytest.mark.parametrize("name", CALLS)
def test_traced_by_torch(name: str) -> None:
    """Without a graph break; the compiler behind the trace does not matter here."""
    torch.compiler.reset()
    tensors = [torch.as_tensor(x).requires_grad_() for x in inputs()]
    with silence():
        traced = torch.compile(CALLS[name], fullgraph=True, backend="eager")
        check(traced(*tensors), numpy(CALLS[name](*inputs())), scale=4.0)


@pytest.mark.parametrize("name", CALLS)
def test_mixed_dtypes_are_promoted(name: str) -> None:
    p, q, a, b = inputs()
    single = [x.astype("float32") for x in (p, a)]
    got = CALLS[name](single[0], q, single[1], b)
    np.testing.assert_allclose(got, CALLS[name](p, q, a, b), rtol=1e-4)


@pytest.mark.parametrize("name", CALLS)
def test_two_libraries_are_refused(name: str) -> None:
    p, q, a, b = inputs()
    tensors = torch.as_tensor(p), torch.as_tensor(a)
    with pytest.raises(TypeError, match="one library"):
        CALLS[name](tensors[0], q, tensors[1], b)


def loaded(first: str) -> set[str]:
    """The frameworks and array libraries that a new process has loaded after `first`."""
    code = f"{first}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    heavy = {"torch", "tensorflow", "jax", "keras", "scipy", "optax", "ot", "torchmetrics"}
    return heavy & set(done.stdout.split())


def test_imports_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIKL_KERNELS", "numpy")  # with unikl[fast], a call loads Numba
    assert loaded("import unikl.compat") == set()
    assert loaded("from unikl import compat\ncompat.scipy.entropy([1, 2], [2, 1])") == set()
    assert "scipy" in loaded("import scipy.special")  # the probe sees one that is loaded
