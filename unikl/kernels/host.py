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

from ..inputs import LINEAR
from . import chunks, layout, left, long_rows, threads
from .layout import SMALL

__all__ = [
    "SAVED",
    "SMALL",
    "Result",
    "gradients",
    "gradients_half",
    "installed",
    "plain",
    "reduce",
    "reduce_half",
    "triton",
    "using",
]

_FORMS = ("probs", "counts", "logits", "log_probs")
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
SAVED = 7  # numbers that the kernels keep of each row for its gradients


class Result(NamedTuple):
    """What a room needs of one reduction; the category axes are kept as length 1."""

    kl: Any
    mass_p: Any
    mass_q: Any
    gradients: tuple[Any, Any]  # of each row's KL, in the arrays' dtype; None: not wanted
    saved: Any  # for `gradients`; None: not kept


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
    keep: bool = False,
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
    keep : bool
        Whether `gradients` will be asked for later, instead of now.

    Returns
    -------
    Result or None
        None where there is no kernel for these arrays.
    """
    if not hasattr(rule, "fused_kernel"):
        return None
    p, q = xs
    kernel = _kernel(rule, p, q, wanted)
    if kernel is None:
        return None
    a, b = layout.rows(p, rule.axis), layout.rows(q, rule.axis)
    numbers = [np.empty(len(a), a.dtype) for _ in range(3)]
    saved = np.empty((len(a), SAVED)) if keep else None
    grads = [layout.empty(a) if want else None for want in wanted]
    off = _in_threads(kernel, cores, a, b, *numbers, *grads, saved)
    if off == math.inf:
        left.values(rule, a, b, numbers, grads)
    kl, mass_p, mass_q = [layout.kept(x, p, rule.axis) for x in numbers]
    dp, dq = [layout.in_place(g, p, rule.axis) for g in grads]
    return Result(kl, mass_p, mass_q, (dp, dq), saved)


def gradients(
    rule: Any,
    xs: tuple[Any, ...],
    saved: Any,
    upstream: Any,
    wanted: tuple[bool, bool],
    cores: int | None = None,
) -> tuple[Any, Any] | None:
    """The wanted gradients of sum(upstream KL), from what `reduce` kept of the rows.

    upstream has the shape of the divergence with or without the category axes.  None where
    there is no kernel for these gradients.
    """
    p, q = xs
    kernel = _kernel(rule, p, q, wanted, "_gradients")
    if kernel is None:
        return None
    a, b = layout.rows(p, rule.axis), layout.rows(q, rule.axis)
    g = np.ascontiguousarray(upstream, a.dtype).reshape(-1)
    grads = [layout.empty(a) if want else None for want in wanted]
    if _in_threads(kernel, cores, a, b, saved, g, *grads) == math.inf:
        left.gradients(rule, a, b, g, grads)
    dp, dq = [layout.in_place(one, p, rule.axis) for one in grads]
    return dp, dq


def plain(
    p: Any, q: Any, given: Any, validate: bool | None, cores: int | None, wanted: tuple[bool, bool]
) -> Any:
    """(KL, what `gradients` needs of it) over the last axis in the plainest case, at once.

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
    if not p.flags.num & q.flags.num & layout.WRITEABLE:
        p, q = layout.writable(p), layout.writable(q)
    if len(shape) != 2:
        p, q = p.reshape(-1, shape[-1]), q.reshape(-1, shape[-1])
    kl = np.empty(len(p), dtype)
    saved = np.empty((len(p), SAVED)) if wanted[0] or wanted[1] else None
    if size < threads.WORTHWHILE:
        off = kernel(p, q, kl, None, None, None, None, saved)
    else:
        off = _in_threads(kernel, cores, p, q, kl, None, None, None, None, saved)
    if off > tolerance and (validate is not False or off == math.inf):
        return None
    return (kl if len(shape) == 2 else kl.reshape(shape[:-1])), saved


def _in_threads(kernel: Any, cores: int | None, *arrays: Any) -> float:
    """The kernel over the rows in several threads; the largest of its answers."""
    p = arrays[0]
    if len(p) == 1 and p.size >= long_rows.LONG and _kernels() is not chunks:
        found = long_rows.reduce(_kernels(), kernel, cores, *arrays)
        if found is not None:
            return found

    def work(start: int, stop: int) -> float:
        off: float = kernel(*[None if x is None else x[start:stop] for x in arrays])
        return off

    parts: list[float] = threads.split(work, len(p), p.size, cores)
    return max(parts)


@lru_cache(32)
def _plain_kernel(given: Any, dtype: Any, mode: str) -> tuple[Any, float]:
    """The kernel or None, and the distance from 1 that validation allows a mass.

    No mass is infinitely far off: that says that rows are left.
    """
    if mode == "off" or dtype not in _FLOATS or given not in _FORMS:
        return None, 0.0
    kernel = _kernels().weights if given in LINEAR else _kernels().logs
    promised = given in ("probs", "log_probs")
    return kernel, math.sqrt(np.finfo(dtype).eps) if promised else float(np.finfo(np.float64).max)


def _kernel(
    rule: Any, p: Any, q: Any, wanted: tuple[bool, bool] = (False, False), suffix: str = ""
) -> Any:
    """The kernel for this rule and these arrays, or None."""
    name = getattr(rule, "fused_kernel", None)
    if name is None or p.dtype not in _FLOATS or p.dtype != q.dtype or p.shape != q.shape:
        return None
    if not p.size:
        return None
    mixed = name in ("weights_logs", "logs_weights")
    if mixed and any(one and want for one, want in zip(rule.linear, wanted, strict=True)):
        return None  # the gradient in weights, which may be 0, is the formulas'
    return getattr(_kernels(), name + suffix, None)


def reduce_half(
    p: Any, q: Any, brain: bool, given: str, keep: bool, cores: int | None
) -> tuple[Any, ...] | None:
    """(KL, masses, what `gradients_half` needs) over the last axis, of bits (uint16) of halves.

    Computed in float32.  None without a kernel, and where rows are left to the formulas.
    """
    kernel = _half_kernel(brain, given)
    if kernel is None or not p.size or not p.ndim:
        return None
    a, b = layout.rows(p, (-1,)), layout.rows(q, (-1,))
    numbers = np.empty((3, len(a)), np.float32)
    saved = np.empty((len(a), SAVED)) if keep else None
    if _in_threads(kernel, cores, a, b, *numbers, saved) == math.inf:
        return None
    return (*[layout.kept(x, p, (-1,)) for x in numbers], saved)


def gradients_half(
    p: Any,
    q: Any,
    brain: bool,
    given: str,
    saved: Any,
    upstream: Any,
    wanted: tuple[bool, bool],
    cores: int | None,
) -> list[Any] | None:
    """The wanted gradients of sum(upstream KL), as bits, rounded once; or None, as above."""
    kernel = _half_kernel(brain, given, "_gradients")
    if kernel is None:
        return None
    a, b = layout.rows(p, (-1,)), layout.rows(q, (-1,))
    g = np.ascontiguousarray(upstream, np.float32).reshape(-1)
    grads = [layout.empty(a) if want else None for want in wanted]
    if _in_threads(kernel, cores, a, b, saved, g, *grads) == math.inf:
        return None
    return [layout.in_place(one, p, (-1,)) for one in grads]


def _half_kernel(brain: bool, given: str, suffix: str = "") -> Any:
    name = "half_weights" if given in LINEAR else "half_logs"
    kernel = getattr(_kernels(), name + suffix, None)
    return None if kernel is None or given not in _FORMS else partial(kernel, brain)
