"""PyTorch's way into the fused kernels: autograd.Functions around whole reductions."""

import sys
from functools import partial
from typing import Any

import torch
from torch.autograd import forward_ad

from unikl.kernels import host

Array = Any


class _Fused(torch.autograd.Function):
    """One pass computed the value and the wanted gradients; backward only scales them."""

    @staticmethod
    def forward(ctx: Any, rule: Any, results: Any, gradients: Any, *xs: Array) -> Any:
        ctx.rule, ctx.gradients = rule, gradients
        ctx.save_for_backward(*xs)
        ctx.set_materialize_grads(False)
        value, *constants = [torch.from_numpy(y) for y in results]
        ctx.mark_non_differentiable(*constants)
        return (value, *constants) if constants else value

    @staticmethod
    def backward(ctx: Any, g: Array | None, *constants: Any) -> Any:
        wanted = tuple(ctx.needs_input_grad[3:])
        if g is None:
            return (None,) * len(ctx.needs_input_grad)
        # The gradients are given away: a second backward, and one that is itself differentiated,
        # or has infinities to multiply, takes the formulas.
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None or torch.is_grad_enabled():
            rule, g = ctx.rule, g if g.ndim == ctx.saved_tensors[0].ndim else g.unsqueeze(-1)
            return (None, None, None, *rule.vjp(g, wanted, *ctx.saved_tensors))
        grads = [None if d is None else torch.from_numpy(d) for d in gradients]
        if g.numel() and not any(g.stride()) and g.view(-1)[0] == 1:  # an expanded 1, of a sum
            return (None, None, None, *grads)
        g = g if g.ndim == ctx.saved_tensors[0].ndim else g.unsqueeze(-1)
        return (None, None, None, *[None if d is None else d.mul_(g) for d in grads])


_PLAIN = (torch.Tensor, torch.nn.Parameter)  # other classes mean more than their numbers


def _views(xs: tuple[Array, ...]) -> tuple[Any, ...] | None:
    """NumPy views of plain tensors in host memory, which nothing but reverse mode watches."""
    views = []
    for x in xs:
        if type(x) not in _PLAIN or not x.is_cpu or forward_ad.unpack_dual(x).tangent is not None:
            return None
        try:
            views.append((x.detach() if x.requires_grad else x).numpy())
        except (RuntimeError, TypeError):
            # Inside vmap or grad, fake, lazily negated or sparse, or of a dtype NumPy has not.
            return None
    return tuple(views)


def by_kernel(rule: Any, xs: tuple[Array, ...]) -> tuple[Array, ...] | None:
    """By the kernels for host memory, if these are plain tensors there."""
    views = _views(xs)
    if views is None:
        return None
    grad = torch.is_grad_enabled()
    wanted: Any = tuple([grad and x.requires_grad for x in xs])
    fused = host.reduce(rule, views, wanted, torch.get_num_threads())
    if fused is None:
        return None
    results = fused.kl, fused.mass_p, fused.mass_q
    if not any(wanted):
        return tuple([torch.from_numpy(y) for y in results])
    gradients = fused.gradients if fused.finite else None
    result: tuple[Array, ...] = _Fused.apply(  # type: ignore[no-untyped-call]
        rule, results, gradients, *xs
    )
    return result


class _InTwoPasses(torch.autograd.Function):
    """The value in forward, the gradients in backward, with the upstream gradient inside.

    So a gradient in half precision is rounded once, and nothing is kept but p and q.
    """

    @staticmethod
    def forward(ctx: Any, rule: Any, run: Any, kl: Array, *xs: Array) -> Any:
        ctx.rule, ctx.run = rule, run
        ctx.save_for_backward(*xs)
        return kl

    @staticmethod
    def backward(ctx: Any, g: Array) -> Any:
        xs, wanted = ctx.saved_tensors, tuple(ctx.needs_input_grad[3:])
        found = None if torch.is_grad_enabled() else ctx.run(*xs, wanted, g.unsqueeze(-1))
        if found is None:
            wide = [x.to(torch.float32) for x in xs]
            grads = ctx.rule.vjp(g.unsqueeze(-1), wanted, *wide)
            found = [d if d is None else d.to(x.dtype) for d, x in zip(grads, xs, strict=True)]
        return (None, None, None, *found[-2:])


