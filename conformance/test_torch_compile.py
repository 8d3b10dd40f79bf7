"""torch.compile(fullgraph=True) by Inductor on the hardest cases; AOTAutograd has more elsewhere.

Dynamo imports triton where it is installed; the conftest at the root has it do so before
TensorFlow is imported.
"""

from typing import Any

import pytest
import torch

import unikl
from conformance.grid import assert_agrees
from unikl.agreement.suite import Work

BACKEND = "torch"
MODES = ("compile",)

pytestmark = [
    pytest.mark.compile,
    # Dynamo's own way with any autograd.Function.
    pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated:DeprecationWarning"),
]


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)


def test_an_axis_that_varies() -> None:
    """Dynamo makes a number that differs from the last call's a symbol."""
    compiled = torch.compile(_kl_over, fullgraph=True, backend="aot_eager")
    p = torch.arange(1, 25, dtype=torch.float64).reshape(2, 3, 4)
    for axis in (0, 1, -1, -2):
        torch.testing.assert_close(compiled(p, p.flip(axis), axis), _kl_over(p, p.flip(axis), axis))


def _kl_over(p: torch.Tensor, q: torch.Tensor, axis: int) -> Any:
    return unikl.kl_divergence(p, q, given="counts", axis=axis)
