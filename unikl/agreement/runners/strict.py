"""array-api-strict: values only, with every optional part of the standard switched off.

It stands for the libraries that nobody has tried: what passes here uses the standard alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import array_api_strict as xp
import numpy as np

from unikl.agreement.cases import Case, Numbers
from unikl.agreement.runners import Checks, Inputs, Mode, Program, Traits, divergence

NAME = "strict"
VERSION = xp.__version__
DTYPES = ("float32", "float64")
THREADS = 1
XP = xp


@contextmanager
def context(dtype: str) -> Iterator[None]:
    # The warnings are those of the NumPy underneath, which the library under test cannot know.
    with (
        np.errstate(all="ignore"),
        xp.ArrayAPIStrictFlags(
            boolean_indexing=False, data_dependent_shapes=False, enabled_extensions=()
        ),
    ):
        yield


def array(x: Numbers, dtype: str) -> Any:
    return xp.asarray(x, dtype=getattr(xp, dtype), copy=True)


def inputs(case: Case) -> Inputs:
    where = None if case.where is None else array(case.where, "bool")
    return Inputs(array(case.p, case.dtype), array(case.q, case.dtype), where, None, None, None)


def traits(x: Any) -> Traits:
    library = NAME if type(x).__module__.startswith("array_api_strict") else type(x).__module__
    device = str(getattr(x, "device", "none"))
    return Traits(library, str(x.dtype).rpartition(".")[2], tuple(x.shape), device)


def to_numpy(x: Any) -> Numbers:
    return np.asarray(np.from_dlpack(x), np.float64)


def program(
    fn: Callable[..., Any], wanted: tuple[int, ...], compiler: str | None
) -> Program | None:
    return None if wanted or compiler else lambda *xs: (fn(*xs), ())


def _run(case: Case, x: Inputs, wanted: Checks) -> dict[str, Any]:
    return {"value": divergence(case.call)(x.p, x.q, x.where)}


MODES = {"eager": Mode(_run, checks=("value",))}
