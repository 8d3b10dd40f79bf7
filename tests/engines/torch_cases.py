"""What the processes of a torch.distributed test compute, and what a reader of results needs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

CATEGORIES = 24
CUTS = {2: [17], 4: [5, 6, 19]}  # uneven; the second one of four has a single category
KINDS = ("kl_divergence", "reverse_kl", "jensen_shannon")


class Case(NamedTuple):
    """One call: the rows are regimes."""

    kind: str
    given: str
    dtype: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @property
    def eps(self) -> float:
        return float(np.finfo(self.dtype).eps)


CASES = [
    Case(kind, given, dtype)
    for kind in KINDS
    for given in ("logits", "probs")
    for dtype in ("float32", "float64")
]


def inputs(case: Case) -> tuple[Any, Any, Any]:
    """p and q of shape (2, rows, categories), and an upstream gradient for each row."""
    rng = np.random.default_rng(7)
    small = {"float32": 1e-5, "float64": 1e-9}[case.dtype]
    rows = []
    for noise, shift in ((3, 0.0), (1e-2, 0.0), (small, 0.0), (1, 1e4), (1e-2, 1e4)):
        a = 2 * rng.normal(size=CATEGORIES)
        rows.append((a, a + noise * rng.normal(size=CATEGORIES) + shift))
    for height in (10, 25):  # nearly all of p, then of both, lies on one category
        a, b = rng.normal(size=(2, CATEGORIES))
        a[19] += height
        rows.append((a, b))
        rows.append((a, b + height * (np.arange(CATEGORIES) == 19) + 1e3))
        if (
            case.kind != "jensen_shannon"
        ):  # of p, on two: its derivative cancels, in one process too
            rows.append((np.where(np.arange(CATEGORIES) == 3, a[19], a), b + 1e-6 * a))
    if case.given == "probs":
        rows = [tuple(np.exp(x - x.max()) for x in row) for row in rows]
        rows = [(p / p.sum(), q / q.sum()) for p, q in rows]
    rows.append(rows[1])
    p, q = (np.array([row[i] for row in rows], dtype=case.dtype) for i in (0, 1))
    upstream = rng.normal(size=len(rows)).astype(case.dtype)
    return p.reshape(2, -1, CATEGORIES), q.reshape(2, -1, CATEGORIES), upstream.reshape(2, -1)
