"""Who returns NaN, negative or clipped values today?

The libraries' own divergences, as installed, on the inputs that tell them apart, against what is
true to 50 digits.  ``unikl check native`` prints the table.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import metadata
from typing import Any

import numpy as np

import unikl
from unikl.agreement.compare import ALLOWED, EPS
from unikl.agreement.native.inputs import INPUTS, Input
from unikl.agreement.native.libraries import FUNCTIONS, LIBRARIES, Arrays, Function, Library
from unikl.agreement.native.page import to_markdown
from unikl.agreement.native.truth import TRUTHS
from unikl.agreement.outcome import Outcome, Row

__all__ = ["DTYPES", "FUNCTIONS", "check_native", "to_markdown"]

DTYPES = ("float32", "float64")


def check_native(
    dtypes: Sequence[str] = DTYPES, functions: Sequence[Function] = FUNCTIONS
) -> Outcome:
    """Compare the libraries' own divergences with the truth, on one distribution at a time.

    Each gets the forms that it asks for: from probabilities by the library's logarithm, from
    logits by its softmax or log-softmax, as in a model.  The truth is that of the distributions
    that the inputs, rounded to the dtype, describe.

    Parameters
    ----------
    dtypes : sequence of {"float32", "float64"}
    functions : sequence of Function
        By default those of `unikl.compat` and `unikl.kl_divergence`; a library that is not
        installed is skipped.

    Returns
    -------
    Outcome
        A row for each function, dtype and input; `Row.what` says NaN, negative, clipped,
        infinite, or by how much it is off.

    Examples
    --------
    >>> from unikl.agreement.native import FUNCTIONS, check_native
    >>> check_native(functions=FUNCTIONS[:1]).ok  # unikl's own
    True
    """
    start = time.perf_counter()
    loaded: dict[str, Library] = {}
    rows: list[Row] = []
    versions, devices = {}, {}
    for function in functions:
        if not function.installed:
            rows += _skipped(function, dtypes)
            continue
        with _quiet():
            module = function.load()
            library = loaded.setdefault(function.library, LIBRARIES[function.library]())
            rows += [_row(function, module, library, x, d) for d in dtypes for x in INPUTS]
        versions[function.name] = _version(function)
        devices[function.name] = library.device
    wrong = dict.fromkeys(row.backend for row in rows if row.wrong)
    seconds = time.perf_counter() - start
    return Outcome(
        title="The libraries' own divergences",
        rows=tuple(rows),
        truth="exact inputs, 50 digits",
        limit=ALLOWED,
        versions=versions,
        devices=devices,
        blamed=tuple(wrong),
        minimal=None,
        seed=0,
        seconds=seconds,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that the libraries give of zeros, and of what they would drop."""
    logger = logging.getLogger("tensorflow")
    before = logger.disabled
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = before


def _number(x: Any) -> float:
    return float(np.asarray(x).item())


def _skipped(function: Function, dtypes: Sequence[str]) -> Iterator[Row]:
    why = f"{function.distribution} is not installed"
    for dtype in dtypes:
        for x in INPUTS:
            yield Row(x.name, function.name, "eager", dtype, "value", "skipped", None, None, why)


def _version(function: Function) -> str:
    if function.distribution == "unikl":
        return f"unikl {unikl.__version__}"
    return f"{function.distribution} {metadata.version(function.distribution)}"


def _row(function: Function, module: Any, library: Library, x: Input, dtype: str) -> Row:
    """The worst of the input's pairs."""
    place = (x.name, function.name, "eager", dtype, "value")
    worst, worst_got, worst_true, at = (-1, 0.0, ""), 0.0, 0.0, 0
    with library.float64() if dtype == "float64" else nullcontext():
        for i, pair in enumerate(zip(x.p.astype(dtype), x.q.astype(dtype), strict=True)):
            arrays = [library.asarray(one[None]) for one in pair]
            try:
                got = _number(function.call(module, Arrays(library, x.given, *arrays)))
            except Exception as raised:  # whatever it is, it is a finding
                what = f"{type(raised).__name__}: {raised}"
                return Row(*place, "error", None, None, " ".join(what.split()))
            true = TRUTHS[function.quantity](*pair, x.given)
            found = _judge(got, true, EPS[dtype])
            if found[:2] > worst[:2]:
                worst, worst_got, worst_true, at = found, got, true, i
    rank, error, what = worst
    return Row(
        *place,
        "differs" if rank else "agrees",
        error,
        None,
        what,
        str(np.dtype(dtype).type(worst_got)),
        str(np.dtype(dtype).type(worst_true)),
        (at,) if len(x.p) > 1 else None,
    )


def _judge(got: float, true: float, eps: float) -> tuple[int, float, str]:
    """How bad it is, by how many eps it is off, and in words."""
    if math.isnan(got):
        return 4, math.inf, "NaN"
    if math.isinf(got) or math.isinf(true):
        if got == true:
            return 0, 0.0, ""
        return 3, math.inf, "clipped" if math.isinf(true) else "infinite"
    off = abs(got - true) / (eps * (true or 1.0))
    if got < 0:
        return 2, off, "negative"
    return (1, off, f"{off:.0e} eps") if off > ALLOWED else (0, off, "")
