"""``torch.nn.functional.kl_div``, on arrays of any backend.

>>> import numpy as np
>>> p, q = np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.25, 0.75]])
>>> round(float(kl_div(np.log(q), p, reduction="batchmean")), 6)
0.137327
"""

import warnings
from typing import Any

from ..backends import Array
from ._arrays import length, quiet, read_floats

__all__ = ["kl_div"]


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Array:
    r"""PyTorch's KL loss: target (log target - input), then a reduction.

    .. math:: l_i = t_i \log t_i - t_i x_i, \qquad
        l_i = e^{t_i} (t_i - x_i) \text{ with log\_target}

    Parameters
    ----------
    input : array
        Log-probabilities of **q**: the model comes first, so this is KL(target || input).
    target : array
        Probabilities of **p**, or its log-probabilities with `log_target`.
    size_average, reduce : bool, optional
        Deprecated; either one overrides `reduction`.
    reduction : {"mean", "batchmean", "sum", "none"}
        "mean", the default, divides by the number of all **elements**, not of distributions.
        "batchmean" divides by the length of the first axis, whatever the other ones are.
    log_target : bool
        Whether `target` holds log-probabilities.

    Returns
    -------
    array
        A scalar, or the elements with "none"; half precision stays half precision.

    Raises
    ------
    TypeError
        If an array holds integers.
    ValueError
        If `reduction` is not one of those above.

    Warns
    -----
    UserWarning
        With "mean", which is no KL divergence, and with the deprecated arguments.

    Notes
    -----
    The loss is NaN where the target and the input's probability are both zero (0 times inf), and
    with `log_target` wherever the target's is.  The gradient in the target is NaN at each zero
    of it, even where the loss is finite.  Nothing is normalised, and input and target broadcast.

    Use instead ``kl_divergence(target, input, given=("probs", "log_probs"))``, which gives one
    value for each distribution; its mean is "batchmean" for any number of batch axes.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html

    Examples
    --------
    The default divides by 4 elements, "batchmean" by 2 rows:

    >>> import warnings
    >>> import numpy as np
    >>> from unikl import compat
    >>> p, q = np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.25, 0.75]])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     round(float(compat.torch.kl_div(np.log(q), p)), 6)
    0.068663
    """
    room, (log_q, t) = read_floats(input, target)
    xp = room.xp
    if size_average is not None or reduce is not None:
        how = _legacy_reduction(size_average, reduce)
    else:
        how = _check_reduction(reduction)
    with quiet(room):
        if log_target:
            loss = xp.exp(t) * (t - log_q)
        else:
            # The unused branch stays NaN at 0, and its derivative with it, as torch's is.
            loss = xp.where(t == 0, 0.0, t * xp.log(t)) - t * log_q
        if how == "mean":
            loss = xp.sum(loss) / length(room, loss)
        elif how == "sum":
            loss = xp.sum(loss)
        # Also after the deprecated arguments: they do not override this division.
        if reduction == "batchmean" and len(log_q.shape) > 0:
            loss = loss / length(room, log_q, 0)
    return loss


def _check_reduction(reduction: str) -> str:
    """The sum behind batchmean, or the reduction itself."""
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the loss by the number of elements, categories included; "
            "the mean over distributions is 'batchmean'",
            stacklevel=3,
        )
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is the old name of 'mean'", stacklevel=3)
        return "mean"
    if reduction not in ("none", "mean", "sum", "batchmean"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return "sum" if reduction == "batchmean" else reduction


def _legacy_reduction(size_average: bool | None, reduce: bool | None) -> str:
    averaged = size_average is None or size_average
    how = ("mean" if averaged else "sum") if reduce is None or reduce else "none"
    warnings.warn(
        f"size_average and reduce are deprecated, pass reduction={how!r} instead", stacklevel=3
    )
    return how
