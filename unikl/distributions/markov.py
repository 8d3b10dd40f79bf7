"""Markov chains: the divergence for each step."""

from typing import Any

import numpy as np

from ..backends import Array, Backend, get_backend
from ..core import kl_divergence
from ..inputs import read_inputs

__all__ = ["kl_rate"]


def kl_rate(p: Any, q: Any, /, *, validate: bool | None = None) -> Array:
    r"""Kullback-Leibler divergence rate of two stationary Markov chains, in nats for each step.

    .. math:: \lim_{n\to\infty} \tfrac1n \mathrm{KL}(X_{1:n} \| Y_{1:n})
              = \sum_i \pi_i\, \mathrm{KL}(P_{i\cdot} \| Q_{i\cdot})

    where pi is the stationary distribution of P.

    Parameters
    ----------
    p, q : array, shape (..., n, n)
        Transition matrices P and Q: each row is the distribution of the next state.  P has to be
        irreducible (every state can be reached from every other one).
    validate : bool, optional
        As in `unikl.kl_divergence`, for the rows.

    Returns
    -------
    array, shape (...)
        NaN where the elimination shows that P is reducible; +inf where P makes a transition that
        Q never makes.

    References
    ----------
    .. [1] Z. Rached, F. Alajaji and L. L. Campbell, "The Kullback-Leibler divergence rate between
       Markov sources", IEEE Trans. Inf. Theory 50 (2004) 917, theorem 1.
    .. [2] W. K. Grassmann, M. I. Taksar and D. P. Heyman, "Regenerative analysis and steady state
       distributions for Markov chains", Operations Research 33 (1985) 1107: the elimination for
       pi, which subtracts nowhere and so keeps the relative accuracy of each entry.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions.markov import kl_rate
    >>> p = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> round(float(kl_rate(p, np.full((2, 2), 0.5))), 6)
    0.298478
    """
    room = get_backend(p, q)
    inputs = read_inputs(room, p, q, None, "probs", -1)
    rows = kl_divergence(inputs.p, inputs.q, validate=validate)
    if getattr(room, "__name__", "") == "unikl.backends.numpy":  # Dynamo cannot trace errstate
        with np.errstate(all="ignore"):
            return _mean(room, stationary(room, inputs.p), rows)
    return _mean(room, stationary(room, inputs.p), rows)


def _mean(room: Backend, weights: Array, rows: Array) -> Array:
    return room.xp.squeeze(room.sum(weights * rows, (-1,)), axis=-1)


def stationary(room: Backend, p: Array) -> Array:
    """The stationary distribution of transition matrices, without subtractions."""
    xp, n = room.xp, p.shape[-1]
    columns: list[Array] = []
    rest = p
    for k in range(n - 1, 0, -1):  # censor the chain on the states 0 ... k-1
        leaving = xp.sum(rest[..., k : k + 1, :k], axis=-1, keepdims=True)
        into = rest[..., :k, k : k + 1] / leaving
        columns.append(into)
        rest = rest[..., :k, :k] + into * rest[..., k : k + 1, :k]
    masses = [xp.ones_like(p[..., :1, 0])]
    for into in reversed(columns):
        before = xp.concat(masses, axis=-1)
        masses.append(xp.sum(before * into[..., 0], axis=-1, keepdims=True))
    weights = xp.concat(masses, axis=-1)
    return weights / xp.sum(weights, axis=-1, keepdims=True)
