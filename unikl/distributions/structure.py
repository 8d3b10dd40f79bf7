"""Distributions made of others; the rules for them are in `structure_rules`."""

from dataclasses import dataclass, field
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution

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

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959 (additivity).

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
    r"""The base repeated to a batch shape; its divergence is repeated likewise.

    .. math:: \mathrm{KL} = \mathrm{KL}(\mathrm{base}_1 \| \mathrm{base}_2)

    Parameters
    ----------
    base : Distribution
    batch_shape : tuple of ints

    Notes
    -----
    Support: that of the base.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import ExpandedDistribution, Normal, kl
    >>> p, q = ExpandedDistribution(Normal(0.0, 1.0), (2,)), Normal(1.0, 2.0)
    >>> kl(p, q).round(6).tolist()
    [0.443147, 0.443147]
    """

    base: Any
    batch_shape: tuple[int, ...] = ()

    static = ("batch_shape",)

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the base."""
        inner = self.base.conditions(room)
        return [c._replace(holds=expand(room, c.holds, self)) for c in inner]


@dataclass(frozen=True, eq=False)
class MaskedDistribution(Distribution):
    r"""The base, or nothing where the mask is false: there the divergence is 0.

    .. math:: \mathrm{KL} = \mathrm{mask}_1 \, \mathrm{mask}_2 \,
              \mathrm{KL}(\mathrm{base}_1 \| \mathrm{base}_2)

    Parameters
    ----------
    base : Distribution
    mask : array of bool

    Notes
    -----
    Support: that of the base.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import MaskedDistribution, Normal, kl
    >>> p, q = MaskedDistribution(Normal(0.0, 1.0), False), Normal(1.0, 2.0)
    >>> round(float(kl(p, q)), 6)
    0.0
    """

    base: Any
    mask: Any

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the base, where the mask is true."""
        hidden = self.mask == 0
        return [c._replace(holds=c.holds | hidden) for c in self.base.conditions(room)]


@dataclass(frozen=True, eq=False)
class JointDistribution(Distribution):
    r"""A product of independent distributions, not necessarily of one family.

    .. math:: \mathrm{KL} = \sum_i \mathrm{KL}(p_i \| q_i)

    Parameters
    ----------
    parts : tuple of Distribution
        As many for p as for q.

    Notes
    -----
    Support: the product of those of the parts.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import JointDistribution, Normal, Poisson, kl
    >>> p = JointDistribution((Normal(0.0, 1.0), Poisson(1.0)))
    >>> q = JointDistribution((Normal(1.0, 2.0), Poisson(2.0)))
    >>> round(float(kl(p, q)), 6)
    0.75
    """

    parts: tuple[Any, ...]

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of all parts."""
        return [c for part in self.parts for c in part.conditions(room)]


@dataclass(frozen=True, eq=False)
class TransformedDistribution(Distribution):
    r"""The distribution of a function of the base's outcome.

    KL is the same before and after a one-to-one function, so two of them with equal transforms
    have the divergence of their bases.  With one that is not injective, KL of the bases is only
    an upper bound, and there is no such rule.

    .. math:: \mathrm{KL} = \mathrm{KL}(\mathrm{base}_1 \| \mathrm{base}_2)

    Parameters
    ----------
    base : Distribution
    transform : object
        What is applied, compared by ``is`` and ``==``.
    injective : bool
        Whether it is one-to-one on the support of the base.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import Normal, TransformedDistribution, kl
    >>> bases = Normal(0.0, 1.0), Normal(1.0, 2.0)
    >>> p, q = (TransformedDistribution(base, "exp") for base in bases)
    >>> round(float(kl(p, q)), 6)
    0.443147
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
    r"""A mixture: `mixture` is categorical, the last batch axis of `components` its choices.

    Its only closed form is that of a mixture with itself, 0; `unikl.distributions.mixtures` has
    bounds, and Monte Carlo.

    .. math:: p(x) = \sum_k \pi_k f_k(x)

    Parameters
    ----------
    mixture : Categorical
        The weights pi.
    components : Distribution
        The components f.

    References
    ----------
    .. [1] J. R. Hershey and P. A. Olsen, "Approximating the Kullback Leibler Divergence Between
       Gaussian Mixture Models", ICASSP 2007, IV-317.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import Categorical, MixtureSameFamily, Normal, kl_divergence
    >>> p = MixtureSameFamily(Categorical(probs=[0.5, 0.5]), Normal(np.array([-1.0, 1.0]), 1.0))
    >>> round(float(kl_divergence(p, Normal(0.0, 1.5))), 6)
    0.013079
    """

    mixture: Any
    components: Any

    def conditions(self, room: Backend) -> list[Condition]:
        """Those of the weights and of all components."""
        return [*self.mixture.conditions(room), *Independent(self.components).conditions(room)]


@dataclass(frozen=True, eq=False)
class Delta(Distribution):
    r"""All mass at one point; `event_dims` of the trailing axes of `value` are one outcome.

    .. math:: \mathrm{KL} = -\log q(\{v\})

    Parameters
    ----------
    value : array
        The point v.
    event_dims : int
        How many of its trailing axes are one outcome.

    Notes
    -----
    Support: the point.  Against a distribution with a density +inf, as that gives the point
    nothing.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import Delta, Poisson, kl
    >>> p, q = Delta(2.0), Poisson(2.0)
    >>> round(float(kl(p, q)), 6)
    1.306853
    """

    value: Any
    event_dims: int = 0

    static = ("event_dims",)

    def conditions(self, room: Backend) -> list[Condition]:
        """None but to be a number."""
        holds = self.value == self.value
        axes = tuple(range(-self.event_dims, 0))
        return [Condition("value", room.xp.all(holds, axis=axes) if axes else holds, "a number")]


def expand(room: Backend, value: Array, d: ExpandedDistribution) -> Array:
    """The value repeated to the batch shape of d."""
    # By joining copies: no framework needs to be told a dtype or a device.
    value = value[(None,) * max(0, len(d.batch_shape) - len(value.shape))]
    for k, n in enumerate(reversed(d.batch_shape)):
        if value.shape[-1 - k] != n:
            value = room.xp.concat([value] * n, axis=-1 - k)
    return value
