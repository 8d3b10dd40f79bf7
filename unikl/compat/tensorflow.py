"""TensorFlow's softmax cross-entropy, and the KL divergences that people make in TensorFlow.

TensorFlow has no KL divergence of arrays.  The functions below are the usual ways round that.

>>> import numpy as np
>>> a = np.array([[0.25, 0.1, 0.65], [0.8, 0.15, 0.05]])
>>> b = np.array([[0.7, 0.2, 0.1], [0.15, 0.8, 0.05]])
>>> categorical_kl_divergence(a, b).round(8)
array([0.88995184, 1.08808468])
>>> float(kl_divergence(a, b).round(8))
1.97803652
"""

from typing import Any

from ..backends import Array, get_backend
from ._arrays import log_softmax, quiet, read, read_floats

__all__ = [
    "categorical_kl_divergence",
    "kl_divergence",
    "kl_divergence_with_logits",
    "softmax_cross_entropy_with_logits",
]


def softmax_cross_entropy_with_logits(labels: Any, logits: Any, axis: int = -1) -> Array:
    r"""``tf.nn.softmax_cross_entropy_with_logits``: the cross-entropy, not the divergence.

    .. math:: -\sum_i p_i \log \mathrm{softmax}(b)_i = H(p) + \mathrm{KL}(p \| \mathrm{softmax}(b))

    Parameters
    ----------
    labels : array
        Probabilities of p, taken as they are, in the dtype of `logits`.
    logits : array
        Logits of q.
    axis : int
        The category axis.

    Returns
    -------
    array
        One value for each distribution, in the dtype of `logits`.

    Raises
    ------
    TypeError
        If `logits` holds integers.

    Notes
    -----
    NaN where a logit is -inf under a label of 0 (0 times inf).  The gradient in the logits is
    softmax(logits) - labels, which is right only for labels that sum to 1.

    Use instead ``kl_divergence(labels, logits, given=("probs", "logits"))``: it has the same
    gradient in the logits, and is 0 where the two agree.

    References
    ----------
    .. [1] https://www.tensorflow.org/api_docs/python/tf/nn/softmax_cross_entropy_with_logits

    Examples
    --------
    >>> import numpy as np
    >>> from unikl import compat
    >>> labels, logits = np.array([0.25, 0.75]), np.log([1.0, 3.0])
    >>> round(float(compat.tensorflow.softmax_cross_entropy_with_logits(labels, logits)), 6)
    0.562335
    """
    room = get_backend(labels, logits)
    _, (b,) = read_floats(room.asarray(logits, labels))
    xp, given, wide = room.xp, b.dtype, room.float_dtype((b,))
    with quiet(room):
        p = xp.astype(xp.astype(room.asarray(labels, b), given), wide)
        b = xp.astype(b, wide)
        shifted = b - room.stop_gradient(room.max(b, (axis,)))
        log_mass = xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))
        constant = room.stop_gradient(log_mass)
        # The last difference is 0, and counts log_mass once in the derivative, as theirs does,
        # instead of as often as the labels sum to.
        loss = xp.sum(p * (constant - shifted), axis=axis, keepdims=True) + (log_mass - constant)
        return xp.astype(xp.squeeze(loss, axis=axis), given)


def categorical_kl_divergence(probs_a: Any, probs_b: Any) -> Array:
    r"""``kl_divergence(Categorical(probs=a), Categorical(probs=b))`` of ``tf.distributions``.

    .. math:: \sum_i w_i (\log w_i - \log z_i), \qquad w, z = \mathrm{softmax}(\log a, \log b)

    Parameters
    ----------
    probs_a, probs_b : array
        Weights of p and of q over the last axis, normalised as above.

    Returns
    -------
    array
        One value for each distribution; half precision stays half precision.

    Notes
    -----
    NaN at each zero of `probs_a` (0 times -inf), as in ``tf.compat.v1.distributions``.
    TensorFlow Probability, its successor, gives the right value there but a NaN gradient.

    Use instead ``kl_divergence(probs_a, probs_b)``.

    References
    ----------
    .. [1] https://stackoverflow.com/questions/41863814

    Examples
    --------
    >>> from unikl import compat
    >>> round(float(compat.tensorflow.categorical_kl_divergence([1, 3], [2, 2])), 6)
    0.130812
    """
    room, (p, q) = read(probs_a, probs_b)
    xp = room.xp
    with quiet(room):
        log_w, log_z = log_softmax(room, xp.log(p)), log_softmax(room, xp.log(q))
        return xp.sum(xp.exp(log_w) * (log_w - log_z), axis=-1)


def kl_divergence_with_logits(logits_a: Any, logits_b: Any) -> Array:
    r"""The cross-entropy of two arrays of logits less the entropy, summed over **everything**.

    .. math:: \sum_n H(w_n, z_n) - H(w_n, w_n), \qquad w, z = \mathrm{softmax}(a, b)

    Parameters
    ----------
    logits_a, logits_b : array
        Logits of p and of q over the last axis.

    Returns
    -------
    array
        A scalar: the sum over the batch, which grows with it.

    Raises
    ------
    TypeError
        If an array holds integers.

    Notes
    -----
    The difference of two cross-entropies cancels where p and q nearly agree, and may be
    negative; -inf logits make it NaN.

    Use instead ``kl_divergence(logits_a, logits_b, given="logits")``, and its sum or mean.

    References
    ----------
    .. [1] https://stackoverflow.com/questions/41863814

    Examples
    --------
    >>> import numpy as np
    >>> from unikl import compat
    >>> a, b = np.log([[1.0, 3.0], [1.0, 3.0]]), np.zeros((2, 2))
    >>> round(float(compat.tensorflow.kl_divergence_with_logits(a, b)), 6)
    0.261624
    """
    room, (a, b) = read_floats(logits_a, logits_b)
    with quiet(room):
        p = room.xp.exp(log_softmax(room, a))
        to_b = softmax_cross_entropy_with_logits(p, b)
        to_a = softmax_cross_entropy_with_logits(p, a)
        return room.xp.sum(to_b - to_a)


def kl_divergence(p: Any, q: Any) -> Array:
    r"""``tf.reduce_sum(p * tf.math.log(p / q))``, the formula as it is written.

    .. math:: \sum_{n, i} p_{n i} \log(p_{n i} / q_{n i})

    Parameters
    ----------
    p, q : array
        Probabilities, taken as they are.

    Returns
    -------
    array
        A scalar: the sum over **everything**, batch included.

    Notes
    -----
    NaN at each zero of p (0 times log 0), and not normalised.

    Use instead ``kl_divergence(p, q)``, and its sum or mean.

    References
    ----------
    .. [1] https://stackoverflow.com/questions/41863814

    Examples
    --------
    >>> from unikl import compat
    >>> float(compat.tensorflow.kl_divergence([0.5, 0.5, 0.0], [0.25, 0.5, 0.25]))
    nan
    """
    room, (p, q) = read(p, q)
    with quiet(room):
        return room.xp.sum(p * room.xp.log(p / q))
