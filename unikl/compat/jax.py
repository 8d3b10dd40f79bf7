"""``jax.scipy.special.rel_entr`` and ``kl_div``, on arrays of any backend.

>>> rel_entr([0.25, 0.0], [0.5, 0.5]).round(6)
array([-0.173287,  0.      ])
"""

import math
from typing import Any

from ..backends import Array
from ._arrays import quiet, read

__all__ = ["kl_div", "rel_entr"]


def rel_entr(p: Any, q: Any) -> Array:
    r"""JAX's elementwise relative entropy.

    .. math:: p \log p - p \log q \text{ for } p, q > 0, \quad 0 \text{ for } p = 0 \le q,
        \quad \infty \text{ otherwise}

    Parameters
    ----------
    p, q : array
        Of one shape, or broadcast.

    Returns
    -------
    array
        In the dtype of the arguments, half precision included.

    Notes
    -----
    Differs from SciPy's: a NaN in either argument gives **infinity**, and two logarithms are
    subtracted, which cancels for p near q.  As in SciPy's, the gradient is 0 where the result is
    infinite, and nothing is summed or normalised.

    Use instead ``kl_divergence(p, q)``.

    References
    ----------
    .. [1] https://docs.jax.dev/en/latest/_autosummary/jax.scipy.special.rel_entr.html

    Examples
    --------
    >>> from unikl import compat
    >>> compat.jax.rel_entr([0.5, 0.5, float("nan")], [0.5, 0.0, 1.0])
    array([ 0., inf, inf])
    """
    room, (p, q) = read(p, q)
    xp = room.xp
    with quiet(room):
        positive = (p > 0) & (q > 0)
        a, b = xp.where(positive, p, 1.0), xp.where(positive, q, 1.0)
        value = a * xp.log(a) - a * xp.log(b)
        constant = xp.where((p == 0) & (q >= 0), 0.0, xp.zeros_like(value) + math.inf)
        return xp.where(positive, value, constant)


def kl_div(p: Any, q: Any) -> Array:
    r"""JAX's elementwise generalised divergence: ``rel_entr(p, q) - p + q``.

    .. math:: p \log p - p \log q - p + q \text{ for } p, q > 0, \quad q \text{ for } p = 0 \le q,
        \quad \infty \text{ otherwise}

    Parameters
    ----------
    p, q : array
        Of one shape, or broadcast.

    Returns
    -------
    array
        In the dtype of the arguments, half precision included.

    Notes
    -----
    Differs from SciPy's: p = inf gives NaN for every q, and p near q cancels.  The sum over a
    distribution is the KL divergence only if p and q have the same total.

    Use instead ``kl_divergence(p, q)``.

    References
    ----------
    .. [1] https://docs.jax.dev/en/latest/_autosummary/jax.scipy.special.kl_div.html

    Examples
    --------
    >>> from unikl import compat
    >>> compat.jax.kl_div([0.5, 0.0, 0.5], [0.5, 0.5, 0.0])
    array([0. , 0.5, inf])
    """
    room, (p, q) = read(p, q)
    with quiet(room):
        return rel_entr(p, q) - p + q
