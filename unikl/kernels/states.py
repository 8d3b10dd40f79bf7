"""The numbers of `unikl.KLState` from what the kernels keep of a row for its gradients."""

from dataclasses import replace
from typing import Any

import numpy as np

from . import host, layout

__all__ = ["of_blocks"]


def of_blocks(rule: Any, p: Any, q: Any) -> Any:
    """The numbers of blocks p and q, by the kernels; None where these are not Numba's.

    Parameters
    ----------
    rule : a rule with `block`, as in unikl.state
        Says what is inside, and does the rows that the kernels leave.
    p, q : numpy.ndarray
        float32 or float64, of one shape.
    """
    found = host.reduce(rule.block, (p, q), keep=True) if host.installed() else None
    if found is None:
        return None
    kl, *kept = found.saved.T
    read = _of_weights if rule.block.fused_kernel == "weights" else _of_logs
    left = np.nonzero(np.isnan(kl))[0]
    with np.errstate(all="ignore"):  # nothing was kept of the rows that are left
        numbers = np.stack([*read(p.dtype, *kept), kl]).astype(p.dtype)
        if len(left):
            rows = [layout.rows(x, rule.axis)[left] for x in (p, q)]
            numbers[:, left] = replace(rule, axis=(-1,)).value(*rows)[0]
    return np.stack([np.squeeze(layout.kept(x, p, rule.axis), axis=rule.axis) for x in numbers])


def _of_weights(dtype: Any, s: Any, t: Any, mass_p: Any, *unused: Any) -> list[Any]:
    """The masses have the ratio s + t."""
    zero = np.zeros_like(s)
    return [zero, mass_p, s, zero, -np.log1p(t / s)]


def _of_logs(
    dtype: Any, top_a: Any, mass_a: Any, top_b: Any, mass_b: Any, shift: Any, rest: Any
) -> list[Any]:
    """The masses have the logarithmic ratio shift + rest."""
    hi = shift.astype(dtype)
    return [top_a, mass_a, np.ones_like(shift), hi, (shift - hi) + rest]
