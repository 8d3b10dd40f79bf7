"""SciPy's elementwise functions."""

import math
from typing import Any

from ...backends import Array, Backend
from ...numerics import psi
from .._arrays import quiet, read

__all__ = ["kl_div", "read_singles", "rel_entr", "rel_entr_in"]


def rel_entr(x: Any, y: Any) -> Array:
    r"""SciPy's elementwise relative entropy.

    .. math:: x \log(x / y) \text{ for } x, y > 0, \quad 0 \text{ for } x = 0 \le y,
        \quad \infty \text{ otherwise}

    Parameters
    ----------
    x, y : array
        Of one shape, or broadcast.

    Returns
    -------
    array
        In float32 or float64.

    Notes
    -----
    Neither summed nor normalised: for weights that do not sum to 1 the sum is no divergence, and
    may be negative.  A negative entry gives infinity, a NaN gives NaN.  The gradient is that of
    the formula, and 0 where the result is constant (0 or infinity).

    Use instead ``kl_divergence(x, y)``.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.special.rel_entr.html

    Examples
    --------
    >>> from unikl import compat
    >>> compat.scipy.rel_entr([0.5, 0.0, 0.5], [0.5, 0.5, 0.0])
    array([ 0.,  0., inf])
    """
    room, (x, y) = read_singles(x, y)
    with quiet(room):
        return rel_entr_in(room, x, y)


def rel_entr_in(room: Backend, x: Array, y: Array) -> Array:
    xp = room.xp
    positive, a, b = _positive(xp, x, y)
    ratio = a / b
    near = (ratio > 0.5) & (ratio < 2)
    plain = (ratio > room.smallest_normal(x.dtype)) & (ratio < math.inf) & ~near
    # Not the library's log1p: JAX's is off by hundreds of eps on a CPU.
    _, log_near = psi(room, xp.where(near, (a - b) / b, 0.0))
    log_far = xp.where(plain, xp.log(xp.where(plain, ratio, 1.0)), xp.log(a) - xp.log(b))
    value = a * xp.where(near, log_near, log_far)
    return _elsewhere(xp, positive, value, x, y, 0.0)


def kl_div(x: Any, y: Any) -> Array:
    r"""SciPy's elementwise generalised divergence.

    .. math:: x \log(x / y) - x + y \text{ for } x, y > 0, \quad y \text{ for } x = 0 \le y,
        \quad \infty \text{ otherwise}

    Parameters
    ----------
    x, y : array
        Of one shape, or broadcast.

    Returns
    -------
    array
        In float32 or float64.

    Notes
    -----
    Not summed; the sum over a distribution is the KL divergence only if x and y have the same
    total.  A negative entry gives infinity, a NaN gives NaN.  SciPy's own cancels for x near y:
    x = 0.5, y = 0.5 (1 + 1e-9) gives 0.0 there and 2.5e-19 here.  (It overflows to infinity of
    either sign where x / y does.)

    Use instead ``kl_divergence(x, y)``.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/scipy.special.kl_div.html

    Examples
    --------
    >>> from unikl import compat
    >>> compat.scipy.kl_div([0.5, 0.0, 0.5], [0.5, 0.5, 0.0])
    array([0. , 0.5, inf])
    """
    room, (x, y) = read_singles(x, y)
    xp = room.xp
    with quiet(room):
        positive, a, b = _positive(xp, x, y)
        ratio = a / b
        near = (ratio > 0.5) & (ratio < 2)
        value_near, _ = psi(room, xp.where(near, (b - a) / a, 0.0))
        value_far = a * xp.log(xp.where(near, 1.0, ratio)) - a + b
        value = xp.where(near, a * value_near, value_far)
        return _elsewhere(xp, positive, value, x, y, y)


def _positive(xp: Any, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Where both are positive, and both with 1 in the other places."""
    positive = (x > 0) & (y > 0)
    return positive, xp.where(positive, x, 1.0), xp.where(positive, y, 1.0)


def _elsewhere(xp: Any, positive: Array, value: Array, x: Array, y: Array, at_zero: Any) -> Array:
    """The value where both are positive, and the constants and NaN elsewhere."""
    infinite = xp.zeros_like(value) + math.inf
    value = xp.where(positive, value, xp.where((x == 0) & (y >= 0), at_zero, infinite))
    return xp.where(xp.isnan(x) | xp.isnan(y), math.nan, value)


def read_singles(*arrays: Any) -> tuple[Backend, list[Array]]:
    """In float32 or float64: SciPy computes half precision in float32."""
    room, read_arrays = read(*arrays)
    dtype = room.float_dtype(tuple(read_arrays))
    return room, [room.xp.astype(x, dtype) for x in read_arrays]
