"""Which categories carry a divergence?

The divergence is a sum of terms of which none is negative,

    KL(p || q) = sum_i t_i,      t_i = z_i - w_i + w_i log(w_i / z_i)  >=  0,

with w and z the distributions that p and q describe (the added ``z_i - w_i`` sum to zero).  So a
term is a contribution, and its part of the sum is a share.  The summands ``w_i log(w_i / z_i)`` of
the definition are no shares: they have both signs, and cancel.

>>> from unikl.explain import explain
>>> print(explain([0.5, 0.25, 0.25], [0.25, 0.5, 0.25], labels=["red", "green", "blue"]))
KL(p || q) = 0.173287 nats
category    p    q contribution share cumulative
red       0.5 0.25    0.0965736 55.7%      55.7%
green    0.25  0.5    0.0767132 44.3%     100.0%
blue     0.25 0.25            0  0.0%     100.0%
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .backends import get_backend
from .core import Reduction, kl_divergence, log_of_base
from .inputs import Form, read_inputs

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HEADERS", "Breakdown", "Explanation", "cells", "explain"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Row = int | tuple[int, ...] | Literal["all"] | None
HEADERS: tuple[str, ...] = ("category", "p", "q", "contribution", "share", "cumulative")
_UNITS = {math.e: "nats", 2.0: "bits", 10.0: "hartleys"}


@dataclass(frozen=True, eq=False)
class Breakdown:
    """What each category contributes to one divergence, or to the mean of several.

    Attributes
    ----------
    title : str
        ``row 3``, ``mean of 7 rows``; empty where there is only one.
    row : tuple of int or None
        The index of the row; None for a mean.
    p, q : ndarray of float64
        The normalised distributions (their means), one number a category.
    contributions : ndarray of float64
        The terms of the divergence, never negative.
    shares : ndarray of float64
        The contributions over their sum.
    """

    title: str
    row: tuple[int, ...] | None
    p: Floats
    q: Floats
    contributions: Floats
    shares: Floats

    @property
    def divergence(self) -> float:
        """The sum of the contributions."""
        return float(self.contributions.sum())

    @property
    def order(self) -> list[int]:
        """The categories, those of the largest share first."""
        return [int(i) for i in np.argsort(-self.shares, kind="stable")]

    @property
    def cumulative(self) -> Floats:
        """The share of the first categories of `order`, for each number of them."""
        return np.minimum(np.cumsum(self.shares[self.order]), 1.0)


@dataclass(frozen=True, eq=False)
class Explanation:
    """The breakdowns of a divergence; ``print`` it, or see the methods.

    Attributes
    ----------
    breakdowns : tuple of Breakdown
        One, or one for each row.
    labels : tuple of str
        The names of the categories.
    unit : str
        ``nats``, ``bits``, ...
    """

    breakdowns: tuple[Breakdown, ...]
    labels: tuple[str, ...]
    unit: str

    def __str__(self) -> str:
        return "\n\n".join(self._text(breakdown, 10) for breakdown in self.breakdowns)

    def rows(self, breakdown: Breakdown) -> Iterator[dict[str, Any]]:
        """The categories of one breakdown, the largest first, as ``to_dict`` has them."""
        for i, cumulative in zip(breakdown.order, breakdown.cumulative, strict=True):
            yield {
                "label": self.labels[i],
                "p": float(breakdown.p[i]),
                "q": float(breakdown.q[i]),
                "contribution": float(breakdown.contributions[i]),
                "share": float(breakdown.shares[i]),
                "cumulative": float(cumulative),
            }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it: an infinity becomes ``"inf"``."""
        return {
            "unit": self.unit,
            "breakdowns": [
                {
                    "title": one.title,
                    "row": None if one.row is None else list(one.row),
                    "divergence": _plain(one.divergence),
                    "categories": [
                        {key: _plain(value) for key, value in row.items()} for row in self.rows(one)
                    ],
                }
                for one in self.breakdowns
            ],
        }

    def to_html(self) -> str:
        """One page that holds all it needs; wants ``unikl[report]``."""
        from .pages.explanation import to_html

        return to_html(self)

    def to_png(self, path: str | Path) -> None:
        """Draw the largest contributions and the cumulative share; wants ``unikl[report]``."""
        from .pages.explanation import to_png

        to_png(self, path)

    def heading(self, breakdown: Breakdown) -> str:
        """What the breakdown is of, with its number."""
        of = f" ({breakdown.title})" if breakdown.title else ""
        return f"KL(p || q) = {breakdown.divergence:.6g} {self.unit}{of}"

    def _text(self, breakdown: Breakdown, most: int) -> str:
        found = list(self.rows(breakdown))
        table = [HEADERS, *map(cells, found[:most])]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [self.heading(breakdown)]
        for first, *numbers in table:
            right = [text.rjust(n) for text, n in zip(numbers, widths[1:], strict=True)]
            lines.append(" ".join([first.ljust(widths[0]), *right]))
        if len(found) > most:
            lines.append(f"... and {len(found) - most} more")
        return "\n".join(lines)


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One of `Explanation.rows` as text, under `HEADERS`."""
    numbers = (f"{row[key]:.6g}" for key in ("p", "q", "contribution"))
    shares = (f"{row[key]:.1%}" for key in ("share", "cumulative"))
    return (row["label"], *numbers, *shares)


def _plain(x: Any) -> Any:
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def explain(
    p: Any,
    q: Any,
    /,
    *,
    given: Form | tuple[Form, Form] = "probs",
    axis: int | tuple[int, ...] | None = -1,
    labels: Sequence[Any] | None = None,
    row: Row = None,
    base: float | None = None,
) -> Explanation:
    r"""Break the divergence KL(p || q) down into what each category contributes.

    .. math:: t_i = w_i \log\frac{w_i}{z_i} - w_i + z_i \ge 0, \qquad \sum_i t_i = \mathrm{KL}

    where w and z are p and q normalised over `axis`: the summands of the definition, each with a
    part that sums to zero, which makes them non-negative.  The share of a category is its term
    over the sum.

    Parameters
    ----------
    p, q : array
        The distributions, of any library, as in `unikl.kl_divergence`; concrete values.
    given : {"probs", "log_probs", "logits", "counts"} or a pair of them
        What the arrays hold.
    axis : int, tuple of ints or None
        The category axis or axes; None takes all of them as one.
    labels : sequence, optional
        The names of the categories; their index by default.
    row : int, tuple of ints, "all", optional
        Which row to explain (a tuple where rows have several indices), or each of them.  By
        default the mean over the rows: a category's share is that of the total divergence.
    base : float, optional
        The base of the logarithm: None for nats, 2 for bits.

    Returns
    -------
    Explanation
        With `breakdowns`, `to_dict`, `to_html` and `to_png`; ``print`` shows a table.  The
        numbers are computed in float64.

    Raises
    ------
    TypeError
        If the arrays come from two libraries.
    ValueError
        If a row is no distribution, there is no row or no such row, or there are more or fewer
        labels than categories.

    Notes
    -----
    Where p has mass and q has none the contribution is infinite.  The shares are then those in
    the limit of a small mass of q, equal on these categories: in proportion to p.  Where the
    divergence is zero, so are all shares.

    References
    ----------
    .. [1] L. M. Bregman, "The relaxation method of finding the common point of convex sets",
       USSR Computational Mathematics and Mathematical Physics 7 (1967) 200-217, equation 1.4.

    Examples
    --------
    >>> from unikl import kl_divergence
    >>> from unikl.explain import explain
    >>> p, q = [0.5, 0.5, 0.0], [0.25, 0.5, 0.25]
    >>> (found,) = explain(p, q, base=2).breakdowns
    >>> found.shares.round(3)
    array([0.279, 0.   , 0.721])
    >>> round(found.divergence, 12) == round(float(kl_divergence(p, q, base=2)), 12)
    True
    """
    try:
        kl_divergence(p, q, given=given, axis=axis, base=base, validate=True)
    except ValueError as error:
        raise ValueError(str(error).partition("; pass validate=False")[0]) from error
    unit = 1.0 if base is None else log_of_base(base)
    room = get_backend(p, q)
    inputs = read_inputs(room, p, q, None, given, axis)
    arrays = [np.asarray(room.to_numpy(x), np.float64) for x in (inputs.p, inputs.q)]
    lengths = tuple(arrays[0].shape[k] for k in inputs.axis)
    if 0 in arrays[0].shape:
        raise ValueError(f"there are no rows to explain: the shape is {arrays[0].shape}")
    first, second = (_categories_last(x, inputs.axis) for x in arrays)
    shape, count = first.shape[:-1], first.shape[-1]
    with np.errstate(all="ignore"):
        pair = Reduction(get_backend(first), inputs.given, (-1,)).pair(first, second)
        w, z = pair.w / pair.total, pair.z / pair.total
        terms = np.where(pair.lost, math.inf, pair.term / pair.total) / unit
    flat = [x.reshape(-1, count) for x in (w, z, terms, np.where(pair.lost, w, 0.0))]
    where = _choose(row, shape)
    if where is None:
        title = f"mean of {len(flat[0])} rows" if shape else ""
        broken = [_breakdown(title, None, [x.mean(axis=0) for x in flat])]
    else:
        at = [int(np.ravel_multi_index(index, shape)) for index in where]
        broken = [
            _breakdown(f"row {index[0] if len(index) == 1 else index}", index, [x[i] for x in flat])
            for index, i in zip(where, at, strict=True)
        ]
    return Explanation(tuple(broken), _labels(labels, lengths), _unit(base))


def _unit(base: float | None) -> str:
    return "nats" if base is None else _UNITS.get(base, f"units of log {base:g}")


def _categories_last(x: Floats, axis: tuple[int, ...]) -> Floats:
    """The category axes, flattened, at the end."""
    last = np.moveaxis(x, axis, range(-len(axis), 0))
    return np.ascontiguousarray(last.reshape(*last.shape[: -len(axis)], -1))


def _breakdown(title: str, row: tuple[int, ...] | None, numbers: list[Floats]) -> Breakdown:
    p, q, terms, lost = numbers
    weights = lost if lost.any() else terms
    total = weights.sum()
    return Breakdown(title, row, p, q, terms, weights / total if total > 0 else weights)


def _choose(row: Row, shape: tuple[int, ...]) -> list[tuple[int, ...]] | None:
    """The indices of the rows to explain; None for their mean."""
    if row is None:
        return None
    if row == "all":
        return list(itertools.product(*map(range, shape)))
    index = row if isinstance(row, tuple) else (row,)
    if any(isinstance(i, bool) or not isinstance(i, int) for i in index):
        raise TypeError(f"row must be an int, a tuple of ints, 'all' or None, got {row!r}")
    if len(index) != len(shape) or any(not -n <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"there is no row {row}: the rows have the shape {shape}")
    return [tuple(i % n for i, n in zip(index, shape, strict=True))]


def _labels(labels: Sequence[Any] | None, lengths: tuple[int, ...]) -> tuple[str, ...]:
    """The names given, or the index of each category."""
    count = math.prod(lengths)
    if labels is not None:
        if len(labels) != count:
            raise ValueError(f"{len(labels)} labels for {count} categories")
        return tuple(map(str, labels))
    indices = itertools.product(*map(range, lengths))
    return tuple(str(index[0]) if len(index) == 1 else str(index) for index in indices)
