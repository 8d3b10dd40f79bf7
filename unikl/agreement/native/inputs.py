"""The inputs that tell divergences apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["INPUTS", "Input"]


@dataclass(frozen=True, eq=False)
class Input:
    """Some pairs of distributions, one a row."""

    name: str
    given: str
    p: NDArray[Any]
    q: NDArray[Any]

    def __str__(self) -> str:
        if len(self.p) > 1:
            rows, categories = self.p.shape
            return f"{rows} teachers and their students, {self.given} of {categories} categories"
        return f"p = {self.p[0].tolist()}, q = {self.q[0].tolist()}, {self.given}"


def _rows(given: str, name: str, p: list[Any], q: list[Any]) -> Input:
    return Input(name, given, np.atleast_2d(np.array(p)), np.atleast_2d(np.array(q)))


def _students(distance: float, rows: int = 16, n: int = 64) -> tuple[list[Any], list[Any]]:
    """Logits of teachers, and of students that are nearly there; plain formulas, so that they are
    the same numbers everywhere."""
    teacher = [
        [3 * math.sin(1.7 * i + 0.9 * r + 0.01 * i * i) for i in range(n)] for r in range(rows)
    ]
    student = [
        [a + distance * math.cos(2.3 * i + 1.1 * r) for i, a in enumerate(row)]
        for r, row in enumerate(teacher)
    ]
    return teacher, student


INPUTS = (
    _rows("probs", "p = q with a zero", [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]),
    _rows("probs", "zero in p", [0.5, 0.5, 0.0], [0.25, 0.5, 0.25]),
    _rows("probs", "zero in q", [0.3, 0.3, 0.4], [0.5, 0.5, 0.0]),
    _rows("probs", "one-hot p", [0.0, 1.0, 0.0], [0.25, 0.5, 0.25]),
    _rows("probs", "disjoint", [1.0, 0.0], [0.0, 1.0]),
    _rows("probs", "tiny q", [0.75, 0.25], [1 - 1e-9, 1e-9]),
    _rows("logits", "logits 1e-4 apart", *_students(1e-4)),
    _rows("logits", "logits of 1000", [1000.0, 0.0, -1000.0], [0.0, 1000.0, -1000.0]),
)
