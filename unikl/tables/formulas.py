r"""Divergences of two tables of counts: what each category contributes, and an interval.

Categories of counts a, b (of totals n, m) have w = a/n, z = b/m and contributions that are never
negative.  `Pair` of the core gives ``z - w`` and ``log(z/w)`` accurate each in its own right, so
that every contribution keeps its digits where the tables nearly agree.

Every divergence here is sum_i z_i f(w_i / z_i): categories of one ratio a/b may be merged into one
without a change.  So a table of millions of categories is given by how many of them have the
counts (a, b), for each such pair: `Counts.cells`.

The interval is the delta method for two independent multinomial samples.  With the derivatives
g_i in w_i and h_i in z_i, and their own derivatives g'_i, h'_i,

    variance = Var_w(g) / n + Var_z(h) / m,
    bias     = sum w_i (1 - w_i) g'_i / (2 n) + sum z_i (1 - z_i) h'_i / (2 m).

Where the tables agree the first order vanishes, and the estimate is a quadratic form of k - 1
degrees of freedom, of which the bias is the mean; its variance, 2 bias^2 / (k - 1), is added.

References: M. Salicru et al., J. Multivariate Analysis 51 (1994) 372-391, theorem 3.1 (the normal
limit of divergences of multinomial samples); L. Paninski, Neural Computation 15 (2003) 1191,
section 4 (the bias of plug-in estimates).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..backends import get_backend
from ..core import Reduction
from ..numerics import psi

__all__ = ["DIVERGENCES", "Counts", "Floats", "Integers", "Measured", "measure"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Counts(NamedTuple):
    """The counts of categories in two tables; where `cells` is above 1, of so many categories."""

    reference: Integers
    current: Integers
    cells: Integers
    keys: tuple[Any, ...]  # of the category, or of one of them

    def take(self, which: npt.NDArray[Any]) -> Counts:
        """Some of them, by a mask or by indices."""
        at = np.flatnonzero(which) if which.dtype == bool else which
        keys = tuple(self.keys[i] for i in at.tolist())
        return Counts(self.reference[at], self.current[at], self.cells[at], keys)


class Measured(NamedTuple):
    """A divergence, and what the categories contribute to it (those of one cell together)."""

    value: float
    interval: tuple[float, float] | None
    contributions: Floats


class _Sides(NamedTuple):
    """The two distributions: normalised, with their difference and the log of their ratio."""

    w: Floats
    z: Floats
    diff: Floats  # z - w
    log_ratio: Floats  # log(z / w), infinite where one of them is 0
    term: Floats  # of KL(w || z)


class _Slopes(NamedTuple):
    """Of a divergence: its derivatives up to a constant, and ``w g'`` and ``z h'``."""

    g: Floats
    h: Floats
    wg: Floats
    zh: Floats


class _Divergence(NamedTuple):
    contributions: Callable[[_Sides], Floats]
    slopes: Callable[[_Sides], _Slopes] | None  # None: has no derivative where the tables agree
    swapped: bool = False  # the arguments
    root: bool = False  # the value is the root of the sum


def _kl_slopes(s: _Sides) -> _Slopes:
    return _Slopes(-s.log_ratio, s.diff / s.z, np.ones_like(s.w), s.w / s.z)


def _psi_terms(s: _Sides) -> Floats:
    return np.where(s.diff == 0, 0.0, s.diff * s.log_ratio)


def _psi_slopes(s: _Sides) -> _Slopes:
    g, h = -s.log_ratio - s.diff / s.w, s.log_ratio + s.diff / s.z
    return _Slopes(g, h, 1 + s.z / s.w, 1 + s.w / s.z)


def _half_js(w: Floats, diff: Floats) -> Floats:
    """``m - w + w log(w/m)`` of the mixture m = w + diff/2."""
    v = np.where(w > 0, diff / (2 * w), 0.0)
    near = v < 1  # and above -1/2
    small: Floats = psi(get_backend(v), np.where(near, v, 0.0))[0]
    terms: Floats = np.where(w > 0, w * np.where(near, small, v - np.log1p(v)), diff / 2)
    return terms


def _js_terms(s: _Sides) -> Floats:
    return (_half_js(s.w, s.diff) + _half_js(s.z, -s.diff)) / 2


def _js_slopes(s: _Sides) -> _Slopes:
    g, h = (-np.log1p(d / (2 * x)) / 2 for d, x in ((s.diff, s.w), (-s.diff, s.z)))
    return _Slopes(g, h, s.z / (2 * (s.w + s.z)), s.w / (2 * (s.w + s.z)))


def _hellinger_terms(s: _Sides) -> Floats:
    both = np.sqrt(s.w) + np.sqrt(s.z)
    root: Floats = np.where(both > 0, s.diff / both, 0.0)
    return root * root / 2


def _hellinger_slopes(s: _Sides) -> _Slopes:
    up, down = np.sqrt(s.z / s.w), np.sqrt(s.w / s.z)
    return _Slopes(-up / 2, -down / 2, up / 4, down / 4)


def _chi_squared_terms(s: _Sides) -> Floats:
    return np.where(s.diff == 0, 0.0, s.diff * (s.diff / s.z))


def _chi_squared_slopes(s: _Sides) -> _Slopes:
    ratio = s.w / s.z
    return _Slopes(2 * ratio, -(ratio**2), 2 * ratio, 2 * ratio**2)


DIVERGENCES = {
    "kl": _Divergence(lambda s: s.term, _kl_slopes),
    "reverse_kl": _Divergence(lambda s: s.term, _kl_slopes, swapped=True),
    "psi": _Divergence(_psi_terms, _psi_slopes),
    "js": _Divergence(_js_terms, _js_slopes),
    "hellinger": _Divergence(_hellinger_terms, _hellinger_slopes, root=True),
    "total_variation": _Divergence(lambda s: np.abs(s.diff) / 2, None),
    "chi_squared": _Divergence(_chi_squared_terms, _chi_squared_slopes),
}


def measure(counts: Counts, divergence: str, smoothing: float, level: float) -> Measured:
    """The divergence of the reference's distribution and the current one's.

    Parameters
    ----------
    counts : Counts
        Of one category at least, with rows in both tables.
    divergence : str
        One of `DIVERGENCES`.
    smoothing : float
        Added to the count of every category in both tables.
    level : float
        The coverage of the interval.
    """
    made = DIVERGENCES[divergence]
    cells = counts.cells.astype(np.float64)
    tables = [cells * (x + smoothing) for x in (counts.reference, counts.current)]
    if made.swapped:
        tables.reverse()
    with np.errstate(all="ignore"):  # infinities are answers
        sides = _sides(*tables)
        terms = made.contributions(sides)
        value = float(terms.sum())
        interval = None
        if made.slopes is not None and math.isfinite(value):
            sizes = [float(x.sum()) for x in tables]
            interval = _interval(value, sides, made.slopes(sides), cells, sizes, level)
    if made.root:
        value = math.sqrt(value)
        interval = interval and (math.sqrt(interval[0]), math.sqrt(interval[1]))
    return Measured(value, interval, terms)


def _sides(p: Floats, q: Floats) -> _Sides:
    pair = Reduction(get_backend(p), ("counts", "counts"), (-1,)).pair(p, q)
    alone = np.where(p > 0, -np.inf, np.inf)
    log_ratio = np.where((p > 0) & (q > 0), pair.log_ratio, alone)
    term = np.where(pair.lost, np.inf, pair.term / pair.total)
    return _Sides(pair.w / pair.total, pair.z / pair.total, pair.diff / pair.total, log_ratio, term)


def _interval(
    value: float, s: _Sides, slopes: _Slopes, cells: Floats, sizes: list[float], level: float
) -> tuple[float, float]:
    variance = bias = 0.0
    sides = (s.w, slopes.g, slopes.wg), (s.z, slopes.h, slopes.zh)
    for (mass, slope, curvature), size in zip(sides, sizes, strict=True):
        on = mass > 0  # a category that was not seen does not vary
        mean = float((mass[on] * slope[on]).sum())
        variance += float((mass[on] * (slope[on] - mean) ** 2).sum()) / size
        bias += float((curvature[on] * (cells[on] - mass[on])).sum()) / (2 * size)
    variance += 2 * bias**2 / max(1.0, float(cells.sum()) - 1)
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(variance)
    return max(0.0, value - bias - half), max(0.0, value - bias + half)
