"""``torchmetrics.functional.kl_divergence``, on arrays of any backend.

>>> round(float(kl_divergence([[1.0, 3.0]], [[1.0, 1.0]])), 6)
0.130812
"""

from typing import Any

from ..backends import Array
from ._arrays import length, quiet, read

__all__ = ["kl_divergence"]


def kl_divergence(p: Any, q: Any, log_prob: bool = False, reduction: str | None = "mean") -> Array:
    r"""TorchMetrics' KL divergence of rows, averaged.

    .. math:: \sum_i p_i \log(p_i / q_i), \qquad
        \sum_i e^{p_i} (p_i - q_i) \text{ with log\_prob}

    Parameters
    ----------
    p, q : array, shape (N, d)
        Weights, normalised over the last axis; or log-probabilities, taken as they are.
    log_prob : bool
        Whether p and q hold log-probabilities.
    reduction : {"mean", "sum", "none"} or None
        Over the rows.  Any other word divides each row's value by N.

    Returns
    -------
    array
        A scalar, or one value for each row; half precision stays half precision.

    Raises
    ------
    ValueError
        If p and q differ in shape or have not exactly two axes.

    Notes
    -----
    With probabilities the value is right, the gradient is not: one zero in a row of p makes that
    row's whole gradient NaN, in p and in q.  With log-probabilities a -inf in p makes the value
    NaN too.

    Use instead ``kl_divergence(p, q, given="counts")`` or ``given="log_probs"``, for any shape,
    and its mean.

    References
    ----------
    .. [1] https://lightning.ai/docs/torchmetrics/stable/regression/kl_divergence.html

    Examples
    --------
    >>> from unikl import compat
    >>> p, q = [[2.0, 2.0, 0.0], [1.0, 0.0, 0.0]], [[1.0, 2.0, 1.0], [1.0, 1.0, 0.0]]
    >>> compat.torchmetrics.kl_divergence(p, q, reduction="none").round(6)
    array([0.346574, 0.693147])
    """
    room, (p, q) = read(p, q)
    xp = room.xp
    shapes = [tuple(x.shape) for x in (p, q)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"p and q must have the same shape, got {shapes[0]} and {shapes[1]}")
    if len(shapes[0]) != 2:
        raise ValueError(f"p and q must have two axes, got {len(shapes[0])}")
    with quiet(room):
        if log_prob:
            measures = xp.sum(xp.exp(p) * (p - q), axis=-1)
        else:
            p = p / xp.sum(p, axis=-1, keepdims=True)
            q = q / xp.sum(q, axis=-1, keepdims=True)
            # The unused branch is 0 log 0, whose derivative is NaN: theirs is, too.
            measures = xp.sum(xp.where(p == 0, 0.0, p * xp.log(p / q)), axis=-1)
        if reduction is None or reduction == "none":
            return measures
        if reduction == "sum":
            return xp.sum(measures)
        rows = length(room, p, 0)
        return xp.sum(measures) / rows if reduction == "mean" else measures / rows
