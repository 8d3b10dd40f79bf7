"""TensorFlow's MirroredStrategy: in a replica the tensors are ordinary ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

if importlib.util.find_spec("tensorflow") is None:
    pytest.skip("needs TensorFlow", allow_module_level=True)

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "scale" / "tensorflow.md"
Ranks = Callable[..., list[Any]]  # the fixture `ranks`


def test_the_mean_over_replicas(ranks: Ranks, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    teacher = rng.dirichlet(np.ones(30), 20)
    teacher[:, ::10] = 0
    teacher /= teacher.sum(-1, keepdims=True)
    inputs: dict[str, Any] = {"x": rng.normal(size=(20, 6)), "weights": rng.normal(size=(6, 30))}
    inputs = {name: value.astype(np.float32) for name, value in inputs.items()}
    inputs["teacher"] = teacher.astype(np.float32)
    np.savez(tmp_path / "inputs.npz", **inputs)
    ranks(HERE / "tf_replicas.py", tmp_path, timeout=150)
    mean, gradient = _exact(**{k: v.astype(np.float64) for k, v in inputs.items()})
    eps = 2.0**-23
    for path in [tmp_path / f"{mode}-{k}.npz" for mode in ("eager", "graph") for k in range(4)]:
        found = np.load(path)
        assert found["count"] == 20
        assert abs(found["total"] / 20 - mean) <= 8 * eps * mean
        error = np.linalg.norm(found["gradient"] / 20 - gradient)
        assert error <= 8 * eps * np.linalg.norm(gradient)


def _exact(x: Any, weights: Any, teacher: Any) -> tuple[float, Any]:
    """The mean divergence and its gradient in the weights, in 50 digits."""
    with mpmath.workdps(50):
        total, slope = mpmath.mpf(0), np.zeros((20, 30))
        for row in range(20):
            p = [mpmath.mpf(v) for v in teacher[row]]
            p = [v / mpmath.fsum(p) for v in p]
            logits = [
                mpmath.fsum(a * mpmath.mpf(b) for a, b in zip(x[row], w, strict=True))
                for w in weights.T
            ]
            z = [mpmath.exp(v) for v in logits]
            unit = 1 / mpmath.fsum(z)
            total += mpmath.fsum(
                u * mpmath.log(u / (v * unit)) for u, v in zip(p, z, strict=True) if u
            )
            slope[row] = [float(v * unit - u) for u, v in zip(p, z, strict=True)]
        return float(total / 20), x.T @ slope / 20


def test_the_page(ranks: Ranks) -> None:
    assert PAGE.read_text().count(">>> ") > 10
    ranks("-m", "doctest", PAGE, timeout=150)
