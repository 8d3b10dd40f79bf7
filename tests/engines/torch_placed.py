"""Checks of DTensors, and of distributions that are spread over ranks."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import (
    DTensor,
    Partial,
    Replicate,
    Shard,
    distribute_tensor,
)
from torch.distributed.tensor.parallel import loss_parallel
from torch.nn.parallel import DistributedDataParallel

import unikl
from tests.engines.torch_harness import (
    OF_ONE,
    RANK,
    WORLD,
    Sent,
    check,
    distance,
    draw,
    gradients,
    leaves,
    raised,
)
from unikl import losses
from unikl.distributed import torch as sharded

FLAT = init_device_mesh("cpu", (WORLD,))
SHAPE = (5, 3, 13)  # nothing divides


def placed(mesh: Any, placements: Any, *xs: Any) -> list[Any]:
    """DTensors that want gradients."""
    return [distribute_tensor(x, mesh, placements).requires_grad_() for x in xs]


def _compare(kind: str, of: Any, mesh: Any, placements: Any) -> dict[str, Any]:
    """A function of DTensors beside the one process that has everything."""
    a, b = draw(*SHAPE)
    upstream = torch.linspace(0.5, 2, 15, dtype=torch.float64).reshape(SHAPE[:2])
    x, y = leaves(a, b)
    exact = OF_ONE[kind](x, y, given="logits")
    expected = gradients(exact, upstream, x, y)
    p, q = placed(mesh, placements, a, b)
    with Sent() as forward:
        value = of(p, q, given="logits")
    weights = distribute_tensor(upstream, mesh, value.placements)
    loss = (value * weights).sum()
    with Sent() as backward:
        loss.backward()
    lies = [str(t.placements) for t in (value, p.grad, q.grad)]
    errors = [distance(value.full_tensor(), exact)]
    errors += [distance(t.grad.full_tensor(), e) for t, e in zip((p, q), expected, strict=True)]
    return {
        "error": max(errors),
        "sent": [forward.list, backward.list],
        "rows": value.to_local().numel(),
        "shape": list(value.shape),
        "lies": lies,
    }


@check
def dtensors() -> dict[str, Any]:
    """Sharded categories, by our functions, and by those that take any array."""
    found = {}
    for kind in OF_ONE:
        found[kind] = _compare(kind, getattr(sharded, kind), FLAT, [Shard(2)])
    for kind in ("kl_divergence", "jensen_shannon"):
        found[f"any {kind}"] = _compare(kind, OF_ONE[kind], FLAT, [Shard(2)])
    return found


@check
def batches() -> dict[str, Any]:
    """Sharded distributions."""
    found = {"replicated": _compare("kl_divergence", unikl.kl_divergence, FLAT, [Replicate()])}
    for kind in ("kl_divergence", "jensen_shannon"):
        found[f"ours {kind}"] = _compare(kind, getattr(sharded, kind), FLAT, [Shard(0)])
        found[f"any {kind}"] = _compare(kind, OF_ONE[kind], FLAT, [Shard(0)])
    return found


def two_dimensions() -> dict[str, Any]:
    """Data and tensor parallel."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    found = {
        kind: _compare(kind, getattr(sharded, kind), mesh, [Shard(0), Shard(2)]) for kind in OF_ONE
    }
    # Plain shards: each row of the mesh has unequally many distributions.
    a, b = draw(*SHAPE)
    x, y = leaves(a, b)
    exact = unikl.kl_divergence(x, y, given="logits").mean()
    (expected,) = gradients(exact, 2.5, x)
    row, column = mesh.get_coordinate() or (0, 0)
    cut = [torch.tensor_split(t, [4])[row] for t in (a, b, expected)]
    p, q, expected = [torch.tensor_split(t, [9], -1)[column] for t in cut]
    (p,) = leaves(p)
    kl = sharded.kl_divergence(p, q, group=mesh.get_group("tp"), given="logits")
    value = sharded.mean(kl, mesh.get_group("dp"), gradients="sum")
    (got,) = gradients(value, 2.5, p)
    found["plain"] = {"error": max(distance(value, exact), distance(got, expected))}
    return found


if WORLD == 4:
    check(two_dimensions)


