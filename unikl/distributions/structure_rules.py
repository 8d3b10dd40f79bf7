"""The rules that take the divergence of distributions made of others apart."""

import math
from typing import Any

from ..backends import Array, Backend
from .base import Distribution
from .multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
)
from .normal import Normal
from .registry import divergence, register_kl
from .structure import (
    Delta,
    ExpandedDistribution,
    Independent,
    JointDistribution,
    MaskedDistribution,
    MixtureSameFamily,
    TransformedDistribution,
    expand,
)

__all__ = ["expanded_q", "masked"]


@register_kl(Independent, Independent)
def _independent(room: Backend, p: Independent, q: Independent) -> Array:
    n = p.reinterpreted_batch_ndims
    if n != q.reinterpreted_batch_ndims:
        raise ValueError(
            f"p takes {n} axes of its batch as one outcome, q takes "
            f"{q.reinterpreted_batch_ndims}; they must agree"
        )
    axes = tuple(range(-n, 0))
    value = divergence(room, p.base, q.base)
    return room.xp.squeeze(room.sum(value, axes), axis=axes) if axes else value


@register_kl(Independent, MultivariateNormal)
@register_kl(Independent, MultivariateNormalDiag)
@register_kl(Independent, LowRankMultivariateNormal)
@register_kl(MultivariateNormal, Independent)
@register_kl(MultivariateNormalDiag, Independent)
@register_kl(LowRankMultivariateNormal, Independent)
def _independent_normal(room: Backend, p: Distribution, q: Distribution) -> Array:
    return divergence(room, _as_diagonal(room, p), _as_diagonal(room, q))


def _as_diagonal(room: Backend, d: Distribution) -> Distribution:
    if not isinstance(d, Independent):
        return d
    if not isinstance(d.base, Normal) or d.reinterpreted_batch_ndims != 1:
        raise NotImplementedError(
            "a multivariate normal has a closed form against Independent(Normal(...), 1) only, "
            f"got {type(d.base).__name__} with {d.reinterpreted_batch_ndims} axes"
        )
    zero = 0.0 * (d.base.loc + d.base.scale)
    return MultivariateNormalDiag(d.base.loc + zero, d.base.scale + zero)


@register_kl(ExpandedDistribution, Distribution)
def _expanded_p(room: Backend, p: ExpandedDistribution, q: Distribution) -> Array:
    if isinstance(q, ExpandedDistribution):
        return expand(room, expand(room, divergence(room, p.base, q.base), p), q)
    return expand(room, divergence(room, p.base, q), p)


@register_kl(Distribution, ExpandedDistribution)
def expanded_q(room: Backend, p: Distribution, q: ExpandedDistribution) -> Array:
    return expand(room, divergence(room, p, q.base), q)


register_kl(ExpandedDistribution, ExpandedDistribution)(_expanded_p)


@register_kl(MaskedDistribution, MaskedDistribution)
@register_kl(MaskedDistribution, ExpandedDistribution)
@register_kl(MaskedDistribution, Distribution)
@register_kl(ExpandedDistribution, MaskedDistribution)
@register_kl(Distribution, MaskedDistribution)
def masked(room: Backend, p: Distribution, q: Distribution) -> Array:
    masks = [d.mask != 0 for d in (p, q) if isinstance(d, MaskedDistribution)]
    bases = [d.base if isinstance(d, MaskedDistribution) else d for d in (p, q)]
    seen = masks[0] & masks[-1]
    return room.xp.where(seen, divergence(room, bases[0], bases[1]), 0.0)


@register_kl(JointDistribution, JointDistribution)
def _joint(room: Backend, p: JointDistribution, q: JointDistribution) -> Array:
    if len(p.parts) != len(q.parts):
        raise ValueError(f"p has {len(p.parts)} parts, q has {len(q.parts)}; they must agree")
    total: Any = 0.0
    for part_p, part_q in zip(p.parts, q.parts, strict=True):
        total = total + divergence(room, part_p, part_q)
    return total


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(room: Backend, p: TransformedDistribution, q: TransformedDistribution) -> Array:
    same = p.transform is q.transform or bool(p.transform == q.transform)
    if not (same and p.injective and q.injective):
        why = "the transform is not injective" if same else "the transforms differ"
        raise NotImplementedError(f"KL of transformed distributions has no closed form: {why}")
    return divergence(room, p.base, q.base)


@register_kl(MixtureSameFamily, MixtureSameFamily)
def _mixture(room: Backend, p: MixtureSameFamily, q: MixtureSameFamily) -> Array:
    leaves_p, leaves_q = list(p.leaves()), list(q.leaves())
    pairs = list(zip(leaves_p, leaves_q, strict=False))
    if len(leaves_p) != len(leaves_q) or not all(_same_array(room, a, b) for a, b in pairs):
        raise NotImplementedError("KL of two different mixtures has no closed form")
    return divergence(room, p.mixture, q.mixture)


def _same_array(room: Backend, a: Array, b: Array) -> bool:
    """Are they one array, or two with the same values, where these can be read?"""
    if a is b:
        return True
    known = room.readable(a) and room.readable(b) and room.shape(a) == room.shape(b)
    return known and bool(room.xp.all(a == b))


@register_kl(Delta, Delta)
def _delta(room: Backend, p: Delta, q: Delta) -> Array:
    equal = p.value == q.value
    n = max(p.event_dims, q.event_dims)
    if n:
        equal = room.xp.all(equal, axis=tuple(range(-n, 0)))
    return room.xp.where(equal, 0.0 * _first(p.value, n), math.inf)


def _first(value: Array, n: int) -> Array:
    """One number for each outcome, for its shape."""
    return value[(..., *[0] * n)]
