"""Divergences over torch.distributed: the categories sharded, or the distributions.

Where each process holds a part of the categories (tensor parallelism, a sharded vocabulary), the
functions here exchange twelve numbers for each distribution, in one all_gather forward, and
nothing backward.  Where each holds some of the distributions (data parallelism),
`unikl.kl_divergence` exchanges nothing at all, and `mean` averages over all of them.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

import torch
import torch.distributed as dist

from .. import core
from ..backends import torch as room
from ..inputs import LINEAR, Form, read_forms
from ..losses.mixture import _Mixture, skew_jensen_shannon
from .dtensor import are_dtensors, by_placement
from .exchange import Job, Mean, Sharded

__all__ = ["jensen_shannon", "kl_divergence", "mean", "of_dtensors", "reverse_kl"]

Tensor = torch.Tensor
Forms = Form | tuple[Form, Form]


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _eagerly(function: _Function) -> _Function:
    """Dynamo breaks its graph here."""
    untraced: _Function = torch.compiler.disable(function)
    return untraced


@_eagerly
def kl_divergence(
    p: Tensor,
    q: Tensor,
    /,
    *,
    group: Any = None,
    given: Forms = "probs",
    axis: int = -1,
    where: Tensor | None = None,
    base: float | None = None,
    validate: bool | None = None,
) -> Tensor:
    r"""KL(p || q) of distributions whose categories are sharded over processes.

    .. math:: \mathrm{KL}(p \| q) = \mathrm{KL}(P \| Q) + \sum_c P_c \,\mathrm{KL}(p_{|c} \| q_{|c})

    with the masses P and Q of the shards c.  One all_gather of twelve numbers for each
    distribution, in forward; backward is local.

    Parameters
    ----------
    p, q : Tensor
        This rank's categories, of the same distributions on every rank: the shapes agree but for
        `axis`, which may have any length, 0 included.  Or two DTensors of one placement.
    group : ProcessGroup, optional
        The processes that hold the categories; None for all.  A DTensor knows its own.
    given, base, validate
        As in `unikl.kl_divergence`, of the whole distributions; "log_probs" and "probs" promise
        that they sum to 1 over all shards.  What `validate` finds, it raises on all ranks.
    axis : int
        The category axis.
    where : Tensor of bool, optional
        This rank's categories that exist (a vocabulary may be padded).

    Returns
    -------
    Tensor
        One value for each distribution, the same on every rank of the group: do not sum it over
        the group.  Its gradient in p and q is the single-process one.  For DTensors, a DTensor:
        replicated where the categories were sharded, else placed like p.

    Raises
    ------
    TypeError
        If one argument is a DTensor and the other is not.
    ValueError
        If the placements differ, the ranks compute different things, or validation fails.
    RuntimeError
        If a rank does not answer within the timeout of the group.

    Notes
    -----
    Value and gradient are within 8 eps, as those of `unikl.kl_divergence`.  First derivatives
    only.  Under torch.compile the call is a graph break.

    Examples
    --------
    In every process of a group that shards a vocabulary::

        loss = kl_divergence(teacher_logits, student_logits, group=group, given="logits").mean()
        loss.backward()
    """
    options = _Options(read_forms(given), None, axis, base, validate)
    return _divergence(p, q, where, group, options)


@_eagerly
def reverse_kl(
    p: Tensor,
    q: Tensor,
    /,
    *,
    group: Any = None,
    given: Forms = "probs",
    axis: int = -1,
    where: Tensor | None = None,
    base: float | None = None,
    validate: bool | None = None,
) -> Tensor:
    """KL(q || p), with the arguments of `kl_divergence`: it seeks a mode of p."""
    forms = read_forms(given)
    options = _Options((forms[1], forms[0]), None, axis, base, validate)
    return _divergence(q, p, where, group, options)


@_eagerly
def jensen_shannon(
    p: Tensor,
    q: Tensor,
    /,
    *,
    group: Any = None,
    given: Forms = "probs",
    beta: float = 0.5,
    axis: int = -1,
    where: Tensor | None = None,
    base: float | None = None,
    validate: bool | None = None,
) -> Tensor:
    r"""Generalised Jensen-Shannon divergence of distributions sharded over processes.

    .. math::

        \frac{\max(\beta, 1-\beta)}{\min(\beta, 1-\beta)}
        \left[\beta\, \mathrm{KL}(p \| m) + (1-\beta)\, \mathrm{KL}(q \| m)\right],
        \qquad m = \beta p + (1-\beta) q

    as `unikl.losses.jensen_shannon` has it: KL(p || q) at beta = 0, KL(q || p) at 1.  A shard's
    mixture depends on its masses of p and q beside all, so there is a second all_gather forward,
    of four numbers for each distribution; backward is local.  The other arguments, the result
    and the errors are those of `kl_divergence`.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta must be from 0 to 1, got {beta!r}")
    if beta == 1:
        return reverse_kl(
            p, q, group=group, given=given, axis=axis, where=where, base=base, validate=validate
        )
    options = _Options(read_forms(given), float(beta) or None, axis, base, validate)
    return _divergence(p, q, where, group, options)


