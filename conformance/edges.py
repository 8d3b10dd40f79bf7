"""The inputs that are chosen by hand: edges, masks and extremes.

A row is a label, p and q, in weights; `first_order` writes it in each form and dtype.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from conformance.inputs import (
    DTYPES,
    FORMS,
    LOG_FORMS,
    Case,
    Row,
    Weights,
    exps,
    finfo,
    first_order,
    random_normal,
)

NAN, INF = float("nan"), float("inf")
P4, Q4 = (0.1, 0.2, 0.3, 0.4), (0.3, 0.15, 0.35, 0.2)
P6, Q6 = (0.1, 0.2, 0.25, 0.15, 0.18, 0.12), (0.3, 0.05, 0.2, 0.15, 0.1, 0.2)


def put(weights: Weights, entries: dict[int, float]) -> list[Any]:
    return [entries.get(i, x) for i, x in enumerate(weights)]


def edge_rows() -> list[Row]:
    """Every place and meeting of a zero, NaN, negative number, +inf and a row without mass."""
    rows: list[Row] = [("no edge", P4, Q4), ("p equals q", [1] * 4, [1] * 4)]
    for i, place in ((0, "first"), (2, "inner"), (3, "last")):
        rows += [
            (f"zero in p, {place}", put(P4, {i: 0}), Q4),
            (f"zero in q, {place}", P4, put(Q4, {i: 0})),
            (f"zero in both, {place}", put(P4, {i: 0}), put(Q4, {i: 0})),
            (f"NaN in p, {place}", put(P4, {i: NAN}), Q4),
            (f"NaN in q, {place}", P4, put(Q4, {i: NAN})),
            (f"+inf in p, {place}", put(P4, {i: INF}), Q4),
            (f"+inf in q, {place}", P4, put(Q4, {i: INF})),
            (f"negative in p, {place}", put(P4, {i: -0.1}), Q4),
            (f"negative in q, {place}", P4, put(Q4, {i: -0.1})),
        ]
    return [
        *rows,
        ("zeros in p", put(P4, {0: 0, 2: 0}), Q4),
        ("zeros in q", P4, put(Q4, {1: 0, 3: 0})),
        ("zeros in both", put(P4, {0: 0, 2: 0}), put(Q4, {0: 0, 2: 0})),
        ("zero in p beside one in q", put(P4, {1: 0}), put(Q4, {2: 0})),
        ("zero in both beside one in p", put(P4, {0: 0, 3: 0}), put(Q4, {0: 0})),
        ("zero in both beside one in q", put(P4, {0: 0}), put(Q4, {0: 0, 3: 0})),
        ("minus zero in p", put(P4, {1: -0.0}), Q4),
        ("minus zero in both", put(P4, {1: -0.0}), put(Q4, {1: -0.0})),
        ("p a point mass", [0, 1, 0, 0], Q4),
        ("q a point mass", P4, [0, 1, 0, 0]),
        ("point masses on the same category", [0, 0, 1, 0], [0, 0, 1, 0]),
        ("point masses on two categories", [1, 0, 0, 0], [0, 0, 0, 1]),
        ("disjoint supports", put(P4, {0: 0, 1: 0}), put(Q4, {2: 0, 3: 0})),
        ("zero in q beside NaN in p", put(P4, {1: NAN}), put(Q4, {0: 0})),
        ("zero in q beside NaN in q", P4, put(Q4, {0: 0, 3: NAN})),
        ("zero in q where p is NaN", put(P4, {1: NAN}), put(Q4, {1: 0})),
        ("zero in p where q is NaN", put(P4, {1: 0}), put(Q4, {1: NAN})),
        ("p without mass", [0] * 4, Q4),
        ("q without mass", P4, [0] * 4),
        ("neither with mass", [0] * 4, [0] * 4),
        ("p all NaN", [NAN] * 4, Q4),
    ]


def edges() -> Iterator[Case]:
    for name in ("logits", "log_probs", "probs", "counts", "probs-logits", "logits-probs"):
        logs = [form in LOG_FORMS for form in FORMS[name]]
        rows = [  # a log form holds no negative weight
            row
            for row in edge_rows()
            if not any(log and min(x) < 0 for log, x in zip(logs, row[1:], strict=True))
        ]
        for dtype in DTYPES:
            yield first_order("edges", name, dtype, rows, validate=False)


def mask_rows() -> list[tuple[str, Weights, Weights, str]]:
    """What a mask hides, and what it leaves; "1" is a category that is there."""
    p, q = P6, Q6
    return [
        ("everything there", p, q, "111111"),
        ("some masked", p, q, "101101"),
        ("first and last masked", p, q, "011110"),
        ("NaN masked in p", put(p, {2: NAN}), q, "110111"),
        ("NaN masked in q", p, put(q, {0: NAN}), "011111"),
        ("NaN masked in both", put(p, {1: NAN}), put(q, {1: NAN, 5: NAN}), "101110"),
        ("+inf masked in p", put(p, {5: INF}), q, "111110"),
        ("+inf masked in q", p, put(q, {3: INF}), "111011"),
        ("the offending zero masked", p, put(q, {4: 0}), "111101"),
        ("an offending zero left", p, put(q, {0: 0, 4: 0}), "111101"),
        ("zero in p, zero in both, some masked", put(p, {0: 0, 1: 0}), put(q, {1: 0}), "111011"),
        ("NaN left beside one masked", put(p, {2: NAN}), put(q, {0: NAN}), "011111"),
        ("one category left", p, q, "000100"),
        ("one category left, zero in q", p, put(q, {3: 0}), "000100"),
        ("everything masked", p, q, "000000"),
        ("all mass of p masked", put([0] * 6, {2: 1}), q, "110111"),
    ]


def one_mask_rows() -> list[Row]:
    """Rows under one mask, "101101"."""
    rows = [(label, p, q) for label, p, q, there in mask_rows() if there in ("111111", "101101")]
    p, q = rows[0][1:]
    return [
        *rows,
        ("NaN masked in p", put(p, {1: NAN}), q),
        ("+inf masked in q", p, put(q, {4: INF})),
        ("the offending zero masked", p, put(q, {1: 0})),
        ("an offending zero left", p, put(q, {2: 0})),
        ("NaN left", p, put(q, {2: NAN})),
        ("all mass of q masked", p, put([0] * 6, {1: 1, 4: 2})),
    ]


def masks() -> Iterator[Case]:
    full = [row[:3] for row in mask_rows()]
    there = np.array([[c == "1" for c in row[3]] for row in mask_rows()])
    for form, dtype in product(("logits", "probs", "counts", "probs-logits"), DTYPES):
        yield first_order("masks", form, dtype, full, where=there, validate=False)
        rows, where = one_mask_rows(), there[1]
        yield first_order("masks/one-row", form, dtype, rows, where=where, validate=False)


TINY = {"float16": [2.0**-14], "bfloat16": [1e-30, 2.0**-126], "float32": [1e-30]}
TINY["float64"] = [1e-30, 1e-250]
SPREAD = {"float16": 20, "bfloat16": 20, "float32": 80, "float64": 600}


def tiny_rows(tiny: float) -> list[Row]:
    """Weights of `tiny` among moderate ones, in one argument or both."""
    return [
        (f"{tiny:.3g} in q", P6, put(Q6, {1: tiny})),
        (f"{tiny:.3g} in p", put(P6, {4: tiny}), Q6),
        (f"{tiny:.3g} in both", put(P6, {0: tiny}), put(Q6, {0: tiny})),
        (f"{tiny:.3g} in q, 1000 times it in p", put(P6, {0: 1000 * tiny}), put(Q6, {0: tiny})),
        (f"all but one near {tiny:.3g} in q", P6, [1, *(tiny * i for i in range(1, 6))]),
    ]


def degenerate_rows(tiny: float) -> list[Row]:
    """All but one weight of p near `tiny`, which is then the size of a gradient in its logits."""
    rising = [tiny * i for i in range(1, 6)]
    return [
        (f"all but one near {tiny:.3g} in p", [1, *rising], Q6),
        (f"all but the same near {tiny:.3g} in both", [1, *rising], [1, *rising[::-1]]),
        (f"all but another near {tiny:.3g} in both", [1, *rising], [*rising, 1]),
    ]


def peaked_rows() -> list[Row]:
    """Nearly all the mass in one category, and a far category among near ones."""
    top, flat, near = 1 - 1e-6, [2e-7] * 5, [1.0003, 0.999, 1.0007, 1.0001, 0.9994]
    return [
        ("1 - 1e-6 in one of p", [top, *flat], Q6),
        ("1 - 1e-6 in one of q", P6, [top, *flat]),
        ("1 - 1e-6 in the same of both", [top, *flat], [top, 1e-7, 3e-7, 2e-7, 1.5e-7, 2.5e-7]),
        ("1 - 1e-6 in another of both", [top, *flat], [*flat, top]),
        ("1e-9 among near ones in p", [*near, 1e-9], [*near[::-1], 1]),
        ("1e-9 among near ones in q", [*near, 1], [*near[::-1], 1e-9]),
        ("1e-9 among near ones in both", [*near, 1e-9], [*near[::-1], 2e-9]),
    ]


def spread_rows(dtype: str) -> list[Row]:
    """Logits as far apart as the dtype's exponential reaches, and beyond."""
    wide = np.linspace(-1, 1, 6) * SPREAD[dtype]
    near = wide + 0.01 * random_normal((6,), 6)
    shuffled = wide[[3, 5, 0, 2, 1, 4]]
    pairs = [("q reversed", wide[::-1]), ("q shuffled", shuffled), ("q near", near)]
    return [(f"spread {SPREAD[dtype]}, {how}", exps(wide), exps(q)) for how, q in pairs]


