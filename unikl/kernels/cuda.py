"""Fused KL on a GPU, by Triton: from logits or probabilities, with the gradients.

`fused` is what a framework's room calls.  It serves torch tensors of half or single precision
on a CUDA device, and computes in float32: a row's value from one sweep over it where nothing
cancels, from two or three careful ones otherwise; a gradient costs one sweep more, and no
temporary.  A row is one program's; few but long rows are split among several.

All of this was tested in Triton's interpreter and compiled for a GPU, but run on none.
"""

from typing import Literal, NamedTuple

import torch
import triton

from .triton_launch import Flags, on_device, part_count, read_rows, run_logits, run_probs
from .triton_probs import scale_rows
from .triton_split import split_logits, split_probs

__all__ = ["Fused", "fused", "scale_"]


class Fused(NamedTuple):
    """The divergence of each row and the masses of p and q, in float32, with axis -1 as length 1.

    The wanted gradients have the shape and dtype of p and q (broadcast), and are contiguous.
    """

    kl: torch.Tensor
    mass_p: torch.Tensor
    mass_q: torch.Tensor
    grad_p: torch.Tensor | None
    grad_q: torch.Tensor | None


def fused(
    kind: Literal["logits", "log_probs", "probs"],
    p: torch.Tensor,
    q: torch.Tensor,
    wanted: Flags = (False, False),
    *,
    where: torch.Tensor | None = None,
    scale: float = 1.0,
    upstream: torch.Tensor | None = None,
    parts: int | None = None,
) -> Fused | None:
    r"""KL(p || q) over the last axis with the gradients in p and q, or None where not served.

    .. math:: \mathrm{KL} = \sum_i w_i \log\frac{w_i}{z_i}

    with w and z the normalised p and q; for logits, w = softmax(scale p), z = softmax(scale q).

    Parameters
    ----------
    kind : {"logits", "log_probs", "probs"}
        What both tensors hold.
    p, q : torch.Tensor
        float16, bfloat16 or float32 on one CUDA device; they broadcast.  Any strides whose leading
        axes can be walked by two of them; the last axis need not be contiguous.
    wanted : pair of bool
        Whether to give the gradient in p, in q.
    where : torch.Tensor of bool, optional
        The categories that exist, broadcast with p and q.
    scale : float
        One over the temperature, for logits.
    upstream : torch.Tensor, optional
        One number for each row, of kl's shape, that the gradients are multiplied by.
    parts : int, optional
        How many programs share a row; chosen by the sizes if None.

    Returns
    -------
    Fused or None
        None for other dtypes, devices or layouts, and for empty tensors.
    """
    rows = read_rows(p, q, where, upstream)
    if rows is None or kind not in ("logits", "log_probs", "probs") or not 0 < scale < torch.inf:
        return None
    grads = [
        torch.empty(rows.shape, dtype=x.dtype, device=p.device) if want else None
        for x, want in zip((p, q), wanted, strict=True)
    ]
    # An int 1 is a constant to the compiler, which then leaves the multiplications out.
    factor = 1 if scale == 1 else float(scale)
    with on_device(p.device):
        split = part_count(rows) if parts is None else parts
        if kind == "probs":
            out = split_probs(rows, grads, split) if split > 1 else run_probs(rows, grads)
        elif split > 1:
            out = split_logits(rows, grads, split, factor)
        else:
            out = run_logits(rows, grads, factor)
    kl, mass_p, mass_q = out.reshape(3, *rows.shape[:-1], 1).unbind()
    return Fused(kl, mass_p, mass_q, *grads)


def scale_(grad: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """Multiply each row of a contiguous gradient by its number of `upstream`, in place.

    An infinite derivative times 0 is 0, so that a row the caller left out afterwards is no NaN.
    """
    n = grad.shape[-1]
    rows = grad.numel() // n
    lanes = min(1024, triton.next_power_of_2(n))
    with on_device(grad.device):
        factors = upstream.to(torch.float32).expand(*grad.shape[:-1], 1).reshape(rows)
        scale_rows[(rows, triton.cdiv(n, lanes))](grad, factors, n, LANES=lanes)
    return grad
