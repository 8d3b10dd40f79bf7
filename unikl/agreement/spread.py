"""How far the backends lie apart from each other, whatever the reference says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from unikl.agreement import compare
from unikl.agreement.cases import Case, Numbers
from unikl.agreement.report import Spread

Arrays = Mapping[str, Numbers]
"""A backend's results for one case: ``value``, ``gradient p``, ``gradient q``."""


def spreads(
    cases: Sequence[Case], found: Mapping[tuple[str, str, str], Arrays]
) -> Iterator[Spread]:
    """The spread of each pair of backends in each dtype that both computed.

    ``found`` holds results by backend, dtype and group.
    """
    backends = list(dict.fromkeys(backend for backend, _, _ in found))
    dtypes = list(dict.fromkeys(case.dtype for case in cases))
    for dtype, (first, second) in itertools.product(dtypes, itertools.combinations(backends, 2)):
        both = [
            (case, found[first, dtype, case.name], found[second, dtype, case.name])
            for case in cases
            if case.dtype == dtype
            and (first, dtype, case.name) in found
            and (second, dtype, case.name) in found
        ]
        value, row = max(
            (_farthest(case, one, other) for case, one, other in both),
            default=(np.nan, ""),
        )
        gradients = [x for case, one, other in both for x in _gradients(case, one, other)]
        if row:
            yield Spread(first, second, dtype, value, max(gradients, default=np.nan), row)


def _farthest(case: Case, one: Arrays, other: Arrays) -> tuple[float, str]:
    if "value" not in one or "value" not in other or not case.rows:
        return -1.0, ""
    unit = case.value.scale * compare.EPS[case.compute_dtype]
    distances = compare.apart(one["value"], other["value"], unit).reshape(-1)
    row = int(np.argmax(distances))
    return float(distances[row]), f"{case.name}: {case.rows[row]}"


def _gradients(case: Case, one: Arrays, other: Arrays) -> Iterator[float]:
    for argument in ("p", "q"):
        key = f"gradient {argument}"
        if key in one and key in other:
            ref = case.reference("gradient", argument)
            distances = compare.apart_in_norm(one[key], other[key], ref, compare.EPS[case.dtype])
            yield float(np.max(distances, initial=0))
