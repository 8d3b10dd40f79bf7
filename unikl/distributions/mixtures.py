"""Divergences of mixtures: bounds from the divergences of their components, and Monte Carlo.

There is no closed form.  With D_ab = KL(f_a || g_b) between the components, of weights pi and
omega, the functions here take any components with a closed form (the sampling, normal ones).

Reference: J. R. Hershey and P. A. Olsen, "Approximating the Kullback Leibler Divergence Between
Gaussian Mixture Models", ICASSP 2007, IV-317; its names are used here.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ..backends import Array, Backend
from .base import Distribution, resolve
from .densities import event_rank_of, has_density, log_density, log_weights
from .linalg import diagonal_matrix
from .multivariate_normal import MultivariateNormal, MultivariateNormalDiag
from .normal import Normal
from .quadrature import Estimate
from .registry import divergence
from .structure import Independent, MixtureSameFamily

__all__ = [
    "MATRICES",
    "matched_bound",
    "one_more_axis",
    "sampled_mixture",
    "variational_approximation",
    "variational_upper_bound",
]


def variational_approximation(p: MixtureSameFamily, q: MixtureSameFamily) -> Array:
    r"""The variational approximation of KL(p || q), which is no bound.

    .. math:: \sum_a \pi_a \log \frac{\sum_{a'} \pi_{a'} e^{-\mathrm{KL}(f_a \| f_{a'})}}
              {\sum_b \omega_b e^{-\mathrm{KL}(f_a \| g_b)}}

    0 for equal mixtures, KL of the components for mixtures of one, and exact where the
    components lie far from one another (Hershey and Olsen 2007, section 7).

    Parameters
    ----------
    p, q : MixtureSameFamily
        Of components with a closed form.

    Returns
    -------
    array
        In nats, one for each pair of mixtures.

    References
    ----------
    .. [1] J. R. Hershey and P. A. Olsen, "Approximating the Kullback Leibler Divergence Between
       Gaussian Mixture Models", ICASSP 2007, IV-317.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import Categorical, MixtureSameFamily, Normal
    >>> from unikl.distributions import variational_approximation
    >>> weights = Categorical(probs=[0.5, 0.5])
    >>> p, q = (
    ...     MixtureSameFamily(weights, Normal(np.array([-m, m]), 1.0)) for m in (1.0, 2.0)
    ... )
    >>> round(float(variational_approximation(p, q)), 6)
    0.608778
    """
    room, table = _tables(p, q)
    own = _log_sum(room, table.log_p[..., None, :] - table.within, -1)
    other = _log_sum(room, table.log_q[..., None, :] - table.across, -1)
    return _squeeze(room, room.sum(table.p * (own - other), (-1,)))


def variational_upper_bound(
    p: MixtureSameFamily, q: MixtureSameFamily, *, steps: int = 32
) -> Array:
    r"""The variational upper bound of KL(p || q), after some steps of its minimisation.

    .. math:: \min_{\phi,\psi} \mathrm{KL}(\phi \| \psi)
              + \sum_{ab} \phi_{b|a} \mathrm{KL}(f_a \| g_b)

    over all ways to divide the weights, :math:`\sum_b \phi_{b|a} = \pi_a` and
    :math:`\sum_a \psi_{a|b} = \omega_b`.  Each step lowers it, and every one is a bound (Hershey
    and Olsen 2007, section 8).

    Parameters
    ----------
    p, q : MixtureSameFamily
        Of components with a closed form.
    steps : int
        How many of the minimisation.

    Returns
    -------
    array
        In nats, one for each pair of mixtures.

    References
    ----------
    .. [1] J. R. Hershey and P. A. Olsen, "Approximating the Kullback Leibler Divergence Between
       Gaussian Mixture Models", ICASSP 2007, IV-317.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import Categorical, MixtureSameFamily, Normal
    >>> from unikl.distributions import variational_upper_bound
    >>> weights = Categorical(probs=[0.5, 0.5])
    >>> p, q = (
    ...     MixtureSameFamily(weights, Normal(np.array([-m, m]), 1.0)) for m in (1.0, 2.0)
    ... )
    >>> round(float(variational_upper_bound(p, q)), 6)
    0.5
    """
    room, table = _tables(p, q)
    log_phi = table.log_p[..., :, None] + table.log_q[..., None, :]
    log_psi = log_phi
    for _ in range(steps):
        total = _log_sum(room, log_phi, -2)
        log_psi = table.log_q[..., None, :] + log_phi - total[..., None, :]
        attached = log_psi - table.across
        total = _log_sum(room, attached, -1)
        log_phi = table.log_p[..., :, None] + attached - total[..., :, None]
    phi = room.xp.exp(log_phi)
    some = phi > 0
    excess = room.xp.where(some, log_phi - log_psi + table.across, 0.0)
    return room.xp.squeeze(room.sum(phi * excess, (-2, -1)), axis=(-2, -1))


def matched_bound(p: MixtureSameFamily, q: MixtureSameFamily) -> Array:
    r"""The matched bound of KL(p || q): each component of p with its match in q.

    .. math:: \sum_a \pi_a \min_b \Bigl( \mathrm{KL}(f_a \| g_b)
              + \log\frac{\pi_a}{\omega_b} \Bigr)

    An upper bound where no two components of p have the same match and an approximation
    elsewhere; it can be negative (Hershey and Olsen 2007, section 6).

    Parameters
    ----------
    p, q : MixtureSameFamily
        Of components with a closed form.

    Returns
    -------
    array
        In nats, one for each pair of mixtures.

    References
    ----------
    .. [1] J. R. Hershey and P. A. Olsen, "Approximating the Kullback Leibler Divergence Between
       Gaussian Mixture Models", ICASSP 2007, IV-317.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import Categorical, MixtureSameFamily, Normal
    >>> from unikl.distributions import matched_bound
    >>> weights = Categorical(probs=[0.5, 0.5])
    >>> p, q = (
    ...     MixtureSameFamily(weights, Normal(np.array([-m, m]), 1.0)) for m in (1.0, 2.0)
    ... )
    >>> round(float(matched_bound(p, q)), 6)
    0.5
    """
    room, table = _tables(p, q)
    cost = table.across - table.log_q[..., None, :]
    least = -room.xp.squeeze(room.max(-cost, (-1,)), axis=-1)
    some = table.p > 0
    term = room.xp.where(some, least + room.xp.where(some, table.log_p, 0.0), 0.0)
    return _squeeze(room, room.sum(table.p * term, (-1,)))


def sampled_mixture(
    p: MixtureSameFamily, q: Distribution, *, samples: int = 4096, seed: int = 0
) -> Estimate:
    """KL(p || q) by Monte Carlo, stratified over p's normal components, and its standard error.

    `samples` for each component, by reparameterisation: its derivatives are estimates of the
    divergence's own, in all parameters of both.
    """
    room, (p, q) = resolve(p, q)
    if not has_density(q):
        raise NotImplementedError(f"no density is known for {type(q).__name__}")
    loc, spread = _normal_parts(room, p.components)
    rank = event_rank_of(p.components)
    shape = tuple(int(n) for n in (loc + 0 * room.xp.sum(spread, axis=-1) if rank else loc).shape)
    noise = np.random.default_rng(seed).standard_normal((samples, *shape))
    z = room.xp.astype(room.asarray(noise, loc), loc.dtype)
    x = loc + ((spread @ z[..., None])[..., 0] if rank else spread * z)
    ratio = log_density(room, one_more_axis(p), x)
    ratio = ratio - log_density(room, one_more_axis(q), x)
    weight = room.xp.exp(log_weights(room, p.mixture))
    mean = room.xp.sum(ratio, axis=0) / samples
    variance = room.xp.sum((ratio - mean) ** 2, axis=0) / (samples - 1)
    value = _squeeze(room, room.sum(weight * mean, (-1,)))
    error = room.xp.sqrt(_squeeze(room, room.sum(weight * weight * variance, (-1,))) / samples)
    return Estimate(value, room.stop_gradient(error))


# -- the components --------------------------------------------------------------------------------


class _Tables(NamedTuple):
    p: Array  # weights
    log_p: Array
    log_q: Array
    within: Array  # KL(f_a || f_a')
    across: Array  # KL(f_a || g_b)


def _tables(p: MixtureSameFamily, q: MixtureSameFamily) -> tuple[Backend, _Tables]:
    room, (p, q) = resolve(p, q)
    log_p, log_q = log_weights(room, p.mixture), log_weights(room, q.mixture)
    rows = with_axis(p.components, 0)
    within = divergence(room, rows, with_axis(p.components, 1))
    across = divergence(room, rows, with_axis(q.components, 1))
    return room, _Tables(room.xp.exp(log_p), log_p, log_q, within, across)


#: Parameters with one axis more than their distribution's outcomes.
MATRICES = ("covariance_matrix", "precision_matrix", "scale_tril", "cov_factor")


def with_axis(d: Any, batch: int, inner: int = 0) -> Any:
    """The distribution with a new axis of length 1 before the last `batch` axes of its batch."""
    changed = {}
    for name in d.__match_args__:
        x = getattr(d, name)
        if isinstance(x, Distribution):
            more = d.reinterpreted_batch_ndims if isinstance(d, Independent) else 0
            changed[name] = with_axis(x, batch, inner + more)
        elif x is None or name in d.static:
            changed[name] = x
        else:
            rank = inner + (2 if name in MATRICES else d.event_rank)
            after = (slice(None),) * (rank + batch)
            changed[name] = x[(..., None, *after)] if len(x.shape) >= rank + batch else x
    return type(d)(**changed)


def one_more_axis(d: Any) -> Any:
    """For outcomes with one more batch axis, p's components."""
    if not isinstance(d, MixtureSameFamily):
        return with_axis(d, 0)
    weights = d.mixture.map(_before_last)
    return MixtureSameFamily(weights, with_axis(d.components, 1))


def _before_last(x: Array) -> Array:
    return x[..., None, :]


def _normal_parts(room: Backend, d: Any) -> tuple[Array, Array]:
    """Location, and the scale or a factor of the covariance."""
    if isinstance(d, Normal):
        zero = 0 * (d.loc + d.scale)
        return d.loc + zero, d.scale + zero
    if isinstance(d, Independent) and isinstance(d.base, Normal) and event_rank_of(d) == 1:
        loc, scale = _normal_parts(room, d.base)
        return loc, diagonal_matrix(room, scale)
    if isinstance(d, MultivariateNormalDiag):
        return d.loc, diagonal_matrix(room, d.scale_diag)
    if isinstance(d, MultivariateNormal):
        return d.loc, d.factor(room)
    raise NotImplementedError(f"samples are drawn of normal components, not of {type(d).__name__}")


def _log_sum(room: Backend, x: Array, axis: int) -> Array:
    """log sum exp(x)."""
    xp = room.xp
    top = room.stop_gradient(room.max(x, (axis,)))
    top = xp.where(top > -math.inf, top, 0.0)
    return xp.squeeze(xp.log(room.sum(xp.exp(x - top), (axis,))) + top, axis=axis)


def _squeeze(room: Backend, x: Array) -> Array:
    return room.xp.squeeze(x, axis=-1)
