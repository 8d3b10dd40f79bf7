"""The fused kernels as an operator that ``torch.compile`` leaves whole: ``unikl::reduce``.

It is opaque to the compiler: one call into the kernels, which also yields the gradients that
will be wanted.  Inside a graph the backward is the multiplication alone, fused with what follows.
"""

from typing import Any

import torch

from . import host

__all__ = ["reduce", "serves"]

Tensor = torch.Tensor
_HUGE = 0.99

# Not by the decorator torch.library.custom_op: that imports triton, which aborts a process that
# has loaded TensorFlow.
_library = torch.library.Library("unikl", "DEF")
_library.define(
    "reduce(Tensor p, Tensor q, bool linear, int[] axis, bool want_p, bool want_q)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)


def serves(rule: Any, *xs: Tensor) -> bool:
    """Can the operator stand for this rule in a compiled graph?"""
    if getattr(rule, "fused_kernel", None) not in ("weights", "logs"):
        return False
    p, q = xs
    return (
        p.device.type == "cpu"
        and p.dtype in (torch.float32, torch.float64)
        and p.dtype == q.dtype
        and p.shape == q.shape
        and host.installed()
        and not torch.compiler.is_exporting()
    )


def reduce(rule: Any, p: Tensor, q: Tensor) -> tuple[Tensor, ...]:
    """Value and masses, as a differentiable operator."""
    grad = torch.is_grad_enabled()
    wanted = (grad and p.requires_grad, grad and q.requires_grad)
    found = torch.ops.unikl.reduce(p, q, rule.linear[0], list(rule.axis), *wanted)
    return found[0], found[1], found[2]


def _host_reduce(
    p: Tensor, q: Tensor, linear: bool, axis: list[int], want_p: bool, want_q: bool
) -> tuple[Tensor, ...]:
    rule = _rule_of(linear, tuple(axis))
    views = p.detach().numpy(), q.detach().numpy()
    found = host.reduce(rule, views, (want_p, want_q), torch.get_num_threads())
    if found is None:  # nothing to reduce, or no kernels after all
        values = rule.value(p, q)
        gradients = rule.vjp(torch.ones_like(values[0]), (want_p, want_q), p, q)
        return (*values, *[p.new_empty(0) if d is None else d for d in gradients])
    arrays = [torch.from_numpy(x) for x in (found.kl, found.mass_p, found.mass_q)]
    for wanted, gradient in zip((want_p, want_q), found.gradients, strict=True):
        arrays.append(torch.from_numpy(gradient).contiguous() if wanted else p.new_empty(0))
    return tuple(arrays)


def _rule_of(linear: bool, axis: tuple[int, ...]) -> Any:
    # The forms inside a family differ in what validation promises, not in the computation.
    from unikl.backends import torch as room
    from unikl.core import Reduction

    form = "counts" if linear else "logits"
    return Reduction(room, (form, form), axis)


def _fake_reduce(
    p: Tensor, q: Tensor, linear: bool, axis: list[int], want_p: bool, want_q: bool
) -> tuple[Tensor, ...]:
    kept = [1 if k - p.ndim in axis else n for k, n in enumerate(p.shape)]
    gradients = [p.new_empty(p.shape if wanted else [0]) for wanted in (want_p, want_q)]
    return (*[p.new_empty(kept) for _ in range(3)], *gradients)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.wanted = inputs[4:6]
    ctx.save_for_backward(*output[3:])


def _backward(ctx: Any, g: Tensor, *constants: Any) -> tuple[Any, ...]:
    cotangents: list[Tensor | None] = []
    for wanted, d in zip(ctx.wanted, ctx.saved_tensors, strict=True):
        if not wanted:
            cotangents.append(None)
            continue
        # In two factors, so that an upstream zero gives zero where a derivative is infinite.
        huge = _HUGE * torch.finfo(d.dtype).max
        factor = torch.where(torch.isinf(d), torch.full_like(d, huge), torch.ones_like(d))
        cotangents.append((g * torch.clamp(d, -huge, huge)) * factor)
    return (*cotangents, None, None, None, None)


def _vmap(info: Any, in_dims: tuple[Any, ...], p: Tensor, q: Tensor, *rest: Any) -> Any:
    moved = []
    for x, dim in zip((p, q), in_dims[:2], strict=True):
        front = x.unsqueeze(0) if dim is None else x.movedim(dim, 0)
        moved.append(front.expand(info.batch_size, *front.shape[1:]))
    return torch.ops.unikl.reduce(*moved, *rest), (0, 0, 0, 0, 0)


_library.impl("reduce", _host_reduce, "CPU")
torch.library.register_fake("unikl::reduce", _fake_reduce, lib=_library)
torch.library.register_autograd(
    "unikl::reduce", _backward, setup_context=_setup_context, lib=_library
)
torch.library.register_vmap("unikl::reduce", _vmap, lib=_library)
