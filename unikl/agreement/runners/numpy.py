"""NumPy: values only, on read-only arrays, so that an in-place operation anywhere is an error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from unikl.agreement.cases import Case, Numbers
from unikl.agreement.runners import Checks, Inputs, Mode, Program, Traits, divergence
from unikl.backends import numpy as room

XP = room.xp
NAME = "numpy"
VERSION = np.__version__
DTYPES = ("float16", "float32", "float64")
THREADS = 1


def context(dtype: str) -> AbstractContextManager[Any]:
    return nullcontext()


def array(x: Numbers, dtype: str) -> Any:
    made = np.array(x, dtype)
    made.setflags(write=False)
    return made


def inputs(case: Case) -> Inputs:
    where = None if case.where is None else array(case.where, "bool")
    return Inputs(array(case.p, case.dtype), array(case.q, case.dtype), where, None, None, None)


def traits(x: Any) -> Traits:
    library = NAME if isinstance(x, np.ndarray | np.generic) else type(x).__module__
    return Traits(library, str(x.dtype), tuple(x.shape), "cpu")


def to_numpy(x: Any) -> Numbers:
    return np.asarray(x, np.float64)


def program(
    fn: Callable[..., Any], wanted: tuple[int, ...], compiler: str | None
) -> Program | None:
    return None if wanted or compiler else lambda *xs: (fn(*xs), ())


def _run(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    return {"value": divergence(case.call)(x.p, x.q, x.where)}


MODES = {"eager": Mode(_run, checks=("value",))}
