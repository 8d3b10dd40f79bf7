"""PyTorch: one autograd.Function that carries the core's JVP and VJP."""

from collections.abc import Callable
from typing import Any

import torch
from array_api_compat import torch as xp

from unikl.kernels import torch_op

from . import torch_fused
from .generic import pick_float_dtype
from .torch_fused import fused

__all__ = [
    "asarray",
    "broadcast",
    "concrete",
    "eps",
    "float_dtype",
    "fused",
    "kernel",
    "largest",
    "max",
    "readable",
    "shape",
    "smallest_normal",
    "stop_gradient",
    "sum",
    "to_numpy",
    "xp",
]

Array = Any


def asarray(x: Any, like: Array | None = None, /) -> Array:
    if isinstance(x, torch.Tensor):
        return x
    if like is None:
        return torch.as_tensor(x)
    y = torch.as_tensor(x, device=like.device)
    wide = y.is_floating_point() and like.dtype == torch.float64
    return torch.as_tensor(x, dtype=torch.float64, device=like.device) if wide else y


def shape(x: Array, /) -> tuple[int | None, ...]:
    return tuple(x.shape)


def float_dtype(arrays: tuple[Array, ...], /) -> Any:
    halves = (torch.float16, torch.bfloat16)
    wide = torch.get_default_dtype() == torch.float64
    default = torch.float64 if wide else torch.float32
    return pick_float_dtype(xp, [x.dtype for x in arrays], halves, default)


def eps(dtype: Any, /) -> float:
    return torch.finfo(dtype).eps


def smallest_normal(dtype: Any, /) -> float:
    return torch.finfo(dtype).smallest_normal


def largest(dtype: Any, /) -> float:
    return torch.finfo(dtype).max


def sum(x: Array, axis: tuple[int, ...], /) -> Array:
    return torch.sum(x, dim=axis, keepdim=True)


def max(x: Array, axis: tuple[int, ...], /) -> Array:
    return torch.amax(x, dim=axis, keepdim=True)


def broadcast(arrays: tuple[Array, ...], axis: tuple[int, ...], /) -> list[Array]:
    return list(torch.broadcast_tensors(*arrays))


def stop_gradient(x: Array, /) -> Array:
    return x.detach()


class _Kernel(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(rule: Any, *xs: Array) -> Any:
        return rule.value(*xs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.rule, *xs = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*xs)
        ctx.save_for_forward(*xs)

    @staticmethod
    def backward(ctx: Any, g: Array | None, *constants: Any) -> Any:
        if g is None:
            return (None,) * len(ctx.needs_input_grad)
        wanted = tuple(ctx.needs_input_grad[1:])
        return (None, *ctx.rule.vjp(g, wanted, *ctx.saved_tensors))


class _KernelWithJvp(_Kernel):
    """In a class of its own, because Dynamo cannot trace a Function that has a jvp."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return (ctx.rule.jvp(tangents[1:], *ctx.saved_tensors), None, None)


def kernel(rule: Any, /) -> Callable[..., tuple[Array, ...]]:
    def call(*xs: Array) -> tuple[Array, ...]:
        result: tuple[Array, ...]
        if torch.compiler.is_compiling() and torch_op.serves(rule, *xs):
            result = torch_op.reduce(rule, *xs)
        elif not torch.compiler.is_compiling():
            found = torch_fused.by_kernel(rule, xs)
            if found is not None:
                return found
            if len(xs) == 2 and (_is_dtensor(xs[0]) or _is_dtensor(xs[1])):
                from unikl.distributed.torch import of_dtensors

                found = of_dtensors(rule, *xs)
                if found is not None:
                    return found
            result = _KernelWithJvp.apply(rule, *xs)  # type: ignore[no-untyped-call]
        elif torch.is_grad_enabled() and any(x.requires_grad for x in xs):
            result = _Kernel.apply(rule, *xs)  # type: ignore[no-untyped-call]
        else:  # Dynamo traces no Function whose inputs need no gradient
            result = rule.value(*xs)
        return result

    return call


def concrete(x: Array, /) -> bool:
    return not torch.compiler.is_compiling() and x.device.type == "cpu" and readable(x)


def _is_dtensor(x: Array) -> bool:
    return hasattr(x, "placements")


def readable(x: Array, /) -> bool:
    if torch.compiler.is_compiling() or _is_dtensor(x):
        return False
    try:
        x.data_ptr()  # vmap's, grad's and fake tensors have no storage of their own
    except RuntimeError:
        return False
    return bool(x.device.type != "meta")


def to_numpy(x: Array, /) -> Any:
    x = x.detach().cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()
