"""NumPy on every case: values, from read-only arrays, by either kernel and by the formulas."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.grid import assert_agrees
from unikl.agreement.suite import Work
from unikl.kernels import host

BACKEND = "numpy"
MODES = ("eager",)


@pytest.fixture(autouse=True, params=["numba", "numpy", "off"])
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "numba" and not host.installed():
        pytest.skip("Numba is not installed")
    with host.using(request.param):
        yield


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)
