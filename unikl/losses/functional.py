"""Losses as pure functions: on arrays of any library, under its autodiff and its compiler.

All of them average over distributions: `reduction` is "mean" (weights sum, not counts), "sum", or
"none" for one weighted value each.  Nothing is divided by the number of categories.
"""

from typing import Any

from ..backends import Array, get_backend
from ..core import kl_divergence
from .mixture import skew_jensen_shannon
from .reduction import Axis, Forms, Reduction, each_distribution, reduce_rows

__all__ = ["jensen_shannon", "kl_loss"]


def kl_loss(
    p: Any,
    q: Any,
    /,
    *,
    given: Forms = "probs",
    axis: Axis = -1,
    where: Any = None,
    mask: Any = None,
    weight: Any = None,
    reduction: Reduction = "mean",
    temperature: float = 1.0,
    base: float | None = None,
    validate: bool | None = None,
) -> Array:
    """KL(p || q), averaged over the distributions.

    Parameters
    ----------
    p, q, given, axis, where, base, validate
        As in `unikl.kl_divergence`: p is the target (a teacher, a posterior), q is what it is
        compared with (a student, a prior).
    mask : array of bool, optional
        The distributions that count, of the shape of the result with reduction "none" (or one
        that broadcasts to it): False for padding.  (`where` masks categories.)
    weight : array, optional
        A non-negative weight for each distribution.  One of weight 0 counts for nothing, like a
        masked one, whatever it holds.
    reduction : {"mean", "sum", "none"}
        "mean" is sum(weight KL) / sum(weight), 0 if nothing counts; "sum" and "none" are weighted.
    temperature : float
        Divides the logits (or log-probs) of both.  There is no factor of its square here;
        `unikl.losses.distillation_loss` has it.

    Returns
    -------
    array
        A scalar; with "none", one value for each distribution.

    Notes
    -----
    Dividing by a temperature that is no power of two rounds each logit once, which shows where p
    and q agree to the last few digits.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses import kl_loss
    >>> p = np.array([[0.5, 0.5], [0.9, 0.1], [0.0, 0.0]])  # the last one is padding
    >>> q = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    >>> round(float(kl_loss(p, q, mask=[True, True, False])), 6)
    0.184032
    >>> round(float(kl_loss(p, q, weight=[1.0, 3.0, 0.0])), 6)
    0.276048
    """
    p, q, given = _tempered(p, q, given, temperature)
    rows = each_distribution(
        kl_divergence,
        p,
        q,
        given=given,
        axis=axis,
        where=where,
        mask=mask,
        weight=weight,
        base=base,
        validate=validate,
    )
    return reduce_rows(rows, reduction)


def jensen_shannon(
    p: Any,
    q: Any,
    /,
    *,
    given: Forms = "probs",
    beta: float = 0.5,
    axis: Axis = -1,
    where: Any = None,
    mask: Any = None,
    weight: Any = None,
    reduction: Reduction = "mean",
    temperature: float = 1.0,
    base: float | None = None,
    validate: bool | None = None,
) -> Array:
    r"""Generalised Jensen-Shannon divergence, continuous from KL(p || q) to KL(q || p).

    .. math::

        \frac{\max(\beta, 1-\beta)}{\min(\beta, 1-\beta)}
        \left[\beta\, \mathrm{KL}(p \| m) + (1-\beta)\, \mathrm{KL}(q \| m)\right],
        \qquad m = \beta p + (1-\beta) q

    The bracket alone, the usual form, vanishes at both ends, and with it the loss.  Scaled, it is

    * KL(p || q) at beta = 0, and the limit there,
    * the Jensen-Shannon divergence at beta = 1/2, at most log 2,
    * KL(q || p) at beta = 1, and the limit there,

    and finite everywhere between the ends, also where p and q are not zero together.

    Parameters
    ----------
    p, q, given, axis, where, base, validate
        As in `unikl.kl_divergence`.
    beta : float
        The weight of p in the mixture, from 0 to 1.
    mask, weight, reduction, temperature
        As in `kl_loss`.

    Returns
    -------
    array
        A scalar; with "none", one value for each distribution.

    Notes
    -----
    Accurate where p and q nearly agree: the mixture is never rounded.  To get the unscaled form
    (with p the teacher and q the student that of the GKD paper [1]_), divide by the factor above.

    References
    ----------
    .. [1] R. Agarwal et al., "On-Policy Distillation of Language Models: Learning from
       Self-Generated Mistakes" (2024), equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses import jensen_shannon
    >>> p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    >>> [round(float(jensen_shannon(p, q, beta=b)), 6) for b in (0, 1e-9, 0.5, 1)]
    [0.346574, 0.346574, 0.107881, inf]
    """
    p, q, given = _tempered(p, q, given, temperature)
    rows = each_distribution(
        skew_jensen_shannon,
        p,
        q,
        given=given,
        axis=axis,
        where=where,
        mask=mask,
        weight=weight,
        beta=beta,
        base=base,
        validate=validate,
    )
    return reduce_rows(rows, reduction)


def _tempered(p: Any, q: Any, given: Forms, temperature: float) -> tuple[Any, Any, Forms]:
    """Both arguments at a temperature: what was log-probs are logits then."""
    if temperature == 1:
        return p, q, given
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    forms = (given, given) if isinstance(given, str) else given
    if any(form not in ("logits", "log_probs") for form in forms):
        raise ValueError(f"a temperature needs logits or log_probs for p and q, got given={given}")
    room = get_backend(p, q)
    like = p if hasattr(p, "dtype") else q if hasattr(q, "dtype") else None
    arrays = room.asarray(p, like), room.asarray(q, like)
    dtype = room.float_dtype(arrays)
    p, q = (room.xp.astype(x, dtype) / temperature for x in arrays)
    return p, q, "logits"
