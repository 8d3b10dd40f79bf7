"""SciPy's Jensen-Shannon distance."""

from typing import Any

from ...backends import Array
from .._arrays import quiet
from .special import read_singles
from .stats import in_base, negative_axes, relative_entropy

__all__ = ["jensenshannon"]


def jensenshannon(
    p: Any,
    q: Any,
    base: float | None = None,
    *,
    axis: int | tuple[int, ...] | None = 0,
    keepdims: bool = False,
) -> Array:
    r"""SciPy's Jensen-Shannon distance: the **square root** of the divergence.

    .. math:: \sqrt{\tfrac12 \mathrm{KL}(p \| m) + \tfrac12 \mathrm{KL}(q \| m)},
        \qquad m = \tfrac12 (p + q)

    Parameters
    ----------
    p, q : array
        Weights, normalised to probabilities.
    base : float, optional
        The base of the logarithm: nats by default.
    axis : int, tuple of ints or None
        The category axis: **the first one** by default.
    keepdims : bool
        Keep the category axes with length 1.

    Returns
    -------
    array
        In float32 or float64.

    Notes
    -----
    A negative weight makes it infinite.  SciPy's own is NaN in four of ten rows that agree but
    for rounding, as the sum under the root comes out negative; this one never is.  The root has
    no derivative where p = q.

    Use instead ``(kl_divergence(p, m) + kl_divergence(q, m)) / 2``, which is the divergence.

    References
    ----------
    .. [1] https://docs.scipy.org/doc/scipy/reference/generated/
       scipy.spatial.distance.jensenshannon.html

    Examples
    --------
    >>> from unikl import compat
    >>> float(compat.scipy.jensenshannon([1, 0, 0], [0, 1, 0], base=2))
    1.0
    """
    room, (p, q) = read_singles(p, q)
    xp = room.xp
    with quiet(room):
        p, q = xp.broadcast_arrays(p, q)
        axes = negative_axes(axis, len(p.shape))
        w = p / xp.sum(p, axis=axes, keepdims=True)
        z = q / xp.sum(q, axis=axes, keepdims=True)
        m = 0.5 * (w + z)
        total = relative_entropy(room, w, m, axes) + relative_entropy(room, z, m, axes)
        distance = xp.sqrt(0.5 * in_base(total, base))
    return distance if keepdims else xp.squeeze(distance, axis=axes)
