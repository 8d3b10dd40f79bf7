"""The inputs of the cases: every group of the suite, in every form and dtype.

A row is given as weights, which `written` turns into the numbers that a form holds. Logarithms are
mpmath's and random numbers are sums of integers, so that every platform makes the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

Numbers = NDArray[Any]
Weights = Sequence[Any]  # floats or mpf: a weight >= 0, or NaN, +inf or a negative number as such
Row = tuple[str, Weights, Weights]  # a label, p and q
Totals = tuple[float | None, float | None]

DTYPES = ("float16", "bfloat16", "float32", "float64")
FORMS = {
    "logits": ("logits", "logits"),
    "log_probs": ("log_probs", "log_probs"),
    "probs": ("probs", "probs"),
    "counts": ("counts", "counts"),
    "probs-logits": ("probs", "logits"),
    "logits-probs": ("logits", "probs"),
    "probs-log_probs": ("probs", "log_probs"),
    "counts-log_probs": ("counts", "log_probs"),
}
LOG_FORMS = ("logits", "log_probs")
TOTALS = (10.3, 38.7)  # of the counts p and q: no power of two, nor their ratio
FIRST_ORDER = ("value", "gradient")
ALL_ORDERS = ("value", "gradient", "second")


@dataclass
class Case:
    """One call: `p`, `q` and `where` as it takes them, a label for each value in C order."""

    name: str
    dtype: str
    given: tuple[str, str]
    rows: list[str]
    checks: tuple[str, ...]
    p: Numbers
    q: Numbers
    where: NDArray[np.bool_] | None = None
    axis: int | list[int] | None = -1
    base: float | None = None
    validate: bool | None = None
    generate: dict[str, Any] = field(default_factory=dict)  # the recipe of inputs not stored


def finfo(dtype: str) -> Any:
    make: Any = ml_dtypes.finfo
    return make(getattr(ml_dtypes, dtype, dtype))


def quantised(x: Any, dtype: str) -> Numbers:
    """Round to the dtype, stored as float32 or float64.

    Numbers that would be subnormal go to the smallest normal: subnormals are out of scope.
    """
    rounded = np.asarray(x, np.float64).astype(getattr(ml_dtypes, dtype, dtype))
    stored = rounded.astype(np.float64 if dtype == "float64" else np.float32)
    smallest = stored.dtype.type(finfo(dtype).smallest_normal)
    subnormal = (np.asarray(x) != 0) & (np.abs(stored) < smallest)
    return np.asarray(np.where(subnormal, np.copysign(smallest, stored), stored))


def written(weights: Weights, form: str, total: float | None = None) -> list[float]:
    """Return the weights as `form` holds them; logits, and counts without a total, as they are."""
    with mp.workdps(40):
        proper = [x if x > 0 and x != mp.inf else mpf(0) for x in map(mpf, weights)]
        mass = mp.fsum(proper) or mpf(1)
        as_they_are = form == "logits" or (form == "counts" and total is None)
        scale = mpf(1) if as_they_are else (total if form == "counts" else 1) / mass
        numbers = []
        for raw, x in zip(weights, proper, strict=True):
            if x:
                numbers.append(float(mp.log(x * scale) if form in LOG_FORMS else x * scale))
            else:
                numbers.append(-np.inf if raw == 0 and form in LOG_FORMS else float(raw))
        return numbers


def array(rows: Iterable[Weights], form: str, dtype: str, total: float | None = None) -> Numbers:
    return quantised([written(row, form, total) for row in rows], dtype)


def random_normal(seed: Sequence[int], *shape: int) -> Numbers:
    """Nearly normal numbers, exact in float64: sums of twelve uniform ones."""
    rng = np.random.Generator(np.random.PCG64(list(seed)))
    return np.asarray(rng.integers(-(2**20), 2**20, size=(12, *shape)).sum(0) / 2.0**21)


def exps(logits: Numbers) -> list[Any]:
    with mp.workdps(40):
        return [mp.exp(mpf(float(x))) for x in logits]


def first_order(
    kind: str, form: str, dtype: str, rows: Sequence[Row], totals: Totals = TOTALS, **options: Any
) -> Case:
    """Return the case of these rows, named after its kind and form."""
    given = FORMS[form]
    p = array((row[1] for row in rows), given[0], dtype, totals[0])
    q = array((row[2] for row in rows), given[1], dtype, totals[1])
    labels = [row[0] for row in rows]
    return Case(f"{kind}/{form}", dtype, given, labels, FIRST_ORDER, p, q, **options)


def sums_to_one(row: Numbers, form: str, dtype: str) -> bool:
    """Whether a row of probabilities still sums to 1, by half of what validation tolerates."""
    if form not in ("probs", "log_probs"):
        return True
    mass = np.sum(np.exp(row.astype(np.float64)) if form == "log_probs" else row, dtype=np.float64)
    return bool(abs(mass - 1) <= 0.5 * np.sqrt(float(finfo(dtype).eps)))


def regimes() -> Iterator[Case]:
    """p and q from far to 1e-8 apart, flat and peaked, and with a common shift of q's logits."""
    noises = (3.0, 1.0, 1e-1, 1e-2, 1e-4, 1e-6, 1e-8)
    for name, given in FORMS.items():
        shifts = (0.0, 77.7) if given[1] == "logits" else (0.0,)
        settings = list(product(enumerate(noises), (1.0, 6.0), shifts))
        p_rows, q_rows = [], []
        for (i, noise), scale, shift in settings:
            logits = scale * random_normal((1, i, int(scale)), 20)
            p_rows.append(exps(logits))
            q_rows.append(exps(logits + noise * random_normal((2, i, int(scale)), 20) + shift))
        labels = [f"noise {nz:g}, scale {sc:g}, shift {sh:g}" for (_, nz), sc, sh in settings]
        for dtype in DTYPES:
            p = array(p_rows, given[0], dtype, TOTALS[0])
            q = array(q_rows, given[1], dtype, TOTALS[1])
            keep = [
                i
                for i in range(len(labels))
                if sums_to_one(p[i], given[0], dtype) and sums_to_one(q[i], given[1], dtype)
            ]
            rows = [labels[i] for i in keep]
            yield Case(f"regimes/{name}", dtype, given, rows, ALL_ORDERS, p[keep], q[keep])


