"""Other libraries' directions, ordered categories and processes; see `native_structures`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp

from tests.distributions import multivariate_cases
from tests.distributions.native_cases import Library

__all__ = [
    "circulant",
    "fisher",
    "ordinal",
    "power_spherical",
    "power_spherical_fisher",
    "process",
]

Made = tuple[Any, Any, Any]
Maker = Callable[[Library], Made]

_ALONG, _ACROSS = np.array([0.6, 0.8, 0.0]), np.array([0.0, 0.6, -0.8])


def _log_sphere(k: Any) -> Any:
    """The von Mises-Fisher density in three dimensions, from the uniform one, but for the tilt."""
    return mp.log(k / mp.sinh(k))


def fisher(lib: Library) -> Made:
    k = mp.mpf(3)
    p = lib.make("VonMisesFisher", mean_direction=_ALONG, concentration=3.0)
    q = lib.module.SphericalUniform(3, dtype=p.dtype)
    return p, q, np.array(float(_log_sphere(k) + k * mp.coth(k) - 1))


def power_spherical(lib: Library) -> Made:
    """Of (1 + t)^k on the sphere, where t itself is uniform: (1 + t)/2 is Beta(k + 1, 1)."""
    k = mp.mpf(3)
    p = lib.make("PowerSpherical", mean_direction=_ALONG, concentration=3.0)
    q = lib.module.SphericalUniform(3, dtype=p.dtype)
    return p, q, np.array(float(mp.log(k + 1) - k / (k + 1)))


def power_spherical_fisher(lib: Library) -> Made:
    p, _, uniform = power_spherical(lib)
    q = lib.make("VonMisesFisher", mean_direction=_ACROSS, concentration=0.75)
    tilt = mp.mpf(0.75) * mp.mpf(float(_ALONG @ _ACROSS)) * 3 / 5
    return p, q, np.array(float(mp.mpf(float(uniform)) - _log_sphere(mp.mpf(0.75)) - tilt))


def ordinal(name: str) -> Maker:
    """By the logistic distribution function at the cut points."""

    def chances(cutpoints: list[float], loc: float) -> list[Any]:
        below = [1 / (1 + mp.exp(mp.mpf(loc) - mp.mpf(c))) for c in cutpoints]
        if name == "OrderedLogistic":
            return [b - a for a, b in itertools.pairwise([mp.mpf(0), *below, mp.mpf(1)])]
        found, left = [], mp.mpf(1)
        for b in below:
            found.append(left * b)
            left *= 1 - b
        return [*found, left]

    def made(lib: Library) -> Made:
        given = ([-1.0, 0.25, 1.5], 0.125), ([-0.75, 0.5, 1.0], -0.25)
        p, q = (lib.make(name, cutpoints=c, loc=loc) for c, loc in given)
        pairs = zip(*(chances(*one) for one in given), strict=True)
        return p, q, np.array(float(sum(a * mp.log(a / b) for a, b in pairs)))

    return made


def _covariance(length: float) -> Any:
    x = np.arange(4.0)
    return np.exp(-((x[:, None] - x) ** 2) / (2 * length**2)) + 0.5 * np.eye(4)


def process(of_p: bool, of_q: bool) -> Maker:
    """Gaussian processes at four points, with noise of variance 1/2."""

    def made(lib: Library) -> Made:
        kernels = pytest.importorskip("tensorflow_probability").math.psd_kernels
        sides, drawn = [], []
        for is_process, length in ((of_p, 1.0), (of_q, 2.0)):
            covariance = _covariance(length)
            drawn.append({"loc": np.zeros(4), "covariance_matrix": covariance})
            if is_process:
                kernel = kernels.ExponentiatedQuadratic(length_scale=lib.array(length))
                points, noise = lib.array(np.arange(4.0)[:, None]), lib.array(0.5)
                side = lib.module.GaussianProcess(
                    kernel, points, observation_noise_variance=noise, jitter=0.0
                )
            else:
                factor = np.linalg.cholesky(covariance)
                side = lib.make("MultivariateNormalTriL", loc=np.zeros(4), scale_tril=factor)
            sides.append(side)
        return sides[0], sides[1], np.array(float(multivariate_cases.reference_kl(*drawn)))

    return made


def circulant(lib: Library) -> Made:
    row = np.array([2.0, 0.5, 0.25, 0.5])
    loc, scale = np.array([0.5, 0.0, -1.0, 1.0]), np.array([1.0, 2.0, 0.5, 1.0])
    p = lib.make("Normal", loc=loc, scale=scale).to_event(1)
    q = lib.make("CirculantNormal", loc=np.zeros(4), covariance_row=row)
    matrix = np.stack([np.roll(row, k) for k in range(4)])
    reference = multivariate_cases.reference_kl(
        {"loc": loc, "scale_diag": scale}, {"loc": np.zeros(4), "covariance_matrix": matrix}
    )
    return p, q, np.array(float(reference))
