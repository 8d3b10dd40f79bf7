"""The core's reduction on arrays in host memory, by the fused kernels of `unikl.kernels.cpu`.

This file fits arrays to the kernels (rows of one contiguous matrix), splits the rows over
threads, and sends the few rows that the kernels leave through the core.  It speaks NumPy: a room
hands its arrays over as NumPy views, without a copy.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from . import chunks, threads

__all__ = ["Result", "installed", "plain", "reduce", "reduce_half", "triton", "using"]

FORMS = ("probs", "counts", "logits", "log_probs")
_LONG = 2**20  # elements of one row: from here on its parts go to threads
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Result(NamedTuple):
    """What a room needs of one reduction; the category axes are kept as length 1."""

    kl: Any
    mass_p: Any
    mass_q: Any
    gradients: tuple[Any, Any]  # of each row's KL, in the arrays' dtype; None: not wanted
    finite: bool  # no gradient is infinite


# Which kernels: "numba", "numpy" (the same in tiles, slower), or "off" (the core's formulas);
# "triton" is "numba", with Triton's for CUDA tensors, which were run on no GPU yet.
_MODES = ("numba", "numpy", "off", "triton")
_mode = os.environ.get("UNIKL_KERNELS", "numba")
if _mode not in _MODES:
    raise ValueError(f"UNIKL_KERNELS must be one of {', '.join(_MODES)}, got {_mode!r}")
_on_gpu = _mode == "triton"
if _mode in ("numba", "triton"):
    _mode = "numba" if find_spec("numba") is not None else "numpy"


def triton() -> bool:
    """Whether CUDA tensors go to Triton's kernels."""
    return _on_gpu


def installed() -> bool:
    """Whether the kernels are those of Numba."""
    return _mode == "numba"


@contextmanager
def using(mode: str) -> Iterator[None]:
    """With other kernels, for comparisons (in the whole process, not in one thread)."""
    global _mode
    before, _mode = _mode, mode
    try:
        yield
    finally:
        _mode = before


def _kernels() -> Any:
    """The module of kernels, or None."""
    return None if _mode == "off" else _with_numba() if _mode == "numba" else chunks


@lru_cache(1)
def _with_numba() -> Any:
    try:
        from . import cpu
    except ImportError:  # a Numba that does not fit the other packages
        return chunks
    return cpu


def reduce(
    rule: Any,
    xs: tuple[Any, ...],
    wanted: tuple[bool, bool] = (False, False),
    cores: int | None = None,
) -> Result | None:
    """The divergence of two arrays of one shape and dtype, with the wanted gradients.

    Parameters
    ----------
    rule : unikl.core.Reduction
        Forms and axes; its formulas serve the rows that the kernels leave.  (Other rules have
        no kernel.)
    xs : pair of numpy.ndarray
        p and q: float32 or float64.
    wanted : pair of bool
        Whose gradients.
    cores : int, optional
        The threads that the arrays' framework would use.

    Returns
    -------
    Result or None
        None where there is no kernel for these arrays.
    """
    if not hasattr(rule, "fused_kernel"):
        return None
    p, q = xs
    kernel = _kernel(rule, p, q)
    if kernel is None or p.size == 0:
        return None
    a, b = _rows(p, rule.axis), _rows(q, rule.axis)
    kl, mass_p, mass_q = out = np.empty((3, len(a)), a.dtype)
    gradients = [_empty(a) if want else None for want in wanted]

    off = _in_threads(kernel, cores, a, b, kl, mass_p, mass_q, *gradients)
    finite = _redo(rule, a, b, out, gradients) if off == math.inf else True
    kl, mass_p, mass_q, grads = _in_place(rule.axis, p, out, gradients)
    return Result(kl, mass_p, mass_q, grads, finite)


def plain(
    p: Any, q: Any, given: Any, validate: bool | None, cores: int | None, wanted: tuple[bool, bool]
) -> Any:
    """(KL, dKL/dp, dKL/dq) over the last axis in the plainest case, with the least overhead.

    None where it is not that plain: other forms, shapes or dtypes, rows that the kernels leave,
    and rows that validation objects to.
    """
    shape, dtype, size = p.shape, p.dtype, p.size
    if type(q) is not np.ndarray or type(given) is not str or q.dtype is not dtype:
        return None
    kernel, tolerance = _plain_kernel(given, dtype, _mode)
    if kernel is None or q.shape != shape or not shape or not size:
        return None
    if not (p.flags.c_contiguous and q.flags.c_contiguous):
        return None
    if len(shape) != 2:
        p, q = p.reshape(-1, shape[-1]), q.reshape(-1, shape[-1])
    kl = np.empty(len(p), dtype)
    dp, dq = _empty(p) if wanted[0] else None, _empty(q) if wanted[1] else None
    if size < threads.WORTHWHILE:
        off = kernel(p, q, kl, None, None, dp, dq)
    else:
        off = _in_threads(kernel, cores, p, q, kl, None, None, dp, dq)
    if off > tolerance and (validate is not False or off == math.inf):
        return None
    if len(shape) == 2:
        return kl, dp, dq
    dp, dq = [None if g is None else g.reshape(shape) for g in (dp, dq)]
    return kl.reshape(shape[:-1]), dp, dq