@check
def other_axes() -> dict[str, Any]:
    """The categories first, or on two axes; keepdims, base."""
    a, b = draw(*SHAPE)
    p, q = placed(FLAT, [Shard(0)], a, b)
    r, s = placed(FLAT, [Shard(1)], a, b)
    found = {}
    for name, xs, options in (
        ("first", (p, q), {"axis": 0, "keepdims": True, "base": 2}),
        ("two", (r, s), {"axis": (0, 2)}),
        ("two kept", (r, s), {"axis": (0, -1), "keepdims": True}),
    ):
        more: Any = {"given": "logits", **options}
        exact = unikl.kl_divergence(a, b, **more)
        value = unikl.kl_divergence(*xs, **more)
        found[name] = distance(value.full_tensor(), exact) if value.shape == exact.shape else 1e300
    own: Any = sharded.kl_divergence(p, q, axis=0, given="logits", base=2)
    found["ours"] = distance(
        own.full_tensor(), unikl.kl_divergence(a, b, axis=0, given="logits", base=2)
    )
    return found


@check
def data_parallel() -> dict[str, Any]:
    """DistributedDataParallel, with unequally many distributions: the gradient of the whole."""
    a, b = draw(7, 6)
    cut = {2: [5], 4: [1, 3, 6]}[WORLD]
    x, y = (torch.tensor_split(t, cut)[RANK] for t in (a, b))
    torch.manual_seed(0)
    whole = torch.nn.Linear(6, 6).double()
    weight = torch.linspace(0, 1, 7, dtype=torch.float64)
    exact = losses.kl_loss(b, whole(a), given="logits", weight=weight)
    expected = torch.autograd.grad(exact, list(whole.parameters()))
    model = DistributedDataParallel(whole)
    output = model(x)
    with Sent() as forward:
        kl = unikl.kl_divergence(y, output, given="logits")
    with Sent() as mean:
        loss = sharded.mean(kl, weight=torch.tensor_split(weight, cut)[RANK])
    loss.backward()
    got = [w.grad for w in model.parameters()]
    errors = [distance(u, v) for u, v in zip(got, expected, strict=True)]
    of_means = kl.detach().mean()  # the control
    torch.distributed.all_reduce(of_means)
    return {
        "error": max(distance(loss, exact), *errors),
        "sent": [forward.list, mean.list],
        "mean of means": distance(
            of_means / WORLD, unikl.kl_divergence(b, whole(a), given="logits").mean()
        ),
        "nothing": float(sharded.mean(kl.detach(), weight=torch.zeros_like(kl))),
    }


@check
def in_loss_parallel() -> dict[str, float]:
    """Inside that context PyTorch's own gradient is wrong; ours must not be."""
    a, b = draw(*SHAPE)
    (y,) = leaves(b)
    (expected,) = gradients(unikl.kl_divergence(a, y, given="logits"), 1.0, y)
    found = {}
    for name in ("torch", "ours", "any"):
        p, q = placed(FLAT, [Shard(2)], a, b)
        with loss_parallel():
            if name == "torch":
                logs = F.log_softmax(q, -1), F.log_softmax(p.detach(), -1)
                F.kl_div(*logs, reduction="sum", log_target=True).backward()
            else:
                of: Any = sharded.kl_divergence if name == "ours" else unikl.kl_divergence
                of(p, q, given="logits").sum().backward()
        found[name] = distance(q.grad.full_tensor(), expected)
    return found


@check
def misplaced() -> dict[str, str]:
    """An error on every rank, before anything is sent."""
    a, b = draw(*SHAPE)
    p, q = placed(FLAT, [Shard(2)], a, b)
    r, s = placed(FLAT, [Shard(0)], a, b)
    sums = DTensor.from_local(a, FLAT, [Partial()])
    found = {}
    for name, of in (("ours", sharded.kl_divergence), ("any", unikl.kl_divergence)):
        for case, xs in {
            "placements": (p, s),
            "plain q": (p, b),
            "plain p": (a, q),
            "partial": (sums, sums),
        }.items():
            with Sent() as sent:
                found[f"{name}: {case}"] = raised(partial(of, *xs, given="logits"))
            assert not sent.list
    found["two axes"] = raised(lambda: unikl.kl_divergence(r, s, axis=(0, 2), given="logits"))
    found["mesh"] = raised(lambda: sharded.kl_divergence(r, s, group=FLAT.get_group()))
    found["axis"] = raised(lambda: sharded.kl_divergence(r, s, axis=3))
    found["shapes"] = raised(
        lambda: sharded.kl_divergence(r, placed(FLAT, [Shard(0)], b[:, :1])[0])
    )
    found["mean"] = raised(lambda: sharded.mean(r))
    moved: Any = sharded.kl_divergence(p, s.redistribute(FLAT, p.placements), given="logits")
    exact = unikl.kl_divergence(a, b, given="logits")
    assert distance(moved.full_tensor(), exact) < 8
    return found