def laid_out(rows: Numbers, shape: tuple[int, ...], axes: tuple[int, ...]) -> Numbers:
    """Return rows (one for each value, in C order) as an array with its categories along `axes`."""
    order = [i for i in range(len(shape)) if i not in axes] + list(axes)
    return rows.reshape([shape[i] for i in order]).transpose(np.argsort(order)).copy()


def axes() -> Iterator[Case]:
    shape = (2, 3, 4)
    settings: list[tuple[str, int | list[int] | None, tuple[int, ...], float | None]] = [
        ("1", 1, (1,), None),
        ("0-2", [0, 2], (0, 2), None),
        ("all", None, (0, 1, 2), None),
        ("last-base-2", -1, (2,), 2.0),
    ]
    for form, (label, axis, reduced, base), dtype in product(("logits", "probs"), settings, DTYPES):
        n = int(np.prod([shape[i] for i in reduced]))
        logits = random_normal((3,), 24 // n, n)
        near = logits + 0.3 * random_normal((4,), 24 // n, n)
        p, q = (array(map(exps, x), form, dtype) for x in (logits, near))
        rest = [range(shape[i]) for i in range(3) if i not in reduced]
        rows = [f"value {index}" for index in product(*rest)]
        arrays = (laid_out(p, shape, reduced), laid_out(q, shape, reduced))
        name = f"axes/{form}-{label}"
        yield Case(name, dtype, (form, form), rows, ALL_ORDERS, *arrays, axis=axis, base=base)


def broadcast() -> Iterator[Case]:
    shapes = {"both": ((3, 1, 5), (4, 5)), "vector": ((5,), (3, 5))}
    for form, (label, pair), dtype in product(("logits", "probs"), shapes.items(), DTYPES):
        p, q = (
            array(map(exps, random_normal((5, i), *s).reshape(-1, 5)), form, dtype).reshape(s)
            for i, s in enumerate(pair)
        )
        rows = [f"value {i}" for i in np.ndindex(np.broadcast_shapes(*pair)[:-1])]
        yield Case(f"broadcast/{form}-{label}", dtype, (form, form), rows, FIRST_ORDER, p, q)