def offset_rows(dtype: str) -> list[Row]:
    """Logits a few units in the last place apart, on a large common offset."""
    offset = 1e4 if dtype in ("float32", "float64") else 1e3
    ulp = float(finfo(dtype).eps) * 2.0 ** np.floor(np.log2(offset))
    rng = np.random.Generator(np.random.PCG64([7]))
    p, q = rng.integers(-3, 4, size=(2, 6)) * ulp
    both = (f"offset {offset:g} in both", exps(offset + p), exps(offset + q))
    return [both, (f"offset {offset:g} in q", exps(p), exps(offset + q))]


def count_rows(dtype: str) -> list[Row]:
    """Counts that differ by units, and of totals that are far apart."""
    top, far = (1e4, 1e3) if dtype == "float16" else (1e9, 1e20)
    counts = [float(round(top ** (i / 5))) for i in range(6)]
    once, tripled = put(counts, {0: 2.0}), put([3 * x for x in counts], {0: 4.0})
    return [
        (f"1 to {top:g}, one unit more in the smallest", counts, once),
        (f"1 to {top:g}, one unit more in each", counts, [x + 1 for x in counts]),
        (f"1 to {top:g}, tripled and one unit more", counts, tripled),
        (f"totals {1 / far:g} and {far:g}", [x / far for x in P6], [x * far for x in Q6]),
        (f"totals {far:g} and {1 / far:g}", [x * far for x in P6], [x / far for x in Q6]),
    ]


def extremes() -> Iterator[Case]:
    for dtype, form in product(DTYPES, ("probs", "log_probs", "logits", "counts")):
        rows = peaked_rows() + [row for tiny in TINY[dtype] for row in tiny_rows(tiny)]
        for tiny in TINY[dtype]:
            if tiny != 2.0**-126:  # the smallest normal of float32 leaves no room for a gradient
                rows += degenerate_rows(tiny)
        rows += spread_rows(dtype) if form in LOG_FORMS else []
        rows += offset_rows(dtype) if form == "logits" else []
        yield first_order("extremes", form, dtype, rows)
        if form == "counts":
            yield first_order("extremes/units", form, dtype, count_rows(dtype), (None, None))
