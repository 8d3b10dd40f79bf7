"""Multivariate normal distributions to test with: draws, and KL at 50 digits by the definition."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import mpmath
import numpy as np

from unikl.distributions.multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
)

FORMS = ("covariance_matrix", "precision_matrix", "scale_tril", "diagonal", "low_rank")
LIBRARIES = ("numpy", "torch", "jax", "tensorflow")
N, RANK = 4, 2
BOUND = 16  # eps


def wide(name: str) -> Any:
    if name != "jax":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def to_array(library: str, x: Any) -> Any:
    if library == "torch":
        import torch

        return torch.from_numpy(np.array(x))
    if library == "jax":
        import jax.numpy as jnp

        return jnp.asarray(x)
    if library == "tensorflow":
        import tensorflow as tf

        return tf.constant(x)
    return x


# -- draws -----------------------------------------------------------------------------------------

Drawn = dict[str, Any]


def draw(rng: np.random.Generator, form: str, dtype: str) -> Drawn:
    """Parameters of a well-conditioned distribution."""
    drawn: Drawn = {"loc": rng.normal(size=N)}
    if form == "diagonal":
        drawn["scale_diag"] = rng.uniform(0.5, 2, N)
    elif form == "low_rank":
        drawn |= {"cov_factor": rng.normal(size=(N, RANK)), "cov_diag": rng.uniform(0.5, 2, N)}
    else:
        a = rng.normal(size=(N, N))
        matrix = np.eye(N) + a @ a.T / N
        drawn[form] = np.linalg.cholesky(matrix) if form == "scale_tril" else matrix
    return {name: _symmetric(name, x.astype(dtype)) for name, x in drawn.items()}


def nearby(rng: np.random.Generator, drawn: Drawn, size: float) -> Drawn:
    """The same, each parameter moved by about `size`."""
    moved = {}
    for name, x in drawn.items():
        step = size * rng.normal(size=x.shape)
        step = np.tril(step) if name == "scale_tril" else step
        moved[name] = _symmetric(name, (x + step).astype(x.dtype))
    return moved


def _symmetric(name: str, x: Any) -> Any:
    return np.tril(x) + np.tril(x, -1).T if name.endswith("_matrix") else x


def make(library: str, drawn: Drawn) -> Any:
    arrays = {name: to_array(library, x) for name, x in drawn.items()}
    if "scale_diag" in drawn:
        return MultivariateNormalDiag(**arrays)
    if "cov_factor" in drawn:
        return LowRankMultivariateNormal(**arrays)
    return MultivariateNormal(**arrays)


# -- the reference ---------------------------------------------------------------------------------


def matrix(x: Any) -> Any:
    return mpmath.matrix(np.asarray(x, np.float64).tolist())


def covariance(drawn: Drawn) -> Any:
    if "scale_diag" in drawn:
        return mpmath.diag([mpmath.mpf(float(s)) ** 2 for s in drawn["scale_diag"]])
    if "cov_factor" in drawn:
        w = matrix(drawn["cov_factor"])
        return mpmath.diag([mpmath.mpf(float(d)) for d in drawn["cov_diag"]]) + w * w.T
    if "scale_tril" in drawn:
        factor = matrix(drawn["scale_tril"])
        return factor * factor.T
    if "precision_matrix" in drawn:
        return matrix(drawn["precision_matrix"]) ** -1
    return matrix(drawn["covariance_matrix"])


def reference_kl(p: Drawn, q: Drawn) -> Any:
    """By the definition, at 50 digits."""
    with mpmath.workdps(50):
        a, c = covariance(p), covariance(q)
        inverse = c**-1
        shift = matrix(p["loc"]) - matrix(q["loc"])
        ratio = inverse * a
        trace = sum(ratio[k, k] for k in range(N)) - N
        return (trace - mpmath.log(mpmath.det(ratio)) + (shift.T * inverse * shift)[0]) / 2


def eps_off(value: Any, reference: Any, dtype: str) -> float:
    return float(abs(mpmath.mpf(float(value)) / reference - 1)) / float(np.finfo(dtype).eps)
