"""PyTorch's way into the fused kernels: autograd.Functions around whole reductions."""

import sys
from functools import partial
from typing import Any

import torch
from torch.autograd import forward_ad

from unikl.kernels import host

Array = Any


class _Fused(torch.autograd.Function):
    """The value in forward, the gradients in backward, with the upstream gradient inside.

    So a gradient is written once (in half precision: rounded once), and only what is wanted of
    it; nothing is kept but p, q and some numbers of each row.
    """

    @staticmethod
    def forward(ctx: Any, rule: Any, gradients: Any, results: Any, *xs: Array) -> Any:
        ctx.rule, ctx.gradients = rule, gradients
        ctx.save_for_backward(*xs)
        ctx.set_materialize_grads(False)
        if type(results) is not tuple:
            return results
        ctx.mark_non_differentiable(*results[1:])
        return results

    @staticmethod
    def backward(ctx: Any, g: Array | None, *constants: Any) -> Any:
        wanted = ctx.needs_input_grad[3:]
        if g is None:
            return (None, None, None, *[None] * len(wanted))
        xs = ctx.saved_tensors
        found = None if torch.is_grad_enabled() else ctx.gradients(xs, g, wanted)
        if found is None:  # also where this backward is itself to be differentiated
            found = _by_formulas(ctx.rule, xs, g, wanted)
        return (None, None, None, *found)


def _by_formulas(rule: Any, xs: tuple[Array, ...], g: Array, wanted: Any) -> list[Array | None]:
    g = g if g.ndim == xs[0].ndim else g.unsqueeze(-1)
    if xs[0].dtype == g.dtype:
        found: list[Array | None] = rule.vjp(g, wanted, *xs)
        return found
    grads = rule.vjp(g, wanted, *[x.to(torch.float32) for x in xs])
    return [d if d is None else d.to(x.dtype) for d, x in zip(grads, xs, strict=True)]


_HALVES = (torch.float16, torch.bfloat16)
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
    found = host.reduce(rule, views, (False, False), torch.get_num_threads(), any(wanted))
    if found is None:
        return None
    results = tuple([torch.from_numpy(y) for y in found[:3]])
    if not any(wanted):
        return results
    gradients = partial(_gradients, rule, found.saved)
    return _Fused.apply(rule, gradients, results, *xs)  # type: ignore


def _gradients(rule: Any, saved: Any, xs: tuple[Array, ...], g: Array, wanted: Any) -> Any:
    """The cotangents by the kernels, or None."""
    try:
        p, q, upstream = [x.detach().numpy() for x in (*xs, g)]
    except RuntimeError:  # inside vmap
        return None
    found = host.gradients(rule, (p, q), saved, upstream, wanted, torch.get_num_threads())
    if found is None:
        return None
    return [None if d is None else torch.from_numpy(d) for d in found]


def fused(p: Any, q: Any, given: Any, validate: bool | None, rule_of: Any, /) -> Array | None:
    """See `unikl.backends.Backend.fused`."""
    if torch.compiler.is_compiling() or type(q) not in _PLAIN or type(p) not in _PLAIN:
        return None
    if p.is_cuda or p.dtype in _HALVES:
        return _of_halves(p, q, given, validate, rule_of)
    views = _views((p, q))
    if views is None:
        return None
    grad = torch.is_grad_enabled()
    wanted = (grad and p.requires_grad, grad and q.requires_grad)
    found = host.plain(views[0], views[1], given, validate, torch.get_num_threads(), wanted)
    if found is None:
        return None
    kl = torch.from_numpy(found[0])
    if found[1] is None:
        return kl
    rule = rule_of(sys.modules["unikl.backends.torch"], given)
    return _Fused.apply(rule, partial(_gradients, rule, found[1]), kl, p, q)  # type: ignore


# -- half precision, and the GPU ------------------------------------------------------------------


def _of_halves(p: Array, q: Array, given: Any, validate: bool | None, rule_of: Any) -> Array | None:
    if p.dtype != q.dtype or p.shape != q.shape or p.device != q.device or type(given) is not str:
        return None
    if any(forward_ad.unpack_dual(x).tangent is not None for x in (p, q)):
        return None
    keep = torch.is_grad_enabled() and (p.requires_grad or q.requires_grad)
    if not p.is_cuda:
        found = _half_on_host(given, keep, p.detach(), q.detach())
    elif host.triton() and not validate:
        found = _on_gpu(given, p.detach(), q.detach(), (False, False), None)
    else:
        return None
    if found is None or (validate is not False and not p.is_cuda and _is_off(given, p, *found[:3])):
        return None
    kl = found[0].squeeze(-1)
    if not keep:
        return kl
    gradients: Any = partial(_half_gradients_on_host, given, found[3])
    if p.is_cuda:
        gradients = partial(_gradients_on_gpu, given)
    rule = rule_of(sys.modules["unikl.backends.torch"], given)
    return _Fused.apply(rule, gradients, kl, p, q)  # type: ignore


def _bits(xs: tuple[Array, ...]) -> tuple[Any, Any] | None:
    try:
        return tuple([x.view(torch.int16).numpy().view("uint16") for x in xs])
    except (RuntimeError, TypeError):  # inside vmap or grad; without numbers
        return None


def _half_on_host(given: str, keep: bool, p: Array, q: Array) -> Any:
    """(KL, masses, what the gradients need), or None: see `unikl.kernels.host.reduce_half`."""
    bits, brain = _bits((p, q)), p.dtype == torch.bfloat16
    if bits is None:
        return None
    found = host.reduce_half(*bits, brain, given, keep, torch.get_num_threads())
    return found and (*[torch.from_numpy(x) for x in found[:3]], found[3])


def _half_gradients_on_host(
    given: str, saved: Any, xs: tuple[Array, ...], g: Array, wanted: Any
) -> Any:
    bits, factor, dtype = _bits(tuple([x.detach() for x in xs])), _views((g,)), xs[0].dtype
    if bits is None or factor is None:
        return None
    brain, cores = dtype == torch.bfloat16, torch.get_num_threads()
    found = host.gradients_half(*bits, brain, given, saved, factor[0], wanted, cores)
    return found and [
        None if d is None else torch.from_numpy(d.view("int16")).view(dtype) for d in found
    ]


def _on_gpu(
    given: str, p: Array, q: Array, wanted: tuple[bool, bool], g: Array | None
) -> tuple[Array | None, ...] | None:
    from unikl.kernels import cuda

    if given == "counts":
        return None
    return cuda.fused(given, p, q, wanted, upstream=g)  # type: ignore[arg-type]


def _gradients_on_gpu(given: str, xs: tuple[Array, ...], g: Array, wanted: Any) -> Any:
    found = _on_gpu(given, xs[0], xs[1], wanted, g.unsqueeze(-1))
    return found and found[-2:]


def _is_off(given: str, like: Array, kl: Array, mass_p: Array, mass_q: Array) -> bool:
    """Would validation object to a mass?"""
    tolerance = torch.finfo(like.dtype).eps ** 0.5
    off = max(float((mass - 1).abs().max()) for mass in (mass_p, mass_q))
    return given in ("probs", "log_probs") and off > tolerance