def fused(p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /) -> Array | None:
    """See `unikl.backends.Backend.fused`."""
    if torch.compiler.is_compiling() or type(q) not in _PLAIN or type(p) not in _PLAIN:
        return None
    if p.is_cuda or p.dtype in (torch.float16, torch.bfloat16):
        return _in_two_passes(p, q, given, validate, rule_of)
    views = _views((p, q))
    if views is None:
        return None
    grad = torch.is_grad_enabled()
    wanted = (grad and p.requires_grad, grad and q.requires_grad)
    found = host.plain(views[0], views[1], given, validate, torch.get_num_threads(), wanted)
    if found is None:
        return None
    if not any(wanted):
        return torch.from_numpy(found[0])
    return _Fused.apply(  # type: ignore[no-untyped-call]
        rule_of(sys.modules["unikl.backends.torch"], given), found[:1], found[1:], p, q
    )


def _in_two_passes(
    p: Array, q: Array, given: Any, validate: bool | None, rule_of: Any
) -> Array | None:
    if p.dtype != q.dtype or p.shape != q.shape or p.device != q.device or type(given) is not str:
        return None
    if any(forward_ad.unpack_dual(x).tangent is not None for x in (p, q)):
        return None
    if not p.is_cuda:
        run: Any = partial(_half_on_host, given)
    elif host.triton() and not validate:
        run = partial(_on_gpu, given)
    else:
        return None
    found = run(p.detach(), q.detach(), (False, False), None)
    if found is None or (validate is not False and not p.is_cuda and _is_off(given, p, *found[:3])):
        return None
    kl = found[0].squeeze(-1)
    if not (torch.is_grad_enabled() and (p.requires_grad or q.requires_grad)):
        return kl
    rule = rule_of(sys.modules["unikl.backends.torch"], given)
    return _InTwoPasses.apply(rule, run, kl, p, q)  # type: ignore[no-untyped-call]


def _half_on_host(
    given: str, p: Array, q: Array, wanted: tuple[bool, bool], g: Array | None
) -> tuple[Array | None, ...] | None:
    """(KL, masses, gradients), or None: see `unikl.kernels.host.reduce_half`."""
    try:
        bits = [x.view(torch.int16).numpy().view("uint16") for x in (p, q)]
    except (RuntimeError, TypeError):  # inside vmap or grad; without numbers
        return None
    upstream = None if g is None else g.to(torch.float32).contiguous().view(-1).numpy()
    brain, cores = p.dtype == torch.bfloat16, torch.get_num_threads()
    found = host.reduce_half(bits[0], bits[1], brain, given, wanted, upstream, cores)
    if found is None:
        return None
    numbers = [torch.from_numpy(x) for x in found[:3]]
    grads = [
        None if d is None else torch.from_numpy(d.view("int16")).view(p.dtype) for d in found[3:]
    ]
    return (*numbers, *grads)


def _on_gpu(
    given: str, p: Array, q: Array, wanted: tuple[bool, bool], g: Array | None
) -> tuple[Array | None, ...] | None:
    from unikl.kernels import cuda

    if given == "counts":
        return None
    return cuda.fused(given, p, q, wanted, upstream=g)  # type: ignore[arg-type]


def _is_off(given: str, like: Array, kl: Array, mass_p: Array, mass_q: Array) -> bool:
    """Would validation object to a mass?"""
    tolerance = torch.finfo(like.dtype).eps ** 0.5
    off = max(float((mass - 1).abs().max()) for mass in (mass_p, mass_q))
    return given in ("probs", "log_probs") and off > tolerance
