"""DTensors: where their axes lie decides what is exchanged."""

from collections.abc import Callable
from typing import Any

import torch
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard

__all__ = ["are_dtensors", "by_placement"]


def are_dtensors(p: Any, q: Any) -> bool:
    """Both?  TypeError if only one is."""
    kinds = [isinstance(x, DTensor) for x in (p, q)]
    if any(kinds) and not all(kinds):
        which = "p" if kinds[0] else "q"
        raise TypeError(
            f"{which} is a DTensor and the other one is not: make both DTensors with one placement "
            "(torch.distributed.tensor.distribute_tensor), or take the local shards of both"
        )
    return kinds[0]


def by_placement(
    p: DTensor, q: DTensor, axes: tuple[int, ...], divergence: Callable[..., torch.Tensor]
) -> DTensor:
    """``divergence(p, q, group)`` of the local shards, where group shards the axes (or is None).

    The result lies as p and q do, replicated where the categories were sharded.
    """
    _check(p, q)
    mesh, axes = p.device_mesh, tuple(sorted([_positive(axis, p.ndim) for axis in axes]))
    over = [i for i, one in enumerate(p.placements) if isinstance(one, Shard) and one.dim in axes]
    if len(over) > 1 or (over and len(axes) > 1):
        raise ValueError(
            f"the categories lie on axes {axes}, sharded over {len(over)} dimensions of the mesh: "
            "at most one axis over one dimension; flatten them into one, or redistribute p and q"
        )
    group = mesh.get_group(over[0]) if over else None
    local = [x.to_local(grad_placements=p.placements) for x in (p, q)]
    placements: list[Placement] = []
    for i, one in enumerate(p.placements):
        if i in over:
            placements.append(Replicate())
        elif isinstance(one, Shard):
            placements.append(Shard(one.dim - sum([axis < one.dim for axis in axes])))
        else:
            placements.append(one)
    # With the global shape: from the local ones it would come out wrong where they are uneven.
    shape = torch.Size([n for i, n in enumerate(p.shape) if i not in axes])
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(
        divergence(*local, group), mesh, placements, run_check=False, shape=shape, stride=stride
    )


def _positive(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of bounds for arrays with {ndim} axes")
    return axis % ndim


def _check(p: DTensor, q: DTensor) -> None:
    if p.shape != q.shape:
        raise ValueError(f"DTensors do not broadcast here, got shapes {p.shape} and {q.shape}")
    if p.device_mesh != q.device_mesh or p.placements != q.placements:
        raise ValueError(
            f"p is placed {p.placements} on {p.device_mesh} and q {q.placements} on "
            f"{q.device_mesh}; move one to the other: q.redistribute(p.device_mesh, p.placements)"
        )
    for one in p.placements:
        if type(one) not in (Shard, Replicate):
            raise ValueError(
                f"p and q are placed {p.placements}: a divergence needs Shard or Replicate; call "
                ".redistribute first"
            )
