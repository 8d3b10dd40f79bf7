"""The chunk driver against 50 digits: every tile size, both grades, edges, memory; and controls."""

import math
import tracemalloc
from typing import Any

import mpmath
import numpy as np
import pytest

from unikl.kernels import chunks

FLOATS = [np.float32, np.float64]
FORMS = ["weights", "logs"]


def reference(form: str, p: Any, q: Any) -> tuple[Any, Any, Any]:
    """KL, dKL/dp and dKL/dq of one row."""
    with mpmath.workdps(50):
        x, y = ([mpmath.mpf(float(v)) for v in row] for row in (p, q))
        if form == "logs":
            x, y = [mpmath.exp(v) for v in x], [mpmath.exp(v) for v in y]
        mass_p, mass_q = mpmath.fsum(x), mpmath.fsum(y)
        w, z = [v / mass_p for v in x], [v / mass_q for v in y]
        log = [mpmath.log(b / a) if a and b else mpmath.mpf(0) for a, b in zip(w, z, strict=True)]
        kl = -mpmath.fsum(a * c for a, c in zip(w, log, strict=True))
        if form == "logs":
            dp = [-a * (c + kl) for a, c in zip(w, log, strict=True)]
            dq = [b - a for a, b in zip(w, z, strict=True)]
        else:
            dp = [-(c + kl) / mass_p for c in log]
            dq = [(1 - (a / b if b else 0)) / mass_q for a, b in zip(w, z, strict=True)]
        return kl, dp, dq


def data(form: str, dtype: Any, noise: float, shape: tuple[int, int]) -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    a = 2 * rng.standard_normal(shape)
    b = a + noise * rng.standard_normal(shape)
    if form == "logs":
        return a.astype(dtype), (b + 3).astype(dtype)
    w, z = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (a, b))
    return w.astype(dtype), z.astype(dtype)


def reduce(form: str, p: Any, q: Any, gradients: bool = True) -> tuple[Any, Any, Any, float]:
    kl, mass_p, mass_q = np.empty((3, len(p)), p.dtype)
    dp, dq = (np.empty_like(p), np.empty_like(q)) if gradients else (None, None)
    off = getattr(chunks, form)(p, q, kl, mass_p, mass_q, dp, dq, None)
    return kl, dp, dq, off


def errors(form: str, p: Any, q: Any) -> list[float]:
    """Of the values with and without gradients, and of the gradients in norm, in eps."""
    kl, dp, dq, off = reduce(form, p, q)
    alone = reduce(form, p, q, gradients=False)[0]
    done = np.nonzero(kl == kl)[0]  # a row whose gradient may cancel is left to the core
    assert (off < math.inf) == (len(done) == len(p))
    assert 4 * len(done) >= 3 * len(p)
    eps, worst = float(np.finfo(p.dtype).eps), [0.0] * 4
    for r in done:
        exact = reference(form, p[r], q[r])
        found = [abs(x / exact[0] - 1) for x in (kl[r], alone[r])]
        for got, want in ((dp, exact[1]), (dq, exact[2])):
            apart = mpmath.norm([float(g) - w for g, w in zip(got[r], want, strict=True)])
            found.append(apart / mpmath.norm(want))
        worst = [max(old, float(new) / eps) for old, new in zip(worst, found, strict=True)]
    return worst


@pytest.mark.parametrize("tile", [16, 2**16])
@pytest.mark.parametrize("noise", [3, 0.5, 1e-2, 1e-5])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("form", FORMS)
def test_within_eight_eps(
    monkeypatch: pytest.MonkeyPatch, form: str, dtype: Any, noise: float, tile: int
) -> None:
    monkeypatch.setattr(chunks, "_TILE", tile)
    assert max(errors(form, *data(form, dtype, noise, (6, 50)))) < 8


