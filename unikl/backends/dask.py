"""Dask: a lazy graph over blocks that are arrays of another library, and computed in its room.

Blocks that hold whole rows each give their divergences, by the kernels of the block's library.
Rows in several blocks go through a tree of states (`unikl.KLState`): what travels is six numbers
a row, and a worker holds a few chunks.  Anything else is the formulas on `xp`, lazily.

Values are never looked at, so nothing is validated and nothing computed before the caller says
so; Dask has no autodiff.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from array_api_compat.dask import array as xp
from dask.array.utils import meta_from_array

from . import get_backend
from .numpy import eps, float_dtype, largest, smallest_normal

__all__ = [
    "asarray",
    "broadcast",
    "concrete",
    "eps",
    "float_dtype",
    "fused",
    "kernel",
    "largest",
    "max",
    "readable",
    "shape",
    "smallest_normal",
    "stop_gradient",
    "sum",
    "to_numpy",
    "xp",
]

Array = Any

_PIECE = 2**18  # elements of a block that are worked on at a time: temporaries stay in the cache


def asarray(x: Any, like: Array | None = None, /) -> Array:
    return da.asarray(x)


def shape(x: Array, /) -> tuple[int | None, ...]:
    return tuple([None if math.isnan(n) else n for n in x.shape])


def sum(x: Array, axis: tuple[int, ...], /) -> Array:
    return _reduce(_sum, x, axis)


def max(x: Array, axis: tuple[int, ...], /) -> Array:
    return _reduce(_max, x, axis)


def _reduce(function: Callable[..., Array], x: Array, axis: tuple[int, ...]) -> Array:
    return da.reduction(x, function, function, axis=axis, keepdims=True, dtype=x.dtype)


def _sum(block: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return get_backend(block).sum(block, tuple([k - block.ndim for k in axis]))


def _max(block: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.max(block, axis=axis, keepdims=True, initial=-math.inf)


def broadcast(arrays: tuple[Array, ...], axis: tuple[int, ...], /) -> list[Array]:
    if not any(None in shape(x) for x in arrays):
        return list(da.broadcast_arrays(*arrays))
    _check_blocks(arrays)
    ndim = np.max([x.ndim for x in arrays])
    pairs = [part for x in arrays for part in (x, tuple(range(ndim - x.ndim, ndim)))]
    stretch = [tuple([n == 1 for n in shape(x)]) for x in arrays]
    return [
        da.blockwise(
            partial(_broadcast_block, stretch, which),
            tuple(range(ndim)),
            *pairs,
            dtype=x.dtype,
            meta=meta_from_array(x, ndim),
        )
        for which, x in enumerate(arrays)
    ]


def _check_blocks(arrays: tuple[Array, ...]) -> None:
    """Blocks of unknown lengths are paired in their order, so there must be equally many."""
    for one in range(-np.max([x.ndim for x in arrays]), 0):
        here = [x for x in arrays if x.ndim >= -one and x.shape[one] != 1]
        counts = [x.numblocks[one] for x in here]
        if len(set(counts)) > 1 and any(math.isnan(x.shape[one]) for x in here):
            raise ValueError(
                f"the lengths along axis {one} are unknown, and the arrays have "
                f"{' and '.join(map(str, counts))} chunks there; call compute_chunk_sizes() on "
                "them first"
            )


def _broadcast_block(stretch: list[tuple[bool, ...]], which: int, *blocks: Array) -> Array:
    """One block as large as its partners: stretched along the axes known to have length 1."""
    full = np.broadcast_shapes(*[x.shape for x in blocks])
    for x, ones in zip(blocks, stretch, strict=True):
        lengths = zip(x.shape, full[len(full) - x.ndim :], ones, strict=True)
        if any(n != whole and not one for n, whole, one in lengths):
            raise ValueError(
                "blocks of unknown lengths turn out to differ: shapes "
                f"{' and '.join([str(block.shape) for block in blocks])}; select the same rows "
                "of every array"
            )
    return np.broadcast_to(blocks[which], full)


def stop_gradient(x: Array, /) -> Array:
    return x


def fused(p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /) -> Array | None:
    return None


def concrete(x: Array, /) -> bool:
    return False


def readable(x: Array, /) -> bool:
    return False


def to_numpy(x: Array, /) -> Any:
    return np.asarray(x)


# -- the divergence --------------------------------------------------------------------------------


def kernel(rule: Any, /) -> Callable[..., tuple[Array, ...]]:
    from unikl.core import Reduction

    if not isinstance(rule, Reduction):
        value: Callable[..., tuple[Array, ...]] = rule.value
        return value
    unbound: Any = None  # each block has its own room
    return partial(_divergence, rule._replace(room=unbound))


def _divergence(rule: Any, p: Array, q: Array) -> tuple[Array, ...]:
    if None not in shape(p):
        p, q = da.broadcast_arrays(p, q)  # for the common chunks
    axes = [k + p.ndim for k in rule.axis]
    whole = all(p.numblocks[k] == 1 for k in axes)
    index = tuple(range(1, p.ndim + 1))
    blocks = da.blockwise(
        partial(_in_pieces, _rows if whole else _state, rule, whole),
        (0, *index),
        *(p, index, q, index),
        new_axes={0: 3 if whole else 6},
        adjust_chunks={k + 1: 1 for k in axes},
        dtype=p.dtype,
        meta=meta_from_array(p, p.ndim + 1),
        token="kl-of-rows" if whole else "kl-state",
    )
    if not whole:
        blocks = _tree(blocks, tuple([k + 1 for k in axes]))
    return blocks[0], blocks[1], blocks[2]


def _tree(states: Array, axes: tuple[int, ...]) -> Array:
    """The states along the axes merged, and (KL, mass of p, mass of q) of each row."""
    options = {"axis": axes, "keepdims": True, "dtype": states.dtype, "name": "kl-merge"}
    merged = da.reduction(states, _as_is, _merge, meta=states._meta, **options)
    index = tuple(range(states.ndim))
    return da.blockwise(
        _result,
        index,
        *(merged, index),
        adjust_chunks={0: 3},
        dtype=states.dtype,
        meta=states._meta,
        token="kl-result",
    )


# -- in the tasks: blocks are arrays in memory -----------------------------------------------------


def _in_pieces(of: Callable[..., Array], rule: Any, whole: bool, p: Array, q: Array) -> Array:
    """``of(rule, p, q)`` on pieces of a block, so that its temporaries do not fill the memory."""
    axes = [k for k in range(-p.ndim, 0) if not (whole and k in rule.axis)]
    longest = axes[0] if axes else -1
    for one in axes:
        longest = one if p.shape[one] > p.shape[longest] else longest
    if p.size <= _PIECE or not axes or p.shape[longest] == 1:
        return of(rule, p, q)
    step = p.shape[longest] * _PIECE // p.size or 1
    parts = []
    for start in range(0, p.shape[longest], step):
        piece = (slice(start, start + step), *[slice(None)] * (-longest - 1))
        parts.append(_in_pieces(of, rule, whole, p[..., *piece], q[..., *piece]))
    joined = np.concatenate(parts, axis=longest)
    return _merge(joined, (longest,)) if longest in rule.axis else joined


def _rows(rule: Any, p: Array, q: Array) -> Array:
    """KL and the masses, along a new first axis."""
    room = get_backend(p, q)
    return np.stack(room.kernel(rule._replace(room=room))(p, q))


def _state(rule: Any, p: Array, q: Array) -> Array:
    """The numbers of a state, with the category axes kept as length 1."""
    from unikl.state import KLState

    kept = tuple([1 if k - p.ndim in rule.axis else n for k, n in enumerate(p.shape)])
    if p.size == 0:  # no mass, of either
        empty = np.reshape(np.asarray([0.0, 0, 1, -math.inf, 0, 0], p.dtype), (6,) + (1,) * p.ndim)
        return np.broadcast_to(empty, (6, *kept))
    state = KLState.from_arrays(p, q, given=rule.given, axis=rule.axis)
    return np.reshape(state.numbers, (6, *kept))


def _as_is(states: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return states


def _merge(states: Array, axis: tuple[int, ...], keepdims: bool = True) -> Array:
    from unikl.state import merge_numbers

    for one in axis:
        negative = one - states.ndim if one >= 0 else one
        states = np.expand_dims(merge_numbers(states, negative), negative)
    return states


def _result(states: Array) -> Array:
    from unikl.state import KLState

    top, mass, scale, hi, lo, _ = states
    with np.errstate(all="ignore"):
        mass_p, ratio = mass * np.exp(top), np.exp(hi + lo) / scale
        mass_q = np.exp(top) * np.where(mass > 0, mass, 1.0) * ratio
    return np.stack([KLState(states).result(), mass_p, mass_q])
