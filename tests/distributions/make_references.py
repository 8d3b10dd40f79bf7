"""Write references.npz: KL(p || q) of every pair by quadrature or summation, and derivatives.

    python -m tests.distributions.make_references [family ...]

For each pair of families: draws of the parameters of p and of q, the divergence, a direction in
the space of the parameters, and the derivative along it (central difference at 30 digits).  With
names, only the pairs of those families are made anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp

from tests.distributions.densities import CONSTANT, FAMILIES, adjust, divergence
from tests.distributions.pairs import PAIRS

TARGET = Path(__file__).with_name("references.npz")
DRAWS = 20


def references(p: str, q: str) -> dict[str, Any]:
    """All arrays of one pair."""
    rng = np.random.default_rng([ord(letter) for letter in p + q])
    rows: list[list[float]] = []
    names: list[str] = []
    for _ in range(DRAWS):
        of_p, of_q = FAMILIES[p].draw(rng), FAMILIES[q].draw(rng)
        adjust(p, q, of_p, of_q)
        # Exact in float32 too.
        point = [float(np.float32(x)) for x in (*of_p.values(), *of_q.values())]
        names = [*(f"p.{name}" for name in of_p), *(f"q.{name}" for name in of_q)]
        step = [0.0 if n[2:] in CONSTANT else round(rng.uniform(-1, 1), 3) for n in names]
        value = _at(p, q, names, point, step, 0)
        rows.append([*point, *step, float(value), _slope(p, q, names, point, step)])
    return {f"{p}|{q}": np.array(rows), f"{p}|{q}|names": np.array(names)}


def _slope(p: str, q: str, names: list[str], point: list[float], step: list[float]) -> float:
    """Along the step; NaN where the integral has too few digits left, as it is huge."""
    h = mp.mpf(10) ** -8
    try:
        ends = [_at(p, q, names, point, step, k * h) for k in (1, -1, 2, -2)]
    except ArithmeticError:
        return float("nan")
    # Fourth order: some parameters are not much larger than h.
    return float((8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * h))


def _at(p: str, q: str, names: list[str], point: list[float], step: list[float], h: Any) -> Any:
    moved = {n: mp.mpf(x) + h * mp.mpf(s) for n, x, s in zip(names, point, step, strict=True)}
    sides = [{n[2:]: x for n, x in moved.items() if n[0] == side} for side in "pq"]
    return divergence(p, q, sides[0], sides[1])


def main() -> None:
    """Make all references, or those of the named families."""
    mp.dps = 30
    known = dict(np.load(TARGET)) if TARGET.exists() else {}
    for p, q in PAIRS:
        if not (set(sys.argv[1:]) & {p, q}) and f"{p}|{q}" in known:
            continue
        known.update(references(p, q))
        np.savez_compressed(TARGET, **known)
        print(p, q, flush=True)


if __name__ == "__main__":
    main()
