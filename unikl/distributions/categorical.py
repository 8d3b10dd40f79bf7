"""The categorical distribution and those that are made of its outcomes."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from ..core import kl_divergence
from .base import Condition, Distribution, View, positive
from .registry import register_kl

__all__ = ["Categorical", "Multinomial", "OneHotCategorical"]


@dataclass(frozen=True, eq=False)
class Categorical(Distribution):
    r"""One of K categories, the last axis of `probs` (normalised) or of `logits`.

    .. math:: \mathrm{KL} = \sum_i p_i \log\frac{p_i}{q_i}

    Parameters
    ----------
    probs, logits : array, shape (..., K)
        Non-negative weights of the categories, which are normalised, or their logarithms up to a
        constant; one of them.

    Notes
    -----
    Support: 0, 1, ..., K - 1.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import Categorical, kl
    >>> p, q = Categorical(probs=[0.5, 0.5, 0.0]), Categorical(logits=[0.0, 0.0, 0.0])
    >>> round(float(kl(p, q)), 6)
    0.405465
    """

    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)

    def conditions(self, room: Backend) -> list[Condition]:
        """Non-negative probabilities, or logits below infinity, and some mass."""
        return _conditions(room, self)


def _conditions(room: Backend, d: Any) -> list[Condition]:
    xp = room.xp
    if d.logits is None:
        fine, some = (d.probs >= 0) & (d.probs < math.inf), d.probs > 0
        name, says = "probs", "non-negative and not all zero"
    else:
        fine, some = d.logits < math.inf, d.logits > -math.inf
        name, says = "logits", "below infinity and not all -inf"
    return [Condition(name, xp.all(fine, axis=-1) & xp.any(some, axis=-1), says)]


@register_kl(Categorical, Categorical)
def _categorical(room: Backend, p: Categorical, q: Categorical) -> Array:
    forms = ["counts" if one.logits is None else "logits" for one in (p, q)]
    arrays = [one.probs if one.logits is None else one.logits for one in (p, q)]
    return kl_divergence(*arrays, given=(forms[0], forms[1]), validate=False)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class OneHotCategorical(Distribution):
    r"""One of K categories, as a one-hot vector.

    .. math:: \mathrm{KL} = \sum_i p_i \log\frac{p_i}{q_i}

    Parameters
    ----------
    probs, logits : array, shape (..., K)
        Non-negative weights of the categories, which are normalised, or their logarithms up to a
        constant; one of them.

    Notes
    -----
    Support: the K unit vectors.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import OneHotCategorical, kl
    >>> p = OneHotCategorical(probs=[0.5, 0.5])
    >>> q = OneHotCategorical(probs=[0.25, 0.75])
    >>> round(float(kl(p, q)), 6)
    0.143841
    """

    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)
    event_rank: ClassVar[int] = 1
    views: ClassVar[tuple[View, ...]] = (
        View("x", Categorical, lambda room, d: Categorical(d.probs, d.logits)),
    )

    def conditions(self, room: Backend) -> list[Condition]:
        """Non-negative probabilities, or logits below infinity, and some mass."""
        return _conditions(room, self)


@dataclass(frozen=True, eq=False)
class Multinomial(Distribution):
    r"""How often each of K categories comes in `total_count` draws.

    .. math:: \mathrm{KL} = n \sum_i p_i \log\frac{p_i}{q_i}

    Parameters
    ----------
    total_count : array
        The number of draws n, positive.
    probs, logits : array, shape (..., K)
        Non-negative weights of the categories, which are normalised, or their logarithms up to a
        constant; one of them.

    Notes
    -----
    Support: K counts with the sum n; +inf where the numbers of draws differ.

    References
    ----------
    .. [1] F. Nielsen and R. Nock, "Entropies and cross-entropies of exponential families", ICIP
       2010, 3621.

    Examples
    --------
    >>> from unikl.distributions import Multinomial, kl
    >>> p, q = Multinomial(2.0, probs=[0.5, 0.5]), Multinomial(2.0, probs=[0.25, 0.75])
    >>> round(float(kl(p, q)), 6)
    0.287682
    """

    total_count: Any
    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)
    event_rank: ClassVar[int] = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """At least one draw; non-negative probabilities or logits below infinity, and some mass."""
        return [*_conditions(room, self), positive("total_count", self.total_count)]


@register_kl(Multinomial, Multinomial)
def _multinomial(room: Backend, p: Multinomial, q: Multinomial) -> Array:
    """+inf where the numbers of draws differ: the outcomes then have different totals."""
    one = _categorical(room, Categorical(p.probs, p.logits), Categorical(q.probs, q.logits))
    return room.xp.where(p.total_count == q.total_count, p.total_count * one, math.inf)
