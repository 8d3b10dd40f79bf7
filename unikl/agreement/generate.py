"""Inputs of the cases that are too large to store, the same bits on every platform.

Only integers are drawn, from the raw stream of PCG64 (which NumPy guarantees to be stable), and
only exact operations follow: every number is an integer over a power of two that its dtype holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["inputs"]

Numbers = NDArray[Any]

# Fraction bits of a logit, and binary logarithm of the sum of a row of weights. Logits stay below
# 8 in magnitude and a weight of 100,000 below 2^24 and 2^42, so all of them fit the significand.
_FRACTION_BITS = {"float32": 20, "float64": 48}
_TOTAL_BITS = {"float32": 38, "float64": 56}
_NOISE_BITS = 20


def inputs(
    form: str, dtype: str, *, n: int, seed: int, noise: float, scale: float
) -> tuple[Numbers, Numbers]:
    """Return p and q, of shape (1, n), whose log-ratios are of the order of `noise`.

    Parameters
    ----------
    form
        ``"logits"``: p uniform in [-2 scale, 2 scale], q within `noise` of it.
        ``"probs"``: p uniform in [1/8, 15/8] / n, q within 3/4 `noise` of it, relatively; both sum
        to exactly 1. `scale` does not apply.
    dtype
        ``"float32"`` or ``"float64"``.
    n, seed, noise, scale
        The number of categories, up to 100,000 for probs; the seed; at most 1; at most 2.
    """
    raw = np.random.PCG64(seed).random_raw(2 * n)
    if form == "logits":
        unit = 1 << _FRACTION_BITS[dtype]
        p = _uniform(raw[:n], int(2 * scale * unit))
        q = p + _uniform(raw[n:], int(noise * unit))
    elif form == "probs":
        unit = 1 << _TOTAL_BITS[dtype]
        p = _levelled(unit // n + _uniform(raw[:n], 7 * (unit // n) // 8), unit)
        u = _uniform(raw[n:], int(0.75 * noise * (1 << _NOISE_BITS)))
        q = _levelled(p + (p * u >> _NOISE_BITS), unit)
    else:
        raise ValueError(f"no recipe for {form!r}; there is one for 'logits' and for 'probs'")
    return (p / unit).astype(dtype)[None], (q / unit).astype(dtype)[None]


def _uniform(raw: NDArray[np.uint64], half: int) -> NDArray[np.int64]:
    """Integers from -half to half."""
    return (raw % np.uint64(2 * half + 1)).astype(np.int64) - half


def _levelled(weights: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """The weights, all moved by nearly the same little amount so that they sum to `total`."""
    share, rest = divmod(total - int(weights.sum()), weights.size)
    return weights + share + (np.arange(weights.size) < rest)
