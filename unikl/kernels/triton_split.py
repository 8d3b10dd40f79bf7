"""A few long rows on a GPU: several programs share a row, and PyTorch folds what they found.

The sweeps are those of one program a row, launched one after the other.  What is folded between
them is a few numbers for each part, in float64; nothing waits for the host.  The constant that a
sweep measures (see `unikl.kernels.triton_sweeps`) always goes into one more sweep.
"""

from typing import NamedTuple

import torch
import triton

from .triton_launch import Grads, Rows, block, source, targets
from .triton_logits import logits_parts
from .triton_probs import probs_parts

__all__ = ["split_logits", "split_probs"]

_UNIT = 2.0**32  # that of `unikl.kernels.triton_probs`


class _Parts(NamedTuple):
    """How rows are split, and what the programs read and leave there."""

    number: int
    length: int
    state: torch.Tensor
    sums: torch.Tensor


def _split(rows: Rows, parts: int, state: int, sums: int) -> _Parts:
    """About `parts` parts of whole blocks; `state` numbers of a row, `sums` of a part."""
    size = block(rows)
    whole, n = size["LANES"] * size["TILES"], rows.p.shape[-1]
    length = triton.cdiv(triton.cdiv(n, parts), whole) * whole
    count = triton.cdiv(n, length)
    device = rows.p.device
    return _Parts(
        count,
        length,
        torch.zeros(rows.number, state, dtype=torch.float32, device=device),
        torch.zeros(rows.number, count, sums, dtype=torch.float32, device=device),
    )


def _finish(kl: torch.Tensor, lost: torch.Tensor, *masses: torch.Tensor) -> torch.Tensor:
    """Never negative, and infinite where p > 0 = q; with the masses, in float32."""
    return torch.stack([kl.clamp(min=0) + torch.where(lost > 0, torch.inf, 0.0), *masses]).float()


def split_logits(rows: Rows, grads: Grads, parts: int, scale: float) -> torch.Tensor:
    """KL and the masses of p and q from logits, and the gradients."""
    split = _split(rows, parts, 13, 4)
    state, to_p, to_q = split.state, *targets(rows, grads)

    factor = rows.upstream

    def launch(phase: str, grad: torch.Tensor, write: bool = False) -> torch.Tensor:
        logits_parts[(rows.number * split.number,)](
            *(*source(rows), grad, factor, state, split.sums),
            *(rows.p.shape[-1], rows.inner, rows.steps, split.number, split.length, scale),
            **{"MASKED": rows.masked, "PHASE": phase, "WRITE": write, **block(rows)},
        )
        return split.sums.double()

    found = launch("masses", to_q)
    tops, part = found[..., 0::2], found[..., 1::2]
    top = tops.amax(1)
    weight = torch.where(tops == -torch.inf, 0.0, torch.exp((tops - top[:, None]) * scale))
    mass = (part * weight).sum(1)
    masses = mass * torch.exp(top * scale)
    shift = top[:, 1] - top[:, 0] + torch.log(mass[:, 1] / mass[:, 0]) / scale
    unit = 1 / mass
    state[:, 0:2], state[:, 4] = top, shift
    state[:, 5] = shift - state[:, 4].double()
    for last in (False, True):
        state[:, 2:4] = unit
        found = launch("sweep", to_q, last and grads[1] is not None)
        total, drift, lost_w, lost = found.sum(1).unbind(-1)
        step = torch.log1p(drift)
        if not last:
            state[:, 6] = step / scale
            shift = shift + state[:, 6]
            unit[:, 1] /= 1 + drift
    kl = total - (drift - step) + 0 * shift  # no mass, no divergence: NaN
    if grads[0] is not None:
        # The mean of log(z / w) is -KL; in an infinite row, of the other categories.
        mean = torch.where(lost == 0, -kl, drift - total - step * (1 - lost_w))
        centre = shift + (step + mean) / scale
        state[:, 7] = centre
        state[:, 8] = centre - state[:, 7].double()
        state[:, 9:12] = launch("spread", to_p).sum(1)[:, :3]
        state[:, 12] = lost == 0
        factor = torch.where(kl.isnan(), kl, factor).float()
        launch("write", to_p)
    return _finish(kl, lost, *masses.unbind(-1))


def split_probs(rows: Rows, grads: Grads, parts: int) -> torch.Tensor:
    """KL and the totals of p and q from weights, and the gradients."""
    split = _split(rows, parts, 5, 6)
    state, factor = split.state, rows.upstream

    def launch(write: bool = False) -> torch.Tensor:
        probs_parts[(rows.number * split.number,)](
            *(*source(rows), *targets(rows, grads), factor, state, split.sums),
            *(rows.p.shape[-1], rows.inner, rows.steps, split.number, split.length),
            MASKED=rows.masked,
            WRITE=write,
            WANT_P=grads[0] is not None,
            WANT_Q=grads[1] is not None,
            **block(rows),
        )
        return split.sums.double().sum(1)

    state[:, 0] = 1.0
    mass_p, mass_q, *_ = launch().unbind(-1)
    state[:, 0] = mass_p / mass_q
    for _ in range(2):
        left = state[:, 1].double()
        mass_p, mass_q, total, drift, lost_p, lost = launch().unbind(-1)
        rest = drift / mass_p
        step = torch.log1p(rest)
        kl = total / mass_p - (rest - step)
        state[:, 1] = left + rest + left * rest
    # The mean of log(z / p) is -KL; in an infinite row, of the other categories.
    others = (drift - total) / mass_p - step * (1 - lost_p / mass_p)
    state[:, 2] = torch.where(lost == 0, -kl, others)
    state[:, 3], state[:, 4] = mass_p, mass_q
    kl = kl + 0 * (mass_p / mass_q) + 0 * (mass_q / mass_p)  # no mass, no divergence: NaN
    if grads != [None, None]:
        factor = torch.where(kl.isnan(), kl, factor).float()
        launch(write=True)
    return _finish(kl, lost, mass_p / _UNIT, mass_q / _UNIT)