@pytest.mark.parametrize("form", FORMS)
def test_without_the_check_a_small_divergence_would_be_noise(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The control."""
    p, q = data(form, np.float32, 1e-3, (6, 50))
    monkeypatch.setattr(chunks, "_LARGE", -math.inf)
    assert errors(form, p, q)[1] > 100


def test_a_small_gradient_of_a_large_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heavy category agrees, so z - w is small beside w: the plain difference will not do."""
    a = np.array([[7.1, 0.3, 0.2]], np.float32)
    b = np.array([[7.1, -900.0, -1100.0]], np.float32)
    kl, _, _, off = reduce("logs", a, b)
    assert (math.isnan(kl[0]) and off == math.inf) or max(errors("logs", a, b)) < 8
    monkeypatch.setattr(chunks, "_FAR", 0.0)  # the control
    assert max(errors("logs", a, b)) > 8


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("noise", [2, 1e-3])
def test_zeros(form: str, dtype: Any, noise: float) -> None:
    empty = 0 if form == "weights" else -math.inf
    p, q = data(form, dtype, noise, (4, 30))
    p[:, 3:9], q[:, 3:9] = empty, empty
    assert max(errors(form, p, q)) < 8
    p[:, 10] = empty
    alone, eps = reduce(form, p, q, gradients=False)[0], np.finfo(dtype).eps
    for r in range(len(p)):
        assert abs(alone[r] / reference(form, p[r], q[r])[0] - 1) < 8 * eps


@pytest.mark.parametrize("tile", [16, 2**16])
@pytest.mark.parametrize("form", FORMS)
def test_infinite_rows_are_values_and_left_where_gradients_are_wanted(
    monkeypatch: pytest.MonkeyPatch, form: str, tile: int
) -> None:
    monkeypatch.setattr(chunks, "_TILE", tile)
    p, q = data(form, np.float32, 1, (4, 30))
    q[1, 2] = 0 if form == "weights" else -math.inf
    kl, _, _, off = reduce(form, p, q)
    assert np.isnan(kl).tolist() == [False, True, False, False]
    assert off == math.inf
    alone, _, _, off = reduce(form, p, q, gradients=False)
    assert np.isinf(alone).tolist() == [False, True, False, False]
    assert off < math.inf


BAD = [
    ("weights", math.nan, 1.0),
    ("weights", 1.0, math.nan),
    ("weights", -0.1, 0.1),
    ("weights", 0.1, -0.1),
    ("weights", -0.1, -0.1),
    ("weights", 0.0, -0.1),
    ("weights", math.inf, 0.1),
    ("weights", 0.1, math.inf),
    ("logs", math.nan, 1.0),
    ("logs", 1.0, math.nan),
    ("logs", math.inf, 1.0),
    ("logs", 1.0, math.inf),
]


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize(("form", "in_p", "in_q"), BAD)
@pytest.mark.parametrize("noise", [1, 1e-4])
def test_what_is_no_distribution_is_left(
    form: str, in_p: float, in_q: float, noise: float, gradients: bool
) -> None:
    p, q = data(form, np.float64, noise, (3, 20))
    p[1, 5], q[1, 5] = in_p, in_q
    kl, _, _, off = reduce(form, p, q, gradients)
    assert math.isnan(kl[1])
    assert off == math.inf


def test_the_distance_of_the_masses_from_one() -> None:
    p, q = data("weights", np.float64, 1, (3, 20))
    assert reduce("weights", p, q)[3] < 1e-15
    assert reduce("weights", p, 1.25 * q)[3] == pytest.approx(0.25)
    kl, _, _, off = reduce("weights", np.zeros_like(p), q)
    assert np.isnan(kl).all()
    assert off == math.inf


@pytest.mark.parametrize("noise", [2, 1e-3])
@pytest.mark.parametrize("form", FORMS)
def test_a_long_row_takes_bounded_memory(form: str, noise: float) -> None:
    p, q = data(form, np.float32, noise, (1, 2**21))
    reduce(form, p[:, :100], q[:, :100], gradients=False)
    tracemalloc.start()
    reduce(form, p, q, gradients=False)
    peak = tracemalloc.get_traced_memory()[1]
    np.exp(p)
    control = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 2**20
    assert control > 8 * 2**20  # one array of this size is seen


@pytest.mark.parametrize("tile", [16, 2**16])
@pytest.mark.parametrize("noise", [3, 1e-3])
@pytest.mark.parametrize("form", FORMS)
def test_gradients_from_what_was_saved(
    monkeypatch: pytest.MonkeyPatch, form: str, noise: float, tile: int
) -> None:
    """Times an upstream; and a row that is left begins with NaN."""
    monkeypatch.setattr(chunks, "_TILE", tile)
    p, q = data(form, np.float64, noise, (6, 50))
    q[4, 7] = math.nan
    kl, g, saved = np.empty(6), np.arange(6.0) - 2, np.empty((6, 7))
    dp, dq = np.empty_like(p), np.empty_like(q)
    assert getattr(chunks, form)(p, q, kl, None, None, None, None, saved) == math.inf
    assert getattr(chunks, f"{form}_gradients")(p, q, saved, g, dp, dq) == math.inf
    left = np.isnan(dp[:, 0])
    np.testing.assert_array_equal(left, np.isnan(dq[:, 0]))
    assert left[4]
    few = np.nonzero(~left)[0]
    assert len(few) >= 4
    for r in few:
        _, *exact = reference(form, p[r], q[r])
        for d, e in zip((dp, dq), exact, strict=True):
            apart = mpmath.norm([float(x) - g[r] * y for x, y in zip(d[r], e, strict=True)])
            assert apart <= 8 * np.finfo(float).eps * abs(g[r]) * mpmath.norm(e)
    again = np.empty((len(few), 50))
    left_again = getattr(chunks, f"{form}_gradients")(
        p[few], q[few], saved[few], g[few], None, again
    )
    assert left_again == 0
    np.testing.assert_allclose(again, dq[few], rtol=1e-11, atol=1e-13 * abs(dq[few]).max())
