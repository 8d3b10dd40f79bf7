"""Rows of two tensors as Triton programs take them, and the launches of one program a row."""

import contextlib
from typing import Any, NamedTuple

import torch
import triton

from .triton_logits import logits_rows
from .triton_probs import probs_rows

__all__ = [
    "Flags",
    "Grads",
    "Rows",
    "block",
    "on_device",
    "part_count",
    "read_rows",
    "run_logits",
    "run_probs",
    "source",
    "targets",
]

Flags = tuple[bool, bool]
Grads = list[torch.Tensor | None]  # of p and of q: to be filled, where wanted
_DTYPES = (torch.float16, torch.bfloat16, torch.float32)


class Rows(NamedTuple):
    """p and q as rows: where they lie, and how a program walks along them."""

    p: torch.Tensor
    q: torch.Tensor
    keep: torch.Tensor  # uint8; p again where there is no mask
    shape: tuple[int, ...]
    number: int
    inner: int
    steps: tuple[int, ...]  # of p, q and keep: over the outer rows, the inner rows, along a row
    upstream: torch.Tensor  # float32, one for each row
    masked: bool


def read_rows(
    p: torch.Tensor, q: torch.Tensor, where: torch.Tensor | None, upstream: torch.Tensor | None
) -> Rows | None:
    """The rows of p and q, or None if the kernels cannot take them."""
    given = [p, q] if where is None else [p, q, where]
    served = p.device.type == "cuda" and torch.version.hip is None
    served = served or triton.knobs.runtime.interpret
    if not served or any(x.device != p.device for x in given):
        return None
    if where is not None and where.dtype != torch.bool:
        return None
    if p.dtype not in _DTYPES or q.dtype not in _DTYPES or p.ndim == 0 or q.ndim == 0:
        return None
    p, q, *mask = torch.broadcast_tensors(*given)
    keep = mask[0].view(torch.uint8) if mask else p
    shape, arrays = tuple(p.shape), (p, q, keep)
    leading = _leading(shape, [x.stride() for x in arrays])
    if p.numel() == 0 or leading is None:
        return None
    if any(x.shape[-1] * x.stride(-1) >= 2**31 for x in arrays):
        return None
    inner, steps = leading
    count = p.numel() // shape[-1]
    if upstream is None:
        factors = torch.ones(count, dtype=torch.float32, device=p.device)
    else:
        factors = upstream.to(torch.float32).expand(*shape[:-1], 1).reshape(count)
    return Rows(p, q, keep, shape, count, inner, steps, factors, bool(mask))


def _leading(
    shape: tuple[int, ...], strides: list[tuple[int, ...]]
) -> tuple[int, tuple[int, ...]] | None:
    """The leading axes as at most two: the length of the inner one, and the steps."""
    axes: list[tuple[int, list[int]]] = []
    for length, *steps in list(zip(shape, *strides, strict=True))[:-1]:
        if length == 1:
            continue
        if axes and axes[-1][1] == [step * length for step in steps]:
            axes[-1] = (axes[-1][0] * length, steps)
        else:
            axes.append((length, steps))
    if len(axes) > 2:
        return None
    while len(axes) < 2:
        axes.insert(0, (1, [0] * len(strides)))
    (_, outer), (inner, within) = axes
    ends = [stride[-1] for stride in strides]
    walks = zip(outer, within, ends, strict=True)
    return inner, tuple(step for walk in walks for step in walk)


def on_device(device: torch.device) -> Any:
    """Launches go to the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


# -- launches --------------------------------------------------------------------------------------


def block(rows: Rows) -> dict[str, int]:
    """Lanes, tiles and warps, and the registers of a thread.

    A lane is one element of a 16-byte load, so that a thread owns its lanes and nothing but the
    maximum crosses threads inside the loop.  Two tiles of both arrays keep 64 bytes in flight
    for each thread: 32 KiB for the two programs of 8 warps that 128 registers allow on a
    multiprocessor, which covers the latency at its share of the bandwidth.  More programs would
    hold more rows at once than the L2 does (two for each of 132 multiprocessors, of 32768
    categories in half precision: 34 MB), and a second sweep would go to memory again.
    """
    n = rows.p.shape[-1]
    wide = 16 // min(rows.p.itemsize, rows.q.itemsize)
    warps = min(8, max(1, triton.next_power_of_2(n) // (64 * wide)))
    lanes = min(32 * wide * warps, triton.next_power_of_2(n))
    size = {"LANES": lanes, "TILES": 1 if n <= lanes else 2, "num_warps": warps}
    return {**size, "maxnreg": 128} if warps == 8 else size


def part_count(rows: Rows) -> int:
    """How many programs share a row: two for each multiprocessor, none below eight blocks."""
    if rows.p.device.type != "cuda":
        return 1
    processors = torch.cuda.get_device_properties(rows.p.device).multi_processor_count
    size = block(rows)
    most = rows.p.shape[-1] // (8 * size["LANES"] * size["TILES"])
    return max(1, min(2 * processors // rows.number, most)) if rows.number < processors else 1


def source(rows: Rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return rows.p, rows.q, rows.keep


def targets(rows: Rows, grads: Grads) -> list[torch.Tensor]:
    """Where the gradients go; a pointer that is not used needs no array."""
    return [rows.p if grad is None else grad for grad in grads]


def run_logits(rows: Rows, grads: Grads, scale: float) -> torch.Tensor:
    """KL and the masses of p and q, one program for each row."""
    out = torch.empty(3, rows.number, dtype=torch.float32, device=rows.p.device)
    logits_rows[(rows.number,)](
        *(*source(rows), *targets(rows, grads), rows.upstream, out),
        *(rows.p.shape[-1], rows.inner, rows.steps, scale),
        MASKED=rows.masked,
        EXACT=torch.float32 in (rows.p.dtype, rows.q.dtype),
        WANT_P=grads[0] is not None,
        WANT_Q=grads[1] is not None,
        **block(rows),
    )
    return out


def run_probs(rows: Rows, grads: Grads) -> torch.Tensor:
    """KL and the totals of p and q, one program for each row."""
    out = torch.empty(3, rows.number, dtype=torch.float32, device=rows.p.device)
    probs_rows[(rows.number,)](
        *(*source(rows), *targets(rows, grads), rows.upstream, out),
        *(rows.p.shape[-1], rows.inner, rows.steps),
        MASKED=rows.masked,
        WANT_P=grads[0] is not None,
        WANT_Q=grads[1] is not None,
        **block(rows),
    )
    return out
