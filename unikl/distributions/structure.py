"""Distributions made of others, and the rules that take their divergence apart."""

import math
from dataclasses import dataclass, field
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution
from .multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
)
from .normal import Normal
from .registry import divergence, register_kl

__all__ = [
    "Delta",
    "ExpandedDistribution",
    "Independent",
    "JointDistribution",
    "MaskedDistribution",
    "MixtureSameFamily",
    "TransformedDistribution",
]


@dataclass(frozen=True, eq=False)
class Independent(Distribution):
    """The last axes of a batch taken as one outcome: their divergences add up.

    Parameters
    ----------
    base : Distribution
    reinterpreted_batch_ndims : int

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions.normal import Normal
    >>> from unikl.distributions.registry import kl
    >>> from unikl.distributions.structure import Independent
    >>> p, q = Independent(Normal(np.zeros(3), 1.0), 1), Independent(Normal(np.ones(3), 1.0), 1)
    >>> float(kl(p, q))
    1.5
    """

    base: Any
    reinterpreted_batch_ndims: int = 1

    static = ("reinterpreted_batch_ndims",)

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the base, of all that are taken together."""
        inner = self.base.conditions(room)
        if not inner or self.reinterpreted_batch_ndims == 0:
            return list(inner)
        axes = tuple(range(-self.reinterpreted_batch_ndims, 0))
        valid = inner[0].holds
        for one in inner[1:]:
            valid = valid & one.holds
        everywhere = valid | ~valid  # in the batch shape
        return [one._replace(holds=room.xp.all(one.holds & everywhere, axis=axes)) for one in inner]


@dataclass(frozen=True, eq=False)
class ExpandedDistribution(Distribution):
    """The base repeated to a batch shape; its divergence is repeated likewise."""

    base: Any
    batch_shape: tuple[int, ...] = ()

    static = ("batch_shape",)

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the base."""
        inner = self.base.conditions(room)
        return [c._replace(holds=_expand(room, c.holds, self)) for c in inner]


@dataclass(frozen=True, eq=False)
class MaskedDistribution(Distribution):
    """The base, or nothing where the mask is false: there the divergence is 0."""

    base: Any
    mask: Any

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the base, where the mask is true."""
        hidden = self.mask == 0
        return [c._replace(holds=c.holds | hidden) for c in self.base.conditions(room)]


@dataclass(frozen=True, eq=False)
class JointDistribution(Distribution):
    """A product of independent distributions, not necessarily of one family."""

    parts: tuple[Any, ...]

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of all parts."""
        return [c for part in self.parts for c in part.conditions(room)]


@dataclass(frozen=True, eq=False)
class TransformedDistribution(Distribution):
    """The distribution of a function of the base's outcome.

    KL is the same before and after a one-to-one function, so two of them with equal transforms
    have the divergence of their bases.  With one that is not injective, KL of the bases is only
    an upper bound, and there is no such rule.

    Parameters
    ----------
    base : Distribution
    transform : object
        What is applied, compared by ``is`` and ``==``.
    injective : bool
        Whether it is one-to-one on the support of the base.
    """

    base: Any
    transform: Any = field(default=None)
    injective: bool = True

    static = ("transform", "injective")

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the base."""
        return list(self.base.conditions(room))


@dataclass(frozen=True, eq=False)
class MixtureSameFamily(Distribution):
    """A mixture: `mixture` is categorical, the last batch axis of `components` its choices.

    Its only closed form is that of a mixture with itself; `unikl.distributions.mixtures` has
    bounds, and Monte Carlo.
    """

    mixture: Any
    components: Any

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the weights and of all components."""
        return [*self.mixture.conditions(room), *Independent(self.components).conditions(room)]


@dataclass(frozen=True, eq=False)
class Delta(Distribution):
    """All mass at one point; `event_dims` of the trailing axes of `value` are one outcome."""

    value: Any
    event_dims: int = 0

    static = ("event_dims",)

    def conditions(self, room: Backend) -> list[Condition]:
        """None but to be a number."""
        holds = self.value == self.value
        axes = tuple(range(-self.event_dims, 0))
        return [Condition("value", room.xp.all(holds, axis=axes) if axes else holds, "a number")]


# -- the rules -------------------------------------------------------------------------------------


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
        return _expand(room, _expand(room, divergence(room, p.base, q.base), p), q)
    return _expand(room, divergence(room, p.base, q), p)


@register_kl(Distribution, ExpandedDistribution)
def _expanded_q(room: Backend, p: Distribution, q: ExpandedDistribution) -> Array:
    return _expand(room, divergence(room, p, q.base), q)


register_kl(ExpandedDistribution, ExpandedDistribution)(_expanded_p)


def _expand(room: Backend, value: Array, d: ExpandedDistribution) -> Array:
    # By joining copies: no framework needs to be told a dtype or a device.
    value = value[(None,) * max(0, len(d.batch_shape) - len(value.shape))]
    for k, n in enumerate(reversed(d.batch_shape)):
        if value.shape[-1 - k] != n:
            value = room.xp.concat([value] * n, axis=-1 - k)
    return value


@register_kl(MaskedDistribution, MaskedDistribution)
@register_kl(MaskedDistribution, ExpandedDistribution)
@register_kl(MaskedDistribution, Distribution)
@register_kl(ExpandedDistribution, MaskedDistribution)
@register_kl(Distribution, MaskedDistribution)
def _masked(room: Backend, p: Distribution, q: Distribution) -> Array:
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
