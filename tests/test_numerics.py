"""psi, chi and the error-free differences, against 50 digits."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from unikl.backends import numpy as room
from unikl.numerics import chi, difference, psi, scaled_difference

FLOATS = [np.float32, np.float64]


def worst_eps(got: Any, exact: list[Any]) -> float:
    """The largest relative error, in eps of got's dtype."""
    errors = [abs(mpmath.mpf(float(g)) / e - 1) for g, e in zip(got, exact, strict=True) if e]
    return float(max(errors)) / float(np.finfo(got.dtype).eps)


def signed(magnitudes: Any) -> Any:
    return np.concatenate([-magnitudes, magnitudes])


@pytest.mark.parametrize("dtype", FLOATS)
def test_psi_and_log1p_to_two_eps(dtype: Any) -> None:
    u = np.concatenate([-np.geomspace(1e-9, 0.5, 400), np.geomspace(1e-9, 1, 400)]).astype(dtype)
    psi_u, log1p_u = psi(room, u)
    with mpmath.workdps(50):
        exact = [mpmath.mpf(float(x)) for x in u]
        assert worst_eps(log1p_u, [mpmath.log1p(x) for x in exact]) < 2
        assert worst_eps(psi_u, [x - mpmath.log1p(x) for x in exact]) < 4


@pytest.mark.parametrize("dtype", FLOATS)
def test_chi_to_four_eps_and_never_negative(dtype: Any) -> None:
    d = signed(np.geomspace(1e-9, 1.5, 600)).astype(dtype)
    got = chi(room, d)
    with mpmath.workdps(50):
        exact = [mpmath.mpf(float(x)) for x in d]
        assert worst_eps(got, [mpmath.expm1(x) - x for x in exact]) < 4
    assert (got >= 0).all()


def test_the_plain_formulas_would_fail() -> None:
    """The control: the same measure, on the textbook expressions."""
    d = signed(np.geomspace(1e-4, 1e-2, 50)).astype(np.float32)
    with mpmath.workdps(50):
        exact = [mpmath.expm1(mpmath.mpf(float(x))) - mpmath.mpf(float(x)) for x in d]
        assert worst_eps(np.expm1(d) - d, exact) > 100


@pytest.mark.parametrize("dtype", FLOATS)
def test_difference_is_exact(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    x = (rng.standard_normal(500) * 10.0 ** rng.integers(-6, 6, 500)).astype(dtype)
    y = (rng.standard_normal(500) * 10.0 ** rng.integers(-6, 6, 500)).astype(dtype)
    hi, lo = difference(x, y)
    with mpmath.workdps(80):
        for one in zip(x, y, hi, lo, strict=True):
            a, b, h, low = (mpmath.mpf(float(v)) for v in one)
            assert h + low == a - b


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("noise", [1.0, 1e-2, 1e-5])
def test_scaled_difference_keeps_its_digits(dtype: Any, noise: float) -> None:
    rng = np.random.default_rng(2)
    q = rng.uniform(0.1, 10, 500).astype(dtype)
    scale = dtype(math.pi)
    p = (q * scale * (1 + noise * rng.uniform(0.01, 1, 500))).astype(dtype)
    got = scaled_difference(room, q, np.asarray([scale]), p)
    with mpmath.workdps(50):
        exact = [
            mpmath.mpf(float(a)) * mpmath.mpf(float(scale)) - mpmath.mpf(float(b))
            for a, b in zip(q, p, strict=True)
        ]
        assert worst_eps(got, exact) < 2
        # The control: one rounded product loses them.
        assert noise == 1.0 or worst_eps(q * scale - p, exact) > 10
