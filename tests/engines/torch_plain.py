"""Checks of plain shards with a process group."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import torch
import torch.distributed as dist

import unikl
from tests.engines.torch_cases import CASES, CATEGORIES, CUTS, inputs
from tests.engines.torch_harness import (
    ARRAYS,
    OF_ONE,
    RANK,
    WORLD,
    Sent,
    check,
    distance,
    draw,
    everyone,
    gradients,
    leaves,
    parts,
    raised,
)
from unikl.distributed import torch as sharded


@check
def collectives() -> dict[str, Any]:
    """What each case sends; its arrays go to the test, which knows the truth."""
    found = {}
    for case in CASES:
        p, q, upstream = map(torch.from_numpy, inputs(case))
        p, q = leaves(parts(p), parts(q))
        with Sent() as forward:
            value = getattr(sharded, case.kind)(p, q, given=case.given, validate=False)
        with Sent() as backward:
            grads = gradients(value, upstream, p, q)
        for name, x in zip(("value", "p", "q"), (value, *grads), strict=True):
            ARRAYS[f"{case.name}-{name}"] = x.detach().numpy()
        found[case.name] = [forward.list, backward.list]
    return found


class _AllReduce(torch.autograd.Function):
    """The sum over the ranks, whose transpose is that sum again, as PyTorch's own has it."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _AllReduce.apply(g)  # type: ignore[no-untyped-call]


@check
def by_all_reduce() -> dict[str, float]:
    """The control: the gradient of the textbook's version, and ours, by one comparison."""
    total: Any = _AllReduce.apply
    a, b = draw(3, CATEGORIES)
    p, q = leaves(parts(a), parts(b))
    w, z = (x - total(x.exp().sum(-1, keepdim=True)).log() for x in (p, q))
    (textbook,) = gradients(total((w.exp() * (w - z)).sum(-1)), 2.5, p)
    x, y = leaves(a, b)
    (exact,) = gradients(unikl.kl_divergence(x, y, given="logits"), 2.5, x)
    p, q = leaves(parts(a), parts(b))
    (ours,) = gradients(sharded.kl_divergence(p, q, given="logits"), 2.5, p)
    exact = parts(exact)
    return {
        "textbook": distance(textbook, exact),
        "factor": float((textbook / exact).median()),
        "ours": distance(ours, exact),
    }


def _edges() -> tuple[Any, Any]:
    """Logits with zeros of every kind: shards without p, without q, without both."""
    zero = -torch.inf
    a, b = draw(9, CATEGORIES)
    first, last = slice(0, CUTS[WORLD][0]), slice(CUTS[WORLD][-1], None)
    a[0, first] = zero
    b[1, last] = zero  # infinite
    a[2, last] = b[2, last] = zero
    a[3, 3] = b[3, 5] = zero  # infinite
    b[4] = zero  # no distribution
    a[5, :-1] = zero
    a[6, :2] = b[6, :-1] = zero  # infinite
    a[7], b[7] = 100 * a[7], -100 * b[7]
    a[8, 1:] = b[8, first] = zero  # infinite, in one category
    return a, b


def _off(ours: Any, theirs: Any) -> float:
    """The distance in one row, where what is not finite must be the same."""
    if theirs.isnan().all():
        return 0.0 if ours.isnan().all() else 1e300
    finite = theirs.isfinite()
    same = bool((ours[~finite] == theirs[~finite]).all())
    return distance(ours[finite], theirs[finite], at_least=1.0) if same else 1e300


@check
def edges() -> dict[str, float]:
    """Values and gradients, as in one process."""
    found = {}
    a, b = _edges()
    upstream = torch.linspace(0.5, 2, len(a), dtype=torch.float64)
    upstream[1] = 0.0
    for kind, of_one in OF_ONE.items():
        for given in ("logits", "counts", ("counts", "logits"), ("log_probs", "counts")):
            forms = (given, given) if isinstance(given, str) else given
            x, y = (t.exp() if f == "counts" else t for t, f in zip((a, b), forms, strict=True))
            x, y = leaves(x, y)
            options: Any = {"given": given, "validate": False}
            exact = of_one(x, y, **options)
            p, q = leaves(parts(x), parts(y))
            got = getattr(sharded, kind)(p, q, **options)
            expected = map(parts, gradients(exact, upstream, x, y))
            pairs = [(got[:, None].detach(), exact[:, None].detach())]
            pairs += zip(gradients(got, upstream, p, q), expected, strict=True)
            worst = 1e300 if not exact.isnan().any() else 0.0
            for ours, theirs in pairs:
                worst = max(worst, *map(_off, ours, theirs))
            found[f"{kind}-{given}"] = worst
    return found


