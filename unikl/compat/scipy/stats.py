"""SciPy's entropy, of one or of two arguments."""

import math
from typing import Any

from ...backends import Array, Backend
from ...core import kl_divergence
from .._arrays import quiet
from .special import read_singles, rel_entr_in

__all__ = ["entropy", "in_base", "negative_axes", "relative_entropy"]


def entropy(
    pk: Any,
    qk: Any = None,
    base: float | None = None,
    axis: int | tuple[int, ...] | None = 0,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    r"""SciPy's Shannon entropy of pk, or relative entropy of pk and qk; both are normalised.

    .. math:: -\sum_i p_i \log p_i, \qquad \sum_i p_i \log\frac{p_i}{q_i}

    Parameters
    ----------
    pk, qk : array
        Weights, normalised to probabilities; without qk, the entropy of pk.
    base : float, optional
        The base of the logarithm: nats by default.
    axis : int, tuple of ints or None
        The category axis: **the first one** by default, so the columns are the distributions.
    nan_policy : {"propagate", "omit", "raise"}
        What to do about NaN: NaN, leave the category out (of both), or ValueError.
    keepdims : bool
        Keep the category axes with length 1.

    Returns
    -------
    array
        In float32 or float64.

    Raises
    ------
    ValueError
        If an option is none of those above, base is not positive, or at NaN with "raise".

    Notes
    -----
    The relative entropy is the one of `kl_divergence`, with its gradient, except that a negative
    weight makes it infinite (negative totals cancel) and that no categories at all give 0.

    Use instead ``kl_divergence(pk, qk, given="counts", axis=0)``.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.entropy.html

    Examples
    --------
    >>> from unikl import compat
    >>> float(compat.scipy.entropy([2, 2, 0], [1, 2, 1], base=2))
    0.5
    """
    if base is not None and base <= 0:
        raise ValueError("base must be a positive number or None")
    arrays = (pk,) if qk is None else (pk, qk)
    room, weights = read_singles(*arrays)
    xp = room.xp
    with quiet(room):
        weights = list(xp.broadcast_arrays(*weights))
        axes = negative_axes(axis, len(weights[0].shape))
        weights, some = _without_nan(room, weights, axes, nan_policy)
        if qk is None:
            w = weights[0] / xp.sum(weights[0], axis=axes, keepdims=True)
            total = xp.sum(_entr(xp, w), axis=axes, keepdims=True)
        else:
            total = relative_entropy(room, weights[0], weights[1], axes)
        total = in_base(xp.where(some, total, 0.0), base)
    return total if keepdims else xp.squeeze(total, axis=axes)


def negative_axes(axis: int | tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """The axes as negative numbers."""
    axes = tuple(range(rank)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if any(not -rank <= one < rank for one in axes):
        raise ValueError(f"axis {axis} is out of bounds for arrays with {rank} axes")
    return tuple([one if one < 0 else one - rank for one in axes])


def _without_nan(
    room: Backend, weights: list[Array], axes: tuple[int, ...], nan_policy: str
) -> tuple[list[Array], Array]:
    """The weights under the policy, and which rows have any category left."""
    xp = room.xp
    kept = xp.ones_like(weights[0]) > 0
    if nan_policy not in ("propagate", "omit", "raise"):
        raise ValueError("nan_policy must be one of 'propagate', 'omit', 'raise'")
    if nan_policy != "propagate":
        for x in weights:
            kept = kept & ~xp.isnan(x)
    if nan_policy == "raise" and room.to_numpy(xp.any(~kept)):
        raise ValueError("the input contains NaN")
    if nan_policy == "omit":
        weights = [xp.where(kept, x, 0.0) for x in weights]
    return weights, xp.any(kept, axis=axes, keepdims=True)


def _entr(xp: Any, x: Array) -> Array:
    """-x log x, 0 at 0, -inf below."""
    positive = x > 0
    safe = xp.where(positive, x, 1.0)
    elsewhere = xp.where(x == 0, 0.0, xp.zeros_like(x) - math.inf)
    value = xp.where(positive, -safe * xp.log(safe), elsewhere)
    return xp.where(xp.isnan(x), math.nan, value)


def relative_entropy(room: Backend, p: Array, q: Array, axes: tuple[int, ...]) -> Array:
    """The divergence, but rows with a negative weight by SciPy's formula; axes kept."""
    xp = room.xp
    kl = kl_divergence(p, q, given="counts", axis=axes, keepdims=True, validate=False)
    w = p / xp.sum(p, axis=axes, keepdims=True)
    z = q / xp.sum(q, axis=axes, keepdims=True)
    formula = xp.sum(rel_entr_in(room, w, z), axis=axes, keepdims=True)
    negative = xp.any((p < 0) | (q < 0), axis=axes, keepdims=True)
    return xp.where(negative, formula, kl)


def in_base(nats: Array, base: float | None) -> Array:
    if base is None:
        return nats
    log_base = math.log(base) if base > 0 else math.nan
    # A base of 1 divides by zero, which Python's own numbers refuse and arrays do not.
    return nats / log_base if log_base else nats * math.inf
