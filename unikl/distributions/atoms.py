"""A point mass against any other distribution: minus the log of what q gives to the point.

Against a density that is +inf, as an atom is not absolutely continuous with respect to one.  (Pyro,
NumPyro and TFP give minus the log-density there, which depends on the unit of length and can be
negative.)
"""

import math
from typing import Any

from ..backends import Array, Backend
from .base import Distribution, Support
from .beta import Dirichlet
from .categorical import Categorical, OneHotCategorical
from .densities import has_density, log_density, log_weights
from .elementary import like
from .multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
)
from .registry import divergence, register_kl
from .structure import (
    Delta,
    ExpandedDistribution,
    Independent,
    MaskedDistribution,
    MixtureSameFamily,
)
from .structure_rules import expanded_q, masked
from .wishart import MatrixNormal, Wishart

__all__: list[str] = []

# Families of vectors and matrices that have a density; for the others, `support` says it.
_DENSE = (
    Dirichlet,
    LowRankMultivariateNormal,
    MatrixNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
    Wishart,
)

register_kl(Delta, ExpandedDistribution)(expanded_q)
register_kl(Delta, MaskedDistribution)(masked)


@register_kl(Delta, Distribution)
def _point(room: Backend, p: Delta, q: Any) -> Array:
    part = q.components if isinstance(q, MixtureSameFamily) else q
    support = part.support(room)
    if isinstance(part, _DENSE) or (support is not None and not support.lattice):
        # In p's shape; the conditions on q's parameters bring in theirs.
        return 0.0 * p.value[(..., *[0] * p.event_dims)] + math.inf
    if support is None or not has_density(q):
        raise NotImplementedError(
            f"KL(Delta || {type(q).__name__}) needs the probability of a point, which is not known"
        )
    inside = _inside(p.value[..., None] if part is not q else p.value, support)
    if part is not q:
        inside = room.xp.any(inside, axis=-1)
    value = room.xp.where(inside, p.value, support.lower)
    return room.xp.where(inside, -log_density(room, q, value), math.inf)


def _inside(x: Array, support: Support) -> Array:
    return (x >= support.lower) & (x <= support.upper) & (x % 1 == 0)


@register_kl(Delta, Independent)
def _point_independent(room: Backend, p: Delta, q: Independent) -> Array:
    n = q.reinterpreted_batch_ndims
    if p.event_dims < n:
        raise ValueError(f"the outcomes of p have {p.event_dims} axes, those of q at least {n}")
    axes = tuple(range(-n, 0))
    value = divergence(room, Delta(p.value, p.event_dims - n), q.base)
    return room.xp.squeeze(room.sum(value, axes), axis=axes) if axes else value


@register_kl(Delta, Categorical)
def _point_categorical(room: Backend, p: Delta, q: Categorical) -> Array:
    xp, log_q = room.xp, log_weights(room, q)
    index = like(room, [float(k) for k in range(log_q.shape[-1])], log_q)
    here = index == p.value[..., None]
    value = -xp.sum(xp.where(here, log_q, 0.0), axis=-1)
    return xp.where(xp.any(here, axis=-1), value, math.inf)


@register_kl(Delta, OneHotCategorical)
def _point_one_hot(room: Backend, p: Delta, q: OneHotCategorical) -> Array:
    xp, x = room.xp, p.value
    one_hot = xp.all((x == 0) | (x == 1), axis=-1) & (xp.sum(x, axis=-1) == 1)
    value = -xp.sum(xp.where(x == 1, log_weights(room, q), 0.0), axis=-1)
    return xp.where(one_hot, value, math.inf)
