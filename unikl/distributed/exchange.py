"""The autograd.Function of a sharded divergence: one exchange forward, none backward."""

import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from ..backends import torch as room
from ..core import Reduction
from ..inputs import Form
from .mixture import Sides, mixture_numbers, mixture_partials, mixture_sides
from .shards import Sent, Share, local_numbers, partials, shares

__all__ = ["Job", "Mean", "Sharded"]

Tensor = torch.Tensor

# The numbers of p that are worked on at once: little memory, and near the processor's caches.
_CHUNK, _CHUNK_ON_GPU = 2**18, 2**22


class Job(NamedTuple):
    """What to compute; every rank of the group says the same."""

    given: tuple[Form, Form]
    beta: float | None  # of the mixture of a Jensen-Shannon divergence; None for KL
    shape: tuple[int, ...]  # of the result
    group: Any
    validate: bool | None

    @property
    def rule(self) -> Reduction:
        """The reduction in one shard, whose weights may have any sum."""
        return Reduction(room, self.given, (-1,)).of_any_sum


class Sharded(torch.autograd.Function):
    """The divergence of rows p and q, whose categories are spread over a group of processes.

    The result is the same number on every rank.  Its derivatives are those of that one number in
    the rank's own categories: no rank adds up what all of them got, as the transposed all_reduce
    of a hand-written version does, which multiplies the gradient by the number of ranks.
    """

    @staticmethod
    def forward(ctx: Any, job: Job, p: Tensor, q: Tensor) -> Tensor:
        """One all_gather; for a mixture, two."""
        rule, beta, index = job.rule, job.beta, dist.get_rank(job.group)
        dtype = room.float_dtype((p, q))
        code, rows = _code(job), (p, q)
        sent = _collect(lambda p, q: local_numbers(rule, p, q), len(Sent._fields), dtype, rows)
        value, share, masses = shares(room, _gather(sent, code, job.group), index)
        sides = None
        if beta is not None:
            sent = _collect(
                lambda p, q, *own: mixture_numbers(rule, beta, Share(*own), p, q),
                4,
                dtype,
                (*rows, *share),
            )
            sides = mixture_sides(rule, _gather(sent, code, job.group), masses, index)
            value = (beta * sides.kl_p + (1 - beta) * sides.kl_q)[..., 0]
        _validate(job, value, share, rows)
        ctx.job, ctx.dtype, ctx.share, ctx.sides = job, dtype, share, sides
        ctx.save_for_backward(p, q)
        result: Tensor = value
        return result

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """What forward learned is enough: nothing is sent."""
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "a sharded divergence has first derivatives only: no create_graph=True through it"
            )
        p, q = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1], ctx.needs_input_grad[2]
        grads = [
            torch.empty_like(x) if want else None for x, want in zip((p, q), wanted, strict=True)
        ]
        numbers = (p, q, g[:, None], *ctx.share, *(ctx.sides or ()))
        for at, (p, q, upstream, *own) in _chunks(ctx.dtype, numbers):
            found = _factors(ctx.job, own, wanted, p, q)
            for grad, factors in zip(grads, found, strict=True):
                if grad is not None and factors is not None:
                    grad[at] = (upstream * factors[0]) * factors[1]
        return None, *grads


def _factors(
    job: Job, own: list[Tensor], wanted: tuple[bool, bool], p: Tensor, q: Tensor
) -> list[tuple[Tensor, Any] | None]:
    """The partial derivatives, each as two factors."""
    cut = len(Share._fields)
    if job.beta is None:
        return partials(job.rule, Share(*own), wanted, p, q)
    share, sides = Share(*own[:cut]), Sides(*own[cut:])
    return [(d, 1.0) for d in mixture_partials(job.rule, job.beta, share, sides, p, q)]


