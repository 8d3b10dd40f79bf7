"""The fused kernels as operators that ``torch.compile`` leaves whole: ``unikl::reduce``.

They are opaque to the compiler: one call into the kernels for the value, and one in backward,
``unikl::gradients``, for the wanted gradients with the upstream gradient inside.
"""

from typing import Any

import torch

from . import host

__all__ = ["reduce", "serves"]

Tensor = torch.Tensor

# Not by the decorator torch.library.custom_op: that imports triton, which aborts a process that
# has loaded TensorFlow.
_library = torch.library.Library("unikl", "DEF")
_library.define(
    "reduce(Tensor p, Tensor q, bool linear_p, bool linear_q, int[] axis, bool keep)"
    " -> (Tensor, Tensor, Tensor, Tensor)"
)
_library.define(
    "gradients(Tensor p, Tensor q, Tensor saved, Tensor g, bool linear_p, bool linear_q,"
    " int[] axis, bool want_p, bool want_q) -> (Tensor, Tensor)"
)


def serves(rule: Any, *xs: Tensor) -> bool:
    """Can the operators stand for this rule in a compiled graph?"""
    if getattr(rule, "fused_kernel", "latents") == "latents":
        return False
    p, q = xs
    if rule.linear[0] != rule.linear[1] and xs[0 if rule.linear[0] else 1].requires_grad:
        return False
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
    keep = torch.is_grad_enabled() and (p.requires_grad or q.requires_grad)
    found = torch.ops.unikl.reduce(p, q, *rule.linear, list(rule.axis), keep)
    return found[0], found[1], found[2]


def _host_reduce(
    p: Tensor, q: Tensor, linear_p: bool, linear_q: bool, axis: list[int], keep: bool
) -> tuple[Tensor, ...]:
    rule = _rule_of(linear_p, linear_q, axis)
    views = p.detach().numpy(), q.detach().numpy()
    found = host.reduce(rule, views, (False, False), torch.get_num_threads(), keep)
    if found is None:  # nothing to reduce, or no kernels after all
        return (*rule.value(p, q), p.new_empty(0, dtype=torch.float64))
    arrays = [torch.from_numpy(x) for x in found[:3]]
    saved = torch.from_numpy(found.saved) if keep else p.new_empty(0, dtype=torch.float64)
    return (*arrays, saved)


def _host_gradients(
    p: Tensor,
    q: Tensor,
    saved: Tensor,
    g: Tensor,
    linear_p: bool,
    linear_q: bool,
    axis: list[int],
    want_p: bool,
    want_q: bool,
) -> tuple[Tensor, ...]:
    rule, wanted = _rule_of(linear_p, linear_q, axis), (want_p, want_q)
    views = [x.detach().numpy() for x in (p, q, saved, g)]
    cores = torch.get_num_threads()
    found = host.gradients(rule, (views[0], views[1]), views[2], views[3], wanted, cores)
    grads = rule.vjp(g, wanted, p, q) if found is None else map(_tensor, found)
    return tuple([p.new_empty(0) if d is None else d.contiguous() for d in grads])


def _tensor(x: Any) -> Tensor | None:
    return None if x is None else torch.from_numpy(x)


def _rule_of(linear_p: bool, linear_q: bool, axis: list[int]) -> Any:
    # The forms inside a family differ in what validation promises, not in the computation.
    from unikl.backends import torch as room
    from unikl.core import Reduction

    forms = ["counts" if linear else "logits" for linear in (linear_p, linear_q)]
    return Reduction(room, (forms[0], forms[1]), tuple(axis))


def _fake_reduce(
    p: Tensor, q: Tensor, linear_p: bool, linear_q: bool, axis: list[int], keep: bool
) -> tuple[Tensor, ...]:
    kl = p.new_empty([1 if k - p.ndim in axis else n for k, n in enumerate(p.shape)])
    size = [kl.numel(), host.SAVED] if keep else [0]
    saved = p.new_empty(size, dtype=torch.float64)
    return kl, torch.empty_like(kl), torch.empty_like(kl), saved


def _fake_gradients(p: Tensor, q: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    first, second = [p.new_empty(p.shape if wanted else [0]) for wanted in rest[-2:]]
    return first, second


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.how = inputs[2:5]
    ctx.save_for_backward(*inputs[:2], output[3])


def _backward(ctx: Any, g: Tensor, *constants: Any) -> tuple[Any, ...]:
    wanted = ctx.needs_input_grad[:2]
    found = torch.ops.unikl.gradients(*ctx.saved_tensors, g, *ctx.how, *wanted)
    grads = [d if want else None for d, want in zip(found, wanted, strict=True)]
    return (*grads, None, None, None, None)


def _vmap(info: Any, in_dims: tuple[Any, ...], p: Tensor, q: Tensor, *rest: Any) -> Any:
    moved = _in_front(info, in_dims[:2], p, q)
    return torch.ops.unikl.reduce(*moved, *rest), (0, 0, 0, None)


def _vmap_gradients(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> Any:
    p, q, g = _in_front(info, (in_dims[0], in_dims[1], in_dims[3]), *inputs[:2], inputs[3])
    saved = inputs[2]
    if in_dims[0] is None and in_dims[1] is None:  # the rows were reduced once
        saved = saved.repeat(info.batch_size, 1)
    return torch.ops.unikl.gradients(p, q, saved, g, *inputs[4:]), (0, 0)


def _in_front(info: Any, dims: tuple[Any, ...], *xs: Tensor) -> list[Tensor]:
    moved = []
    for x, dim in zip(xs, dims, strict=True):
        front = x.unsqueeze(0) if dim is None else x.movedim(dim, 0)
        moved.append(front.expand(info.batch_size, *front.shape[1:]))
    return moved


_library.impl("reduce", _host_reduce, "CPU")
_library.impl("gradients", _host_gradients, "CPU")
torch.library.register_fake("unikl::reduce", _fake_reduce, lib=_library)
torch.library.register_fake("unikl::gradients", _fake_gradients, lib=_library)
torch.library.register_autograd(
    "unikl::reduce", _backward, setup_context=_setup_context, lib=_library
)
torch.library.register_vmap("unikl::reduce", _vmap, lib=_library)
torch.library.register_vmap("unikl::gradients", _vmap_gradients, lib=_library)
