"""The Moyal distribution against quadrature at 50 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from unikl.distributions.moyal import Moyal
from unikl.distributions.registry import kl


def _reference(m1: float, s1: float, m2: float, s2: float) -> Any:
    """By the definition, in u = exp(-z_p/2), which is half a normal distribution."""
    with mpmath.workdps(50):
        m1, s1, m2, s2 = (mpmath.mpf(x) for x in (m1, s1, m2, s2))

        def integrand(u: Any) -> Any:
            z_p = -2 * mpmath.log(u)
            z_q = (s1 * z_p + m1 - m2) / s2
            ratio = mpmath.log(s2 / s1) + (z_q + mpmath.exp(-z_q) - z_p - mpmath.exp(-z_p)) / 2
            return 2 * mpmath.npdf(u) * ratio

        return mpmath.quad(integrand, [0, 0.01, 0.1, 0.5, 1, 2, 4, 8, 16, 32])


@pytest.mark.parametrize("size", [None, 1e-2, 1e-6])
def test_moyal(size: float | None) -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        m2, s2 = float(rng.normal()), float(rng.uniform(0.5, 2))
        step = rng.normal(size=2)
        m1, s1 = float(rng.normal()), float(rng.uniform(0.5, 2))
        if size is not None:
            m1, s1 = m2 + size * float(step[0]), s2 * (1 + size * float(step[1]))
        reference = _reference(m1, s1, m2, s2)
        value = float(kl(Moyal(m1, s1), Moyal(m2, s2)))
        assert float(abs(value / reference - 1)) < 16 * 2.0**-52


def test_gradients() -> None:
    import torch

    xs = [torch.tensor(x, dtype=torch.float64) for x in (0.3, 1.5, -0.5, 0.8)]
    assert torch.autograd.gradcheck(
        lambda a, b, c, d: 3 * kl(Moyal(a, b), Moyal(c, d), validate=False),
        [x.requires_grad_() for x in xs],
    )


def test_invalid_scales() -> None:
    assert np.isnan(kl(Moyal(0.0, -1.0), Moyal(0.0, 1.0), validate=False))
