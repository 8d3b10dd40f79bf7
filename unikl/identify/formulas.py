"""What the lines of code that `identify` returns call, besides `unikl.kl_divergence` and compat.

NumPy, categories along the last axis.

>>> from unikl.identify.formulas import *
>>> softmax(np.log([1.0, 3.0])).round(6)
array([0.25, 0.75])
"""

from typing import Any

import numpy as np

from .. import compat
from ..core import kl_divergence

__all__ = [
    "compat",
    "cross_entropy",
    "infolm",
    "jeffreys",
    "jensen_shannon",
    "kl_divergence",
    "liger_jsd",
    "liger_kl_div",
    "log_softmax",
    "normalise",
    "np",
    "softmax",
    "torch_categorical",
]

Array = Any


def softmax(x: Array, axis: int = -1) -> Array:
    """The probabilities of logits."""
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Array, axis: int = -1) -> Array:
    """The log-probabilities of logits."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def normalise(x: Array) -> Array:
    """The probabilities of counts."""
    return x / np.sum(x, axis=-1, keepdims=True)


def cross_entropy(p: Array, log_q: Array) -> Array:
    """Of p and q, as it is: the divergence plus the entropy of p."""
    return -np.sum(np.where(p == 0, 0.0, p * log_q), axis=-1)


def jeffreys(p: Array, q: Array) -> Array:
    """KL(p || q) + KL(q || p)."""
    options: Any = {"given": "counts", "validate": False}
    return kl_divergence(p, q, **options) + kl_divergence(q, p, **options)


def jensen_shannon(p: Array, q: Array) -> Array:
    """The mean divergence of p and of q from their mean."""
    p, q = normalise(p), normalise(q)
    options: Any = {"given": "counts", "validate": False}
    m = (p + q) / 2
    return (kl_divergence(p, m, **options) + kl_divergence(q, m, **options)) / 2


def torch_categorical(p: Array, q: Array, eps: float = 2.0**-52) -> Array:
    """``torch.distributions.kl_divergence`` of ``Categorical(probs)``, without its validation.

    The probabilities are clamped to [eps, 1 - eps] in the logarithms, eps being that of the dtype.
    """
    w, z = normalise(p), normalise(q)
    log_w, log_z = (np.log(np.clip(x, eps, 1 - eps)) for x in (w, z))
    terms = np.where(z == 0, np.inf, w * (log_w - log_z))
    return np.sum(np.where(w == 0, 0.0, terms), axis=-1)


def liger_kl_div(log_q: Array, p: Array, eps: float = 1e-10) -> Array:
    """The elements of Liger's KL loss, with p floored by eps in its logarithm."""
    return p * (np.log(np.maximum(p, eps)) - log_q)


def liger_jsd(log_q: Array, log_p: Array, beta: float = 0.5) -> Array:
    """The elements of Liger's generalised Jensen-Shannon loss; beta = 0 is KL(p || q)."""
    p, q = np.exp(log_p), np.exp(log_q)
    if beta == 0:
        return p * (log_p - log_q)
    if beta == 1:
        return q * (log_q - log_p)
    m = beta * p + (1 - beta) * q
    return beta * p * log_p + (1 - beta) * q * log_q - m * np.log(m)


def infolm(p: Array, q: Array) -> Array:
    """InfoLM's "kl_divergence", as TorchMetrics computes it: of the opposite sign, without NaN."""
    return np.nan_to_num(np.sum(p * np.log(q / p), axis=-1).astype(np.float32)).astype(np.float64)
