"""PyTorch on every case without the fused kernels, as on other devices: eager and compiled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.grid import assert_agrees
from unikl.agreement.suite import Work
from unikl.kernels import host

BACKEND = "torch"
MODES = ("eager", "aot")

pytestmark = [
    pytest.mark.compile,
    pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def no_kernels() -> Iterator[None]:
    with host.using("off"):
        yield


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)
