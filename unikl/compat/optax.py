"""optax's KL losses, on arrays of any backend.

>>> import numpy as np
>>> round(float(kl_divergence(np.log([0.5, 0.5]), np.array([0.25, 0.75]))), 6)
0.130812
"""

from typing import Any

from ..backends import Array, Backend
from ._arrays import quiet, read_floats

__all__ = ["generalized_kl_divergence", "kl_divergence", "kl_divergence_with_log_targets"]

_Axis = int | tuple[int, ...] | None


def kl_divergence(log_predictions: Any, targets: Any, axis: _Axis = -1, where: Any = None) -> Array:
    r"""optax's KL loss: of targets p and log-probabilities log q, predictions first.

    .. math:: \sum_i p_i (\log p_i - \log q_i)

    Parameters
    ----------
    log_predictions : array
        Log-probabilities of **q**: the model comes first, so this is KL(targets || predictions).
    targets : array
        Probabilities of p.
    axis : int, tuple of ints or None
        The axes to sum over.
    where : array of bool, optional
        The elements to sum; the others are left out of the sum only.

    Returns
    -------
    array
        One value for each remaining index; half precision stays half precision.

    Raises
    ------
    TypeError
        If an array holds integers.

    Notes
    -----
    A target of 0 contributes 0, but NaN under a prediction of -inf.  The gradient in the targets
    is NaN at each of their zeros, also at those that `where` leaves out.  Nothing is normalised:
    what `where` leaves need not be a distribution, and the sum may then be negative.

    Use instead ``kl_divergence(targets, log_predictions, given=("probs", "log_probs"))``.

    References
    ----------
    .. [1] https://optax.readthedocs.io/en/latest/api/losses.html#optax.losses.kl_divergence

    Examples
    --------
    >>> import numpy as np
    >>> from unikl import compat
    >>> p, log_q = np.array([0.5, 0.5, 0.0]), np.array([-0.5, -1.0, -np.inf])
    >>> float(compat.optax.kl_divergence(log_q, p))
    nan
    """
    room, (log_q, p) = read_floats(log_predictions, targets)
    xp = room.xp
    with quiet(room):
        log_p = xp.where(p == 0, 0.0, xp.log(p))
        return _sum(room, p * (log_p - log_q), axis, where)


def kl_divergence_with_log_targets(
    log_predictions: Any, log_targets: Any, axis: _Axis = -1, where: Any = None
) -> Array:
    r"""optax's KL loss of log-probabilities, predictions first.

    .. math:: \sum_i e^{\log p_i} (\log p_i - \log q_i)

    Parameters
    ----------
    log_predictions : array
        Log-probabilities of **q**.
    log_targets : array
        Log-probabilities of p.
    axis : int, tuple of ints or None
        The axes to sum over.
    where : array of bool, optional
        The elements to sum; the others are left out of the sum only.

    Returns
    -------
    array
        One value for each remaining index; half precision stays half precision.

    Raises
    ------
    TypeError
        If an array holds integers.

    Notes
    -----
    A target of -inf, probability 0, makes the value NaN (0 times inf).  Nothing is normalised.

    Use instead ``kl_divergence(log_targets, log_predictions, given="log_probs")``.

    References
    ----------
    .. [1] https://optax.readthedocs.io/en/latest/api/losses.html
       #optax.losses.kl_divergence_with_log_targets

    Examples
    --------
    >>> import numpy as np
    >>> from unikl import compat
    >>> log_p, log_q = np.log([0.25, 0.75]), np.log([0.5, 0.5])
    >>> round(float(compat.optax.kl_divergence_with_log_targets(log_q, log_p)), 6)
    0.130812
    """
    room, (log_q, log_p) = read_floats(log_predictions, log_targets)
    with quiet(room):
        return _sum(room, room.xp.exp(log_p) * (log_p - log_q), axis, where)


def generalized_kl_divergence(
    log_predictions: Any, targets: Any, axis: _Axis = -1, where: Any = None
) -> Array:
    r"""optax's generalised KL loss, for weights that need not sum to 1; predictions first.

    .. math:: \sum_i p_i (\log p_i - \log q_i) - p_i + q_i

    Parameters
    ----------
    log_predictions : array
        Logarithms of the weights of **q**.
    targets : array
        Weights of p.
    axis : int, tuple of ints or None
        The axes to sum over.
    where : array of bool, optional
        The elements to sum; the others are left out of the sum only.

    Returns
    -------
    array
        One value for each remaining index; half precision stays half precision.

    Raises
    ------
    TypeError
        If an array holds integers.

    Notes
    -----
    NaN, in value and in gradient, wherever `kl_divergence` of this module is.

    Use instead ``kl_divergence(targets, log_predictions, given=("counts", "logits"))``, the
    divergence of the normalised weights.

    References
    ----------
    .. [1] https://optax.readthedocs.io/en/latest/api/losses.html
       #optax.losses.generalized_kl_divergence

    Examples
    --------
    >>> import numpy as np
    >>> from unikl import compat
    >>> p, q = np.array([2.0, 2.0, 0.0]), np.array([1.0, 2.0, 1.0])
    >>> round(float(compat.optax.generalized_kl_divergence(np.log(q), p)), 6)
    1.386294
    """
    room, (log_q, p) = read_floats(log_predictions, targets)
    with quiet(room):
        divergence = kl_divergence(log_q, p, axis, where)
        return divergence + _sum(room, room.xp.exp(log_q) - p, axis, where)


def _sum(room: Backend, terms: Array, axis: _Axis, where: Any) -> Array:
    if where is not None:
        terms = room.xp.where(room.asarray(where, terms), terms, 0.0)
    return room.xp.sum(terms, axis=axis)
