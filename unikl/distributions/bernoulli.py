"""The Bernoulli distribution, and what counts its outcomes."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from ..core import kl_divergence
from .base import Condition, Distribution, Support, positive, real, unit_interval
from .elementary import relative_entropy
from .registry import register_kl

__all__ = ["Bernoulli", "Binomial", "Geometric", "NegativeBinomial"]


@dataclass(frozen=True, eq=False)
class _Coin(Distribution):
    """Probabilities of one of two outcomes, given as they are or by their logits."""

    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)

    def conditions(self, room: Backend) -> list[Condition]:
        """Probabilities between 0 and 1, or real logits."""
        return _conditions(self)


def _conditions(d: Any) -> list[Condition]:
    return [real("logits", d.logits) if d.probs is None else unit_interval("probs", d.probs)]


def _success(room: Backend, d: Any) -> Array:
    """The probability of 1."""
    return d.probs if d.logits is None else 1 / (1 + room.xp.exp(-d.logits))


def _failure(room: Backend, d: Any) -> Array:
    """The probability of 0."""
    return 1 - d.probs if d.logits is None else 1 / (1 + room.xp.exp(d.logits))


def _coins(room: Backend, p: Any, q: Any) -> Array:
    """The divergence of the two outcomes."""
    xp = room.xp
    if p.logits is None and q.logits is None:
        d = q.probs - p.probs
        success = relative_entropy(room, p.probs, q.probs, d)
        return success + relative_entropy(room, 1 - p.probs, 1 - q.probs, -d)
    arrays, forms = [], []
    for one in (p, q):
        if one.logits is None:
            arrays.append(xp.stack([1 - one.probs, one.probs], axis=-1))
        else:
            arrays.append(xp.stack([0 * one.logits, one.logits], axis=-1))
        forms.append("probs" if one.logits is None else "logits")
    return kl_divergence(*arrays, given=(forms[0], forms[1]), validate=False)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Bernoulli(_Coin):
    """1 with probability `probs`, else 0; or by ``logits = log(probs / (1 - probs))``."""

    def support(self, room: Backend) -> Support:
        """0 and 1."""
        return Support(0, 1, lattice=True)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(room: Backend, p: Bernoulli, q: Bernoulli) -> Array:
    return _coins(room, p, q)


@dataclass(frozen=True, eq=False)
class Geometric(_Coin):
    """The number of failures before the first success, of probability `probs`."""

    def support(self, room: Backend) -> Support:
        """0, 1, 2, ..."""
        return Support(0, math.inf, lattice=True)

    def conditions(self, room: Backend) -> list[Condition]:
        """Probabilities above 0 and up to 1, or real logits."""
        if self.probs is None:
            return _conditions(self)
        return [positive("probs", self.probs), unit_interval("probs", self.probs)]


@register_kl(Geometric, Geometric)
def _geometric(room: Backend, p: Geometric, q: Geometric) -> Array:
    # 1 / probs trials on average, each of which adds the divergence of its outcome.
    return _coins(room, p, q) / _success(room, p)


@dataclass(frozen=True, eq=False)
class Binomial(Distribution):
    """The number of successes, each of probability `probs`, in `total_count` trials."""

    total_count: Any
    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)

    def support(self, room: Backend) -> Support:
        """0 to total_count."""
        return Support(0, self.total_count, lattice=True, hull=(-math.inf, math.inf))

    def conditions(self, room: Backend) -> list[Condition]:
        """At least one trial; probabilities between 0 and 1, or real logits."""
        return [*_conditions(self), positive("total_count", self.total_count)]


@register_kl(Binomial, Binomial)
def _binomial(room: Backend, p: Binomial, q: Binomial) -> Array:
    """NaN where q has more trials than p: no closed form is known."""
    value = p.total_count * _coins(room, p, q)
    return room.xp.where(p.total_count == q.total_count, value, math.nan)


@register_kl(Bernoulli, Binomial)
def _bernoulli_binomial(room: Backend, p: Bernoulli, q: Binomial) -> Array:
    one = room.xp.ones_like(q.total_count)
    return _binomial(room, Binomial(one, p.probs, p.logits), q)


@dataclass(frozen=True, eq=False)
class NegativeBinomial(Distribution):
    """The number of successes, of probability `probs`, before `total_count` failures."""

    total_count: Any
    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)

    def support(self, room: Backend) -> Support:
        """0, 1, 2, ..."""
        return Support(0, math.inf, lattice=True)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive count of failures; probabilities from 0 to below 1, or real logits."""
        conditions = [*_conditions(self), positive("total_count", self.total_count)]
        if self.probs is not None:
            conditions.append(Condition("probs", self.probs < 1, "below 1"))
        return conditions


@register_kl(NegativeBinomial, NegativeBinomial)
def _negative_binomial(room: Backend, p: NegativeBinomial, q: NegativeBinomial) -> Array:
    """NaN where the counts of failures differ: no closed form is known."""
    value = p.total_count * (_coins(room, p, q) / _failure(room, p))
    return room.xp.where(p.total_count == q.total_count, value, math.nan)
