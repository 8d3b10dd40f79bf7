"""``keras.losses.kl_divergence``, on arrays of any backend.

>>> round(float(kl_divergence([0.25, 0.75], [0.5, 0.5])), 6)
0.130812
"""

import math
from typing import Any

from ..backends import Array, Backend, get_backend
from ._arrays import quiet, read, read_floats

__all__ = ["KLD", "kl_divergence", "kld", "kullback_leibler_divergence"]

_EPSILON = 1e-7  # keras.config.epsilon(), as it comes


def kl_divergence(y_true: Any, y_pred: Any) -> Array:
    r"""Keras's KL divergence, of probabilities clipped to [1e-7, 1].

    .. math:: \sum_i p_i \log\frac{p_i}{q_i}, \qquad
        p, q = \min(\max(\cdot, 10^{-7}), 1)

    over the last axis.  Also under the names `kld`, `KLD` and `kullback_leibler_divergence`.

    Parameters
    ----------
    y_true : array
        Probabilities of p; taken in the dtype of `y_pred`.
    y_pred : array
        Probabilities of q.  Neither logits nor log-probabilities.

    Returns
    -------
    array
        One value for each distribution, in the dtype of `y_pred`.

    Raises
    ------
    TypeError
        If `y_pred` holds integers.

    Notes
    -----
    The clip hides what is wrong: a zero in q under mass in p gives some number (5.774 for
    [.3, .3, .4] against [.5, .5, 0]) instead of infinity, and no gradient to repair it;
    probabilities below 1e-7 in q are too large, in float64 too; the value can be slightly
    negative; counts and logits pass in silence, everything above 1 counting as 1.  A NaN stays.

    Use instead ``kl_divergence(y_true, y_pred)``.

    References
    ----------
    .. [1] https://keras.io/api/losses/probabilistic_losses/#kl_divergence-function

    Examples
    --------
    >>> from unikl import compat
    >>> round(float(compat.keras.kl_divergence([0.3, 0.3, 0.4], [0.5, 0.5, 0.0])), 6)
    5.774227
    """
    room, p, q = _read(y_true, y_pred)
    with quiet(room):
        p, q = _clip(room, p), _clip(room, q)
        return room.xp.sum(p * room.xp.log(p / q), axis=-1)


def _read(y_true: Any, y_pred: Any) -> tuple[Backend, Array, Array]:
    room = get_backend(y_true, y_pred)
    like = y_true if hasattr(y_true, "dtype") else y_pred
    _, (q,) = read_floats(room.asarray(y_pred, like))
    _, (p,) = read(room.asarray(y_true, q))
    return room, room.xp.astype(p, q.dtype), q


def _clip(room: Backend, x: Array) -> Array:
    """x in [1e-7, 1], with derivative 1 at both ends, 0 beyond them and at NaN."""
    xp = room.xp
    inside = (x >= _EPSILON) & (x <= 1)
    constant = xp.where(x < _EPSILON, _EPSILON, xp.where(x > 1, 1.0, xp.zeros_like(x) + math.nan))
    return xp.where(inside, x, constant)


kld = KLD = kullback_leibler_divergence = kl_divergence
