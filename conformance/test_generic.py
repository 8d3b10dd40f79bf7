"""The room for any Array API library: array-api-strict, mparray to 60 digits, pydata/sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.grid import assert_agrees, assert_meets, case
from unikl.agreement.cases import Case
from unikl.agreement.runners import divergence
from unikl.agreement.suite import Work

BACKEND = "strict"
MODES = ("eager",)
# These libraries let the warnings of the NumPy that they are made of through.
NUMPY_UNDERNEATH = pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)


@NUMPY_UNDERNEATH
@pytest.mark.parametrize(
    "name", ["regimes/logits", "regimes/probs", "regimes/counts", "masks/logits", "edges/probs"]
)
def test_sixty_digits(name: str) -> None:
    """The same code with 60 digits meets the reference to all the digits that that is kept in."""
    mparray = pytest.importorskip("mparray")
    of = case(name, "float64")
    with mparray.mp.workdps(60):
        p, q = mparray.asarray(of.p), mparray.asarray(of.q)
        where = None if of.where is None else mparray.asarray(of.where)
        value = divergence(of.call)(p, q, where)
        for i, row in enumerate(of.rows):
            got, scale = value[i]._data[()], float(of.value.scale[i])
            hi, lo = mparray.mp.mpf(float(of.value.hi[i])), mparray.mp.mpf(float(of.value.lo[i]))
            if not np.isfinite(of.value.hi[i]):
                assert str(got) == str(hi), row
            else:
                assert abs(got - hi - lo) <= 1e-30 * scale, row


@NUMPY_UNDERNEATH
@pytest.mark.parametrize("name", ["regimes/probs", "regimes/logits", "edges/counts"])
def test_sparse_arrays(name: str) -> None:
    sparse = pytest.importorskip("sparse")
    of = case(name, "float64")
    p, q = sparse.COO.from_numpy(of.p), sparse.COO.from_numpy(of.q)
    value: Any = divergence(of.call)(p, q, None)
    assert isinstance(value, sparse.SparseArray)
    assert_meets(of, "value", "", _dense(value, of))


def _dense(value: Any, of: Case) -> Any:
    dense = value.todense()
    assert dense.shape == of.value.hi.shape
    assert dense.dtype == np.float64
    return dense
