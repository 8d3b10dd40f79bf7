"""The backends against each other: how far apart are any two of them?"""

from __future__ import annotations

import itertools
import math

import pytest

from unikl.agreement import runners, suite
from unikl.agreement.cases import Numbers, load
from unikl.agreement.spread import spreads

BACKENDS = [name for name in runners.installed() if name in suite.DEFAULT_BACKENDS]
ALLOWED = 16  # eps: each may be 8 from the truth


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_two_backends_agree(dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [case for case in load() if case.dtype == dtype and case.basic]
    found: dict[tuple[str, str, str], dict[str, Numbers]] = {}
    for backend in BACKENDS:
        runner = runners.load(backend)
        for case in cases:
            _, found[backend, dtype, case.name] = suite.check(
                runner, next(iter(runner.MODES)), case
            )
    seen = list(spreads(cases, found))
    with capsys.disabled():
        for spread in seen:
            apart = f"values {spread.value:.2f} eps apart, gradients {spread.gradient:.2f}"
            print(f"\n{dtype} {spread.first}, {spread.second}: {apart}", end="")
    assert [(each.first, each.second) for each in seen] == [*itertools.combinations(BACKENDS, 2)]
    for spread in seen:
        assert spread.value <= ALLOWED, spread
        if "numpy" in (spread.first, spread.second):  # which has no gradients
            assert math.isnan(spread.gradient)
        else:
            assert spread.gradient <= ALLOWED, spread
