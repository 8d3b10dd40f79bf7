"""Masks, weights and reductions over distributions: what all losses and metrics share.

A distribution that is masked out, or has weight 0, counts for nothing, whatever it holds.  It is
replaced before the divergence is computed, and not only left out of the sum afterwards: zero times
the infinite gradient of a padded row would be NaN.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ..backends import Array, Backend, get_backend
from ..inputs import Form

__all__ = [
    "Axis",
    "Forms",
    "Reduction",
    "Rows",
    "each_distribution",
    "negative_axes",
    "reduce_rows",
    "replace_rows",
]

Reduction = Literal["none", "sum", "mean"]
Forms = Form | tuple[Form, Form]
Axis = int | tuple[int, ...] | None


class Rows(NamedTuple):
    """One divergence for each distribution, and its weight; of one shape."""

    room: Backend
    values: Array
    weights: Array


def each_distribution(
    divergence: Callable[..., Array],
    p: Any,
    q: Any,
    *,
    given: Forms,
    axis: Axis,
    where: Any,
    mask: Any,
    weight: Any,
    **options: Any,
) -> Rows:
    """``divergence(p, q)`` of the distributions that count, 0 for the other ones."""
    room = get_backend(p, q, where, mask, weight)
    like = p if hasattr(p, "dtype") else q if hasattr(q, "dtype") else None
    kept = _kept(room, mask, weight, like)
    if kept is not None:
        p, q = room.asarray(p, like), room.asarray(q, like)
        axis = negative_axes(room, (p, q), axis)
        for name, x in (("mask", mask), ("weight", weight)):
            _check_shape(room, name, x, (p, q), axis)
        p, q = replace_rows(room, (p, q), kept, given, axis)
        if where is not None:
            where = room.asarray(where, like) | ~_expand(room, kept, axis)
    values = divergence(p, q, given=given, axis=axis, where=where, **options)
    weights = room.xp.ones_like(values)
    for x in (mask, weight):
        if x is not None:
            weights = weights * room.xp.astype(room.asarray(x, values), values.dtype)
    return Rows(room, values, weights)


def reduce_rows(rows: Rows, reduction: Reduction) -> Array:
    """The weighted divergences, their sum, or their mean: the sum over the sum of the weights.

    A mean over nothing is 0, so that a batch of padding does not end a training.
    """
    xp = rows.room.xp
    weighted = rows.values * rows.weights
    if reduction == "none":
        return weighted
    total = xp.sum(weighted)
    if reduction == "sum":
        return total
    if reduction != "mean":
        raise ValueError(f"reduction must be one of none, sum, mean, got {reduction!r}")
    count = xp.sum(rows.weights)
    nothing = count == 0
    return xp.where(nothing, 0.0, total / xp.where(nothing, 1.0, count))


def negative_axes(room: Backend, arrays: tuple[Array, ...], axis: Axis) -> tuple[int, ...]:
    """The axes counted from the end, of the arrays as they broadcast."""
    shapes = [room.shape(x) for x in arrays]
    known = [len(shape) for shape in shapes if shape is not None]
    axes = range(max(known, default=0)) if axis is None else axis
    axes = axes if isinstance(axes, tuple | range) else (axes,)
    if len(known) < len(shapes) and (axis is None or any(one >= 0 for one in axes)):
        raise ValueError(f"the rank is not known here: count axis {axis} from the end")
    return tuple([one if one < 0 else one - max(known) for one in axes])


def replace_rows(
    room: Backend, pair: tuple[Array, Array], kept: Array, given: Forms, axis: tuple[int, ...]
) -> tuple[Array, Array]:
    """p and q with the uniform distribution in the place of those that do not count."""
    kept = _expand(room, kept, axis)
    forms = (given, given) if isinstance(given, str) else given
    p, q = (_replace(room, x, kept, form, axis) for x, form in zip(pair, forms, strict=True))
    return p, q


def _kept(room: Backend, mask: Any, weight: Any, like: Array | None) -> Array | None:
    """Which distributions count."""
    kept = None if mask is None else room.asarray(mask, like)
    if kept is not None and not room.xp.isdtype(kept.dtype, "bool"):
        raise TypeError(f"mask must be a boolean array, got dtype {kept.dtype}")
    if weight is None:
        return kept
    weighty = room.asarray(weight, like) != 0
    return weighty if kept is None else kept & weighty


def _expand(room: Backend, x: Array, axis: tuple[int, ...]) -> Array:
    """x, of the shape of a result, with the category axes put back (length 1)."""
    for one in sorted(axis, reverse=True):
        shape = room.shape(x)
        for _ in range(0 if shape is None else -one - 1 - len(shape)):
            x = room.xp.expand_dims(x, axis=0)
        x = room.xp.expand_dims(x, axis=one)
    return x


def _replace(room: Backend, x: Array, kept: Array, form: str, axis: tuple[int, ...]) -> Array:
    if form not in ("probs", "log_probs"):
        return room.xp.where(kept, x, 1 if form == "counts" else 0)
    if not room.xp.isdtype(x.dtype, "real floating"):
        x = room.xp.astype(x, room.float_dtype((x,)))
    # Where lengths are unknown (in a graph), nothing looks at the sum either.
    lengths = [(room.shape(x) or {one: None})[one] for one in axis]
    count = 1 if None in lengths else math.prod([n or 1 for n in lengths])
    return room.xp.where(kept, x, 1 / count if form == "probs" else -math.log(count))


def _check_shape(
    room: Backend, name: str, x: Any, pair: tuple[Array, Array], axis: tuple[int, ...]
) -> None:
    """ValueError if x does not broadcast to the distributions, or would broadcast them."""
    shape = None if x is None else room.shape(room.asarray(x, pair[0]))
    shapes = [room.shape(one) for one in pair]
    if shape is None or None in shapes:
        return
    rank = max([len(one or ()) for one in shapes])
    full = [((1,) * rank + (one or ()))[-rank:] for one in shapes]
    places = [place for place in range(-rank, 0) if place not in axis]
    rows = [max([one[place] or 0 for one in full]) for place in places]
    known = [
        n for n in zip(reversed(shape), reversed(rows), strict=False) if None not in n and n[1]
    ]
    if len(shape) > len(rows) or any(n not in (1, m) for n, m in known):
        raise ValueError(
            f"{name} has shape {shape}, which does not fit {tuple(rows)} distributions"
        )
