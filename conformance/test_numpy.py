"""NumPy on every case: values, from read-only arrays."""

from conformance.grid import assert_agrees
from unikl.agreement.suite import Work

BACKEND = "numpy"
MODES = ("eager",)


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)