def _chunks(dtype: torch.dtype, rows: tuple[Tensor, ...]) -> Iterator[tuple[slice, list[Tensor]]]:
    """Some rows at a time, in the dtype to compute in."""
    n, categories = rows[0].shape
    size = _CHUNK if rows[0].device.type == "cpu" else _CHUNK_ON_GPU
    step = max(1, size // categories)
    for start in range(0, n, step):
        at = slice(start, start + step)
        yield at, [x[at].to(dtype) for x in rows]


def _collect(
    function: Callable[..., Tensor], count: int, dtype: torch.dtype, rows: tuple[Tensor, ...]
) -> Tensor:
    """``function`` of the rows, chunk by chunk: shape (count, rows)."""
    parts = [function(*part) for _, part in _chunks(dtype, rows)]
    return torch.cat(parts, 1) if parts else rows[0].new_empty((count, 0), dtype=dtype)


# -- the exchange ----------------------------------------------------------------------------------


def _gather(sent: Tensor, code: float, group: Any) -> Tensor:
    """The numbers of all ranks, along a last axis; NaN if they computed different things."""
    size = dist.get_world_size(group)
    if size == 1:
        return sent[..., None]
    sent = torch.cat([sent, sent.new_full((len(sent), 1), code)], 1)
    everything = sent.new_empty((size, *sent.shape))
    try:
        dist.all_gather(list(everything), sent, group=group)
    except RuntimeError as error:
        raise RuntimeError(
            f"no answer from all {size} ranks of the group that hold the categories: one is lost, "
            f"did not call, or has other rows or another dtype than the {sent.shape[1] - 1} rows "
            f"of {sent.dtype} here ({error})"
        ) from error
    everything = everything.movedim(0, -1)
    # Not looked at, which would wait for an accelerator: a number that is none says it as well.
    agree = (everything[:, -1] == code).all()
    if everything.device.type == "cpu" and not agree:
        raise ValueError(
            "the ranks of the group compute different things: they differ in the function, in "
            "given, in beta or in the shape without the categories"
        )
    return torch.where(agree, everything[:, :-1], math.nan)


def _code(job: Job) -> float:
    """A number for what is computed, exact in any dtype."""
    return float(zlib.crc32(repr((job.given, job.beta, job.shape)).encode()) % 2**23)


def _validate(job: Job, value: Tensor, share: Share, rows: tuple[Tensor, Tensor]) -> None:
    """Raise ValueError, on all ranks alike, where the whole rows are no distributions."""
    if job.validate is False or (job.validate is None and value.device.type != "cpu"):
        return
    for name, form, mass, x in zip(
        "pq", job.given, (share.mass_p, share.mass_q), rows, strict=True
    ):
        tolerance = room.eps(x.dtype if x.is_floating_point() else value.dtype) ** 0.5
        off = (mass - 1).abs() > tolerance
        if form in ("probs", "log_probs") and off.any():
            low, high = mass[off].min().item(), mass[off].max().item()
            raise ValueError(
                f"rows of {name} sum to between {low:.3g} and {high:.3g} over all shards, not 1 "
                f"({int(off.sum())} of {len(off)} rows; tolerance {tolerance:.1e}); for "
                "unnormalised weights pass given='counts', for logits given='logits'"
            )
    if value.isnan().any():
        raise ValueError(
            f"the divergence is NaN in {int(value.isnan().sum())} of {len(value)} rows: p or q "
            "holds NaN, +inf or a negative weight on some rank, or has no mass on any; pass "
            "validate=False to get NaN there instead"
        )


class Mean(torch.autograd.Function):
    """See `unikl.distributed.torch.mean`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, group: Any, averaged: bool) -> Tensor:
        """One all_reduce of the sum and the count, in float64: float32 counts to 2^24."""
        kept = torch.where(weight == 0, 0.0, values)
        sums = torch.stack([x.sum(dtype=torch.float64) for x in (kept * weight, weight)])
        dist.all_reduce(sums, group=group)
        count = torch.where(sums[1] == 0, 1.0, sums[1])
        ctx.factor = dist.get_world_size(group) if averaged else 1
        ctx.save_for_backward(weight, count)
        return (sums[0] / count).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """The gradient of the whole mean in this rank's values; nothing is sent."""
        weight, count = ctx.saved_tensors
        return ((g * ctx.factor / count).to(g.dtype) * weight), None, None, None
