"""NumPy: values only, on read-only arrays, so that an in-place operation anywhere is an error."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from unikl.agreement.cases import Case, Numbers
from unikl.agreement.runners import Checks, Inputs, Mode, Traits, divergence

NAME = "numpy"
VERSION = np.__version__
DTYPES = ("float16", "float32", "float64")
THREADS = 1


def context(case: Case) -> AbstractContextManager[Any]:
    return nullcontext()


def inputs(case: Case) -> Inputs:
    def array(x: Numbers | None, dtype: str) -> Any:
        if x is None:
            return None
        made = np.array(x, dtype)
        made.setflags(write=False)
        return made

    p, q = array(case.p, case.dtype), array(case.q, case.dtype)
    return Inputs(p, q, array(case.where, "bool"), None, None, None)


def traits(x: Any) -> Traits:
    library = NAME if isinstance(x, np.ndarray | np.generic) else type(x).__module__
    return Traits(library, str(x.dtype), tuple(x.shape), "cpu")


def to_numpy(x: Any) -> Numbers:
    return np.asarray(x, np.float64)


def _run(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    return {"value": divergence(case.call)(x.p, x.q, x.where)}


MODES = {"eager": Mode(_run, checks=("value",))}