@check
def empty_rank() -> float:
    """The last rank holds no category at all."""
    a, b = draw(3, CATEGORIES)
    cut = [CATEGORIES // WORLD * k for k in range(1, WORLD - 1)] + [CATEGORIES]
    x, y = leaves(a, b)
    exact = gradients(unikl.kl_divergence(x, y, given="logits"), 1.5, x, y)
    p, q = leaves(*(torch.tensor_split(t, cut, -1)[RANK] for t in (a, b)))
    got = gradients(sharded.kl_divergence(p, q, given="logits"), 1.5, p, q)
    expected = [torch.tensor_split(t, cut, -1)[RANK] for t in exact]
    return max(distance(u, v) for u, v in zip(got, expected, strict=True))


@check
def half_precision() -> dict[str, Any]:
    """bfloat16 in, float32 out, gradients in bfloat16: as in one process."""
    a, b = (x.to(torch.bfloat16) for x in draw(3, CATEGORIES))
    x, y = leaves(a.double(), b.double())
    exact = unikl.kl_divergence(x, y, given="logits")
    expected = map(parts, gradients(exact, 1.5, x, y))
    p, q = leaves(parts(a), parts(b))
    value = sharded.kl_divergence(p, q, given="logits")
    grads = gradients(value, 1.5, p, q)
    return {
        "dtypes": [str(t.dtype) for t in (value, *grads)],
        "value": float(((value - exact) / exact).detach().abs().max()) / 2.0**-23,
        "gradients": max(
            float((u - v).norm() / v.norm()) for u, v in zip(grads, expected, strict=True)
        ),
    }


@check
def options() -> list[float]:
    """axis, where, base and broadcasting, as in one process."""
    a, b = draw(4, CATEGORIES, seed=3)
    mask = torch.ones(CATEGORIES, dtype=torch.bool)
    mask[[2, 7, 22]] = False
    found = []
    for axis in (-1, 0):
        x, y = (t.movedim(-1, axis) for t in (a, b[:1]))
        where = mask if axis == -1 else mask[:, None]
        more: Any = {"given": "logits", "axis": axis, "base": 2}
        exact = unikl.kl_divergence(x, y, where=where, **more)
        p, q = (parts(t.movedim(axis, -1)).movedim(-1, axis) for t in (x, y))
        here = parts(mask) if axis == -1 else parts(mask)[:, None]
        found.append(distance(sharded.kl_divergence(p, q, where=here, **more), exact))
    return found


class _Whole(torch.autograd.Function):
    """A function of whole tensors that every rank has, by shards: for gradcheck."""

    @staticmethod
    def forward(ctx: Any, kind: str, p: Any, q: Any) -> Any:
        ctx.xs = leaves(parts(p), parts(q))
        with torch.enable_grad():
            ctx.value = getattr(sharded, kind)(*ctx.xs, given="logits")
        return ctx.value.detach()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        mine = torch.autograd.grad(ctx.value, ctx.xs, g, retain_graph=True)
        return None, *(torch.cat(each, -1) for each in zip(*everyone(mine), strict=True))


def gradcheck() -> bool:
    """First derivatives against differences."""
    whole: Any = _Whole.apply
    a, b = leaves(*draw(1, CATEGORIES))
    return all(
        torch.autograd.gradcheck(partial(whole, kind), (a, b))
        for kind in ("kl_divergence", "jensen_shannon")
    )


@check
def refusals() -> dict[str, str]:
    """On every rank alike."""
    a, b = (parts(x.softmax(-1)) for x in draw(4, CATEGORIES))
    spoilt = a.clone()
    spoilt[2, 0] = torch.nan if RANK == 0 else spoilt[2, 0]
    (p,) = leaves(a)
    kl = sharded.kl_divergence(p, b).sum()
    wrong: Any = "percent"
    return {
        "sum": raised(lambda: sharded.kl_divergence(2 * a, b)),
        "NaN": raised(lambda: sharded.kl_divergence(spoilt, b, given="counts")),
        "silent": str(sharded.kl_divergence(spoilt, b, validate=False).isnan().tolist()),
        "disagree": raised(
            lambda: sharded.kl_divergence(a, b, given=("probs", "counts")[RANK % 2])
        ),
        "rows": raised(
            lambda: sharded.kl_divergence(*(x.reshape(2, 2, -1) if RANK else x for x in (a, b)))
        ),
        "beta": raised(lambda: sharded.jensen_shannon(a, b, beta=2.0)),
        "form": raised(lambda: sharded.kl_divergence(a, b, given=wrong)),
        "base": raised(lambda: sharded.kl_divergence(a, b, base=1.0)),
        "gradients": raised(lambda: sharded.mean(a, gradients=wrong)),
        "second order": raised(lambda: torch.autograd.grad(kl, p, create_graph=True)),
    }


def compiled() -> float:
    """torch.compile breaks the graph at the call, and goes on."""

    def loss(p: Any, q: Any) -> Any:
        return sharded.kl_divergence(2 * p, q, given="logits").mean() * 3

    p, q = leaves(*map(parts, draw(4, CATEGORIES)))
    (exact,) = torch.autograd.grad(loss(p, q), p)
    with warnings.catch_warnings():
        # Dynamo asks each tensor for .grad where it goes on after the break.
        warnings.filterwarnings("ignore", r"The \.grad attribute of a Tensor", UserWarning)
        value = torch.compile(loss, backend="eager")(p, q)
    (got,) = torch.autograd.grad(value, p)
    return distance(got, exact)


if WORLD == 2:  # once, for the time that it takes
    check(compiled)
    check(gradcheck)
