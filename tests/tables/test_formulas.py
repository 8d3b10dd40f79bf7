"""The divergences of counts against mpmath, and the intervals by simulation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

import unikl
from tests.tables.references import divergence
from unikl.losses import jensen_shannon
from unikl.tables.formulas import DIVERGENCES, Counts, measure

EPS = 2.0**-52
NAMES = sorted(DIVERGENCES)


def _counts(reference: npt.ArrayLike, current: npt.ArrayLike) -> Counts:
    a, b = np.asarray(reference, np.int64), np.asarray(current, np.int64)
    return Counts(a, b, np.ones_like(a), tuple(range(len(a))))


def _random(kind: str) -> Counts:
    rng = np.random.default_rng(7)
    if kind == "far":
        return _counts(rng.integers(1, 10**6, 30), rng.integers(1, 10**6, 30))
    if kind == "zeros":
        return _counts([0, 5, 7, 0, 3], [0, 5, 1, 4, 9])
    if kind == "extreme":
        return _counts([1, 10**10, 3, 10**6], [10**10, 1, 10**10, 2])
    # Nearly equal, of different totals, and above 2^32.
    a = rng.integers(10**9, 10**10, 40)
    near = {"near": 1e-4, "nearer": 1e-8}[kind]
    return _counts(a, np.rint(2.7 * a * (1 + near * rng.normal(size=40))).astype(np.int64))


@pytest.mark.parametrize("kind", ["far", "zeros", "extreme", "near", "nearer"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("smoothing", ["0", "0.5"])
def test_against_mpmath(name: str, kind: str, smoothing: str) -> None:
    counts = _random(kind)
    true = divergence(name, counts.reference.tolist(), counts.current.tolist(), smoothing)
    found = measure(counts, name, float(smoothing), 0.95)
    assert found.value == pytest.approx(true, rel=4 * EPS, abs=0)
    assert (found.contributions >= 0).all()
    root = math.sqrt if name == "hellinger" else float
    assert root(found.contributions.sum()) == pytest.approx(found.value, rel=4 * EPS)


def test_the_plain_formula_would_fail() -> None:
    counts = _random("nearer")
    p, q = (x / x.sum() for x in (counts.reference, counts.current))
    true = divergence("kl", counts.reference.tolist(), counts.current.tolist())
    assert abs(float((p * np.log(p / q)).sum()) / true - 1) > 1e-3


def test_they_are_those_of_the_rest_of_the_library() -> None:
    counts = _random("far")
    p, q = counts.reference, counts.current
    forward, backward = (unikl.kl_divergence(x, y, given="counts") for x, y in ((p, q), (q, p)))
    values = {name: measure(counts, name, 0.0, 0.95).value for name in NAMES}
    assert values["kl"] == pytest.approx(forward, rel=4 * EPS)
    assert values["reverse_kl"] == pytest.approx(backward, rel=4 * EPS)
    assert values["psi"] == pytest.approx(forward + backward, rel=4 * EPS)
    assert values["js"] == pytest.approx(jensen_shannon(p, q, given="counts"), rel=4 * EPS)


@pytest.mark.parametrize("name", NAMES)
def test_equal_tables(name: str) -> None:
    counts = _counts([3, 0, 10**10], [3, 0, 10**10])
    found = measure(counts, name, 0.0, 0.95)
    assert found.value == 0.0
    assert found.interval is None or found.interval[0] == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_categories_of_equal_counts_may_be_merged(name: str, smoothing: float) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(1, 4, size=(2, 500))
    single = measure(_counts(a, b), name, smoothing, 0.95)
    pairs, cells = np.unique(np.stack([a, b]), axis=1, return_counts=True)
    counts = Counts(pairs[0], pairs[1], cells, tuple(range(len(cells))))
    merged = measure(counts, name, smoothing, 0.95)
    assert merged.value == pytest.approx(single.value, rel=16 * EPS)
    if single.interval is None:
        assert merged.interval is None
    else:
        assert merged.interval == pytest.approx(single.interval, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "total_variation"])
@pytest.mark.parametrize(("k", "apart"), [(2, 1.0), (10, 0.0), (10, 0.3), (10, 1.0), (50, 0.3)])
def test_the_interval_covers(name: str, k: int, apart: float) -> None:
    """95 % nominal: about that where the tables differ, more where they agree."""
    rng = np.random.default_rng(k)
    p = rng.dirichlet(np.full(k, 3.0)) + 0.2 / k
    q = p * np.exp(apart * rng.normal(size=k))
    p, q = p / p.sum(), q / q.sum()
    # The truth, from counts so large that they do not vary.
    true = divergence(name, np.rint(p * 2.0**62).tolist(), np.rint(q * 2.0**62).tolist())
    runs, covered, plain = 300, 0, 0
    for _ in range(runs):
        counts = _counts(rng.multinomial(5000, p), rng.multinomial(3000, q))
        found = measure(counts, name, 0.0, 0.95)
        assert found.interval is not None
        low, high = found.interval
        covered += low - 1e-9 <= true <= high + 1e-9
        half = (high - low) / 2
        plain += abs(found.value - true) <= half  # the same width without the bias
    assert covered / runs >= 0.92
    if (k, apart) == (50, 0.3):
        assert plain < covered


def test_level_and_its_control() -> None:
    counts = _random("far")
    narrow, wide = (measure(counts, "kl", 0.0, level).interval for level in (0.5, 0.99))
    assert narrow is not None
    assert wide is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("name", "infinite"),
    [("kl", [2]), ("reverse_kl", [3]), ("psi", [2, 3]), ("chi_squared", [2])],
)
def test_infinite_contributions(name: str, infinite: list[int]) -> None:
    found = measure(_counts([5, 4, 1, 0], [6, 3, 0, 2]), name, 0.0, 0.95)
    assert (found.value, found.interval) == (math.inf, None)
    assert np.flatnonzero(np.isinf(found.contributions)).tolist() == infinite