@_eagerly
def mean(
    values: Tensor,
    group: Any = None,
    *,
    weight: Tensor | None = None,
    gradients: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """The mean of the values on all ranks, which may hold different numbers of them.

    The sum over all ranks of weight times value, over that of the weights: a mean of the ranks'
    means is another number where they hold unequally many.  One all_reduce of two numbers forward,
    none backward.

    Parameters
    ----------
    values : Tensor
        This rank's values, of any shape: one divergence for each of its distributions.
    group : ProcessGroup, optional
        The processes that hold the distributions (the data-parallel ones); None for all.  Ranks
        that share the categories of one distribution have one value between them: they are not
        in this group together.
    weight : Tensor, optional
        A non-negative weight for each value, or a mask of bool.  What has weight 0 counts for
        nothing, whatever its value.
    gradients : {"mean", "sum"}
        How the gradients of the ranks are put together afterwards: averaged, as
        DistributedDataParallel and FSDP do, or summed.  The gradient of the whole mean results
        either way; for "mean", a rank's own is that of its part times the number of ranks.

    Returns
    -------
    Tensor
        A scalar, the same on every rank; 0 if nothing counts.

    Examples
    --------
    In every process of a data-parallel training::

        loss = mean(unikl.kl_divergence(teacher, student, given="logits"), dp_group)
        loss.backward()
    """
    if gradients not in ("mean", "sum"):
        raise ValueError(f'gradients must be "mean" or "sum", got {gradients!r}')
    if hasattr(values, "placements"):
        raise TypeError("a DTensor knows its ranks: values.sum() / values.numel()")
    factors = torch.ones_like(values) if weight is None else weight.to(values)
    averaged = gradients == "mean"
    result: Tensor = Mean.apply(values, factors, group, averaged)  # type: ignore[no-untyped-call]
    return result


# -- from the arguments to rows of categories ------------------------------------------------------


class _Options(NamedTuple):
    given: Any
    beta: float | None  # of the mixture; None for KL
    axis: int
    base: float | None
    validate: bool | None


def _divergence(p: Any, q: Any, where: Any, group: Any, options: _Options) -> Tensor:
    if not are_dtensors(p, q):
        return _of_shards(options, where, p, q, dist.group.WORLD if group is None else group)
    if where is not None or group is not None:
        raise ValueError(
            "DTensors take neither group, which is their mesh's, nor where: mask the local shards"
        )
    return by_placement(p, q, (options.axis,), partial(_of_shards, options, None))


def _of_shards(options: _Options, where: Any, p: Tensor, q: Tensor, group: Any) -> Tensor:
    """As `kl_divergence` and `jensen_shannon` scale it."""
    given, beta, axis, base, validate = options
    if group is None or dist.get_world_size(group) == 1:  # all categories are here
        more: Any = {"axis": axis, "where": where, "base": base, "validate": validate}
        here: Tensor
        if beta is None:
            here = core.kl_divergence(p, q, given=given, **more)
        else:
            here = skew_jensen_shannon(p, q, given=given, beta=beta, **more)
        return here
    value = _sharded(options, where, p, q, group)
    scale = 1.0 if beta is None else max(beta, 1 - beta) / min(beta, 1 - beta)
    if base is not None:
        scale /= core.log_of_base(base)
    return value if scale == 1 else value * scale


def _sharded(options: _Options, where: Any, p: Tensor, q: Tensor, group: Any) -> Tensor:
    given, beta, axis, _, validate = options
    rows = []
    for x, form in zip(torch.broadcast_tensors(p, q), given, strict=True):
        empty = 0.0 if form in LINEAR else -math.inf
        x = (x if where is None else torch.where(where, x, empty)).movedim(axis, -1)
        if x.shape[-1] == 0:  # a category without mass is as good as none
            x = torch.nn.functional.pad(x, (0, 1), value=empty)
        rows.append(x)
    shape = rows[0].shape[:-1]
    job = Job(given, beta, tuple(shape), group, validate)
    flat = [x.reshape(-1, x.shape[-1]) for x in rows]
    value: Tensor = Sharded.apply(job, *flat)  # type: ignore[no-untyped-call]
    return value.view(shape)


def of_dtensors(rule: Any, p: Any, q: Any) -> tuple[Tensor, ...] | None:
    """``kernel(rule)(p, q)`` of DTensors, if the rule is a divergence; see `unikl.backends`."""
    reduction = rule.reduction if isinstance(rule, _Mixture) else rule
    if not isinstance(reduction, core.Reduction):
        return None
    are_dtensors(p, q)
    axes = reduction.axis

    def of_shards(p: Tensor, q: Tensor, group: Any) -> Tensor:
        if group is None:
            value: Tensor = room.kernel(rule)(p, q)[0]
            return value.squeeze(axes)
        beta = rule.beta if isinstance(rule, _Mixture) else None
        return _sharded(_Options(reduction.given, beta, axes[0], None, False), None, p, q, group)

    value = by_placement(p, q, axes, of_shards)
    kept: Tensor = value
    for one in sorted([axis % p.ndim for axis in axes]):
        kept = kept.unsqueeze(one)
    return kept, kept.detach(), kept.detach()  # for masses: nothing validates a DTensor