def _in_threads(kernel: Any, cores: int | None, *arrays: Any) -> float:
    """The kernel over the rows in several threads; the largest of its answers."""
    p, q, kl, mass_p, mass_q, dp, dq = arrays[:7]
    alone = len(p) == 1 and p.size >= _LONG and dp is None and dq is None
    if alone and _adds_parts(kernel):
        row = _long_row(p[0], q[0], cores)
        if row[0] == row[0]:
            for out, value in zip((kl, mass_p, mass_q), row, strict=True):
                if out is not None:
                    out[0] = value
            return max(abs(row[1] - 1), abs(row[2] - 1))

    def work(start: int, stop: int) -> float:
        off: float = kernel(*[None if x is None else x[start:stop] for x in arrays])
        return off

    parts: list[float] = threads.split(work, len(p), p.size, cores)
    return max(parts)


def _adds_parts(kernel: Any) -> bool:
    """Can parts of a row be summed by themselves?  (Without Numba, that is done already.)"""
    kernels = _kernels()
    return hasattr(kernels, "part_of_row") and kernel is kernels.weights


def _long_row(p: Any, q: Any, cores: int | None) -> tuple[float, float, float]:
    """One long row of weights in several threads, where a single sweep is exact; else KL is NaN."""
    cpu, parts = _kernels(), math.ceil(p.size / _LONG)
    sums = np.empty((parts, 4))

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            part = slice(k * _LONG, (k + 1) * _LONG)
            cpu.part_of_row(p[part], q[part], sums[k])

    threads.split(work, parts, p.size, cores)
    row: tuple[float, float, float] = cpu.whole_row(sums, cpu.constants(p))
    return row


@lru_cache(32)
def _plain_kernel(given: Any, dtype: Any, mode: str) -> tuple[Any, float]:
    """The kernel or None, and the distance from 1 that validation allows a mass.

    No mass is infinitely far off: that says that rows are left.
    """
    if mode == "off" or dtype not in _FLOATS or given not in FORMS:
        return None, 0.0
    kernel = _kernels().weights if given in ("probs", "counts") else _kernels().logs
    promised = given in ("probs", "log_probs")
    return kernel, math.sqrt(np.finfo(dtype).eps) if promised else float(np.finfo(np.float64).max)


def _kernel(rule: Any, p: Any, q: Any) -> Any:
    """The kernel for this rule and dtype, as a function of (p, q, kl, mass_p, mass_q, dp, dq)."""
    name = rule.fused_kernel
    if name is None or p.dtype not in _FLOATS or p.dtype != q.dtype or p.shape != q.shape:
        return None
    return getattr(_kernels(), name, None)


def reduce_half(
    p: Any,
    q: Any,
    brain: bool,
    given: str,
    wanted: tuple[bool, bool],
    upstream: Any,
    cores: int | None,
) -> tuple[Any, ...] | None:
    """(KL, masses, gradients) over the last axis, of the bits (uint16) of half precision.

    Computed in float32; the gradients are multiplied by upstream (one number a row, or None)
    and are bits again.  None without a kernel, and where rows are left to the formulas.
    """
    name = "half_weights" if given in ("probs", "counts") else "half_logs"
    kernel = getattr(_kernels(), name, None)
    if kernel is None or given not in FORMS or not p.size or not p.ndim:
        return None
    kept = (*p.shape[:-1], 1)
    a, b = _rows(p, (-1,)), _rows(q, (-1,))
    numbers = np.empty((3, len(a)), np.float32)
    grads = [_empty(a) if want else None for want in wanted]
    off = _in_threads(partial(kernel, brain), cores, a, b, *numbers, *grads, upstream)
    if off == math.inf:
        return None
    grads = [None if g is None else g.reshape(p.shape) for g in grads]
    return (*[x.reshape(kept) for x in numbers], *grads)


def _rows(x: Any, axis: tuple[int, ...]) -> Any:
    """A contiguous matrix of one row a distribution; a view where x is laid out like that."""
    if axis != (-1,):
        x = np.moveaxis(x, axis, range(-len(axis), 0))
    n = math.prod(x.shape[x.ndim - len(axis) :])
    return (x if x.flags.c_contiguous else np.ascontiguousarray(x)).reshape(-1, n)


def _empty(like: Any) -> Any:
    """Uninitialised memory, aligned to 64 bytes (TensorFlow takes no other without a copy)."""
    raw = np.empty(like.nbytes + 64, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64
    return raw[start : start + like.nbytes].view(like.dtype).reshape(like.shape)


def _redo(rule: Any, a: Any, b: Any, out: Any, gradients: list[Any]) -> bool:
    """The rows that are NaN so far, by the core's formulas; whether their gradients are finite."""
    rows = np.nonzero(np.isnan(out[0]))[0]
    wanted = tuple([g is not None for g in gradients])
    x, y = a[rows], b[rows]
    with np.errstate(all="ignore"):
        values, found = rule.rows(x, y, wanted)
    for k, column in enumerate(values):
        out[k, rows] = column[:, 0]
    for mine, theirs in zip(gradients, found, strict=True):
        if mine is not None:
            mine[rows] = theirs
    return all(g is None or bool(np.isfinite(g).all()) for g in found)


def _in_place(axis: tuple[int, ...], p: Any, out: Any, gradients: list[Any]) -> Any:
    """The results with the axes where the caller has them."""
    if axis == (-1,):
        kept = (*p.shape[:-1], 1)
        grads = tuple([None if g is None else g.reshape(p.shape) for g in gradients])
        return out[0].reshape(kept), out[1].reshape(kept), out[2].reshape(kept), grads
    axes = [one % p.ndim for one in axis]
    order = [k for k in range(p.ndim) if k not in axes] + axes
    moved = [p.shape[k] for k in order]
    kept = tuple([1 if k in axes else n for k, n in enumerate(p.shape)])
    back = np.argsort(order)
    grads = tuple([None if g is None else g.reshape(moved).transpose(back) for g in gradients])
    return (*[x.reshape(kept) for x in out], grads)
