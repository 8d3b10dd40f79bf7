"""POT's ``Backend.kl_div``, on arrays of any backend.

>>> round(float(kl_div([0.25, 0.75], [0.5, 0.5])), 6)
0.130812
"""

from typing import Any

from ..backends import Array
from ._arrays import quiet, read

__all__ = ["kl_div"]


def kl_div(
    p: Any,
    q: Any,
    mass: bool = False,
    eps: float = 1e-16,
    axis: int | tuple[int, ...] | None = None,
) -> Array:
    r"""POT's (generalised) KL divergence, with an epsilon inside the logarithm.

    .. math:: \sum_i p_i \log(p_i / q_i + \epsilon) \;[{} + \sum_i (q_i - p_i)]

    Parameters
    ----------
    p, q : array
        Masses, taken as they are.
    mass : bool
        Whether to add the difference of the totals: the generalised divergence.
    eps : float
        Added to the **ratio**, so it guards zeros of p and not those of q.
    axis : int, tuple of ints or None
        The axes to sum over: **all of them** by default, batch included.

    Returns
    -------
    array
        A scalar by default; half precision stays half precision.

    Notes
    -----
    NaN where p and q are both 0, since the ratio is NaN before epsilon is added.  Nothing is
    normalised.

    Use instead ``kl_divergence(p, q, axis=None)``.

    References
    ----------
    .. [1] https://pythonot.github.io/gen_modules/ot.backend.html#ot.backend.Backend.kl_div

    Examples
    --------
    >>> from unikl import compat
    >>> float(compat.pot.kl_div([0.5, 0.5, 0.0], [0.5, 0.5, 0.0]))
    nan
    """
    room, (p, q) = read(p, q)
    xp = room.xp
    with quiet(room):
        value = xp.sum(p * xp.log(p / q + eps), axis=axis)
        return value + xp.sum(q - p, axis=axis) if mass else value
