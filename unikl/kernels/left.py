"""The rows that the kernels left: done by the core's formulas."""

from typing import Any

import numpy as np

__all__ = ["gradients", "values"]


def values(rule: Any, a: Any, b: Any, numbers: Any, grads: list[Any]) -> None:
    """The rows that are NaN so far, by the core's formulas."""
    rows = np.nonzero(np.isnan(numbers[0]))[0]
    wanted = tuple([g is not None for g in grads])
    with np.errstate(all="ignore"):
        results, found = rule.rows(a[rows], b[rows], wanted)
    for k, column in enumerate(results):
        numbers[k][rows] = column[:, 0]
    for mine, theirs in zip(grads, found, strict=True):
        if mine is not None:
            mine[rows] = theirs


def gradients(rule: Any, a: Any, b: Any, g: Any, grads: list[Any]) -> None:
    """The rows that begin with NaN.  An upstream zero gives zero, also of an infinity."""
    rows = np.nonzero(np.isnan(next(one for one in grads if one is not None)[:, 0]))[0]
    wanted, factor = tuple([one is not None for one in grads]), g[rows, None]
    with np.errstate(all="ignore"):
        found = rule.rows(a[rows], b[rows], wanted)[1]
        for mine, theirs in zip(grads, found, strict=True):
            if mine is not None:
                mine[rows] = np.where((factor == 0) & np.isinf(theirs), 0, factor * theirs)
