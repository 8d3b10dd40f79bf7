"""The Bernoulli distribution, and what counts its outcomes."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from ..core import kl_divergence
from .base import Condition, Distribution, Support, positive, real, unit_interval
from .elementary import product_difference, relative_entropy
from .factorials import binomial_excess, negative_binomial_excess
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
    r"""1 with probability `probs`, else 0; or by ``logits = log(probs / (1 - probs))``.

    .. math:: \mathrm{KL} = p_1 \log\frac{p_1}{p_2} + (1-p_1) \log\frac{1-p_1}{1-p_2}

    Parameters
    ----------
    probs, logits : array
        The probability of a success, between 0 and 1, or ``log(probs / (1 - probs))``; one of them.

    Notes
    -----
    Support: 0 and 1.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import Bernoulli, kl
    >>> p, q = Bernoulli(probs=0.25), Bernoulli(probs=0.5)
    >>> round(float(kl(p, q)), 6)
    0.130812
    """

    def support(self, room: Backend) -> Support:
        """0 and 1."""
        return Support(0, 1, lattice=True)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(room: Backend, p: Bernoulli, q: Bernoulli) -> Array:
    return _coins(room, p, q)


@dataclass(frozen=True, eq=False)
class Geometric(_Coin):
    r"""The number of failures before the first success, of probability `probs`.

    .. math:: \mathrm{KL} = \frac{1}{p_1} \Bigl( p_1 \log\frac{p_1}{p_2}
              + (1-p_1) \log\frac{1-p_1}{1-p_2} \Bigr)

    Parameters
    ----------
    probs, logits : array
        The probability of a success, between 0 and 1, or ``log(probs / (1 - probs))``; one of them.

    Notes
    -----
    Support: 0, 1, 2, ...

    References
    ----------
    .. [1] F. Nielsen and R. Nock, "Entropies and cross-entropies of exponential families", ICIP
       2010, 3621.

    Examples
    --------
    >>> from unikl.distributions import Geometric, kl
    >>> p, q = Geometric(probs=0.25), Geometric(probs=0.5)
    >>> round(float(kl(p, q)), 6)
    0.523248
    """

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
    r"""The number of successes, each of probability `probs`, in `total_count` trials.

    .. math:: \mathrm{KL} = n \Bigl( p_1 \log\frac{p_1}{p_2}
              + (1-p_1) \log\frac{1-p_1}{1-p_2} \Bigr)

    Parameters
    ----------
    total_count : array
        Positive.
    probs, logits : array
        The probability of a success, between 0 and 1, or ``log(probs / (1 - probs))``; one of them.

    Notes
    -----
    Support: 0, 1, ..., total_count.  The formula is that of n trials in both; q with more of them
    adds an expectation, by an integral (`factorials`), and q with fewer has not all outcomes of p:
    +inf.

    References
    ----------
    .. [1] F. Nielsen and R. Nock, "Entropies and cross-entropies of exponential families", ICIP
       2010, 3621.

    Examples
    --------
    >>> from unikl.distributions import Binomial, kl
    >>> p, q = Binomial(2.0, probs=0.25), Binomial(3.0, probs=0.5)
    >>> round(float(kl(p, q)), 6)
    0.734059
    """

    total_count: Any
    probs: Any = None
    logits: Any = None
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("probs", "logits"),)

    def support(self, room: Backend) -> Support:
        """0 to total_count; 0 alone without a chance of success."""
        highest = room.xp.where(_success(room, self) > 0, self.total_count, 0.0)
        return Support(0, highest, lattice=True, hull=(-math.inf, math.inf))

    def conditions(self, room: Backend) -> list[Condition]:
        """At least one trial; probabilities between 0 and 1, or real logits."""
        return [*_conditions(self), positive("total_count", self.total_count)]


@register_kl(Binomial, Binomial)
def _binomial(room: Backend, p: Binomial, q: Binomial) -> Array:
    """With more trials in q, the divergence of the means and the rest of it (`factorials`)."""
    xp, n, m = room.xp, p.total_count, q.total_count
    success, failure = _success(room, p), _failure(room, p)
    d = xp.where(m > n, m - n, 0.0)
    apart = product_difference(room, m, _success(room, q), n, success)
    value = _means(room, n * success, d + n * failure, q, apart)
    value = value + binomial_excess(room, n, d, success, failure)
    # Where q has fewer trials than p, p is at 0, or the result +inf.
    value = xp.where(m < n, _means(room, 0 * m, m, q, m * _success(room, q)), value)
    return xp.where(n == m, n * _coins(room, p, q), value)


def _means(room: Backend, yes: Array, no: Array, q: Any, apart: Array) -> Array:
    """``(yes + no) KL`` of those successes and failures from q; `apart` is q's successes less."""
    total = yes + no
    if q.logits is None:
        successes = relative_entropy(room, yes, total * q.probs, apart)
        return successes + relative_entropy(room, no, total * (1 - q.probs), -apart)
    yes, no, logits = room.broadcast((yes, no, q.logits), ())
    counts = room.xp.stack([no, yes], axis=-1)
    logits = room.xp.stack([0 * logits, logits], axis=-1)
    return total * kl_divergence(counts, logits, given=("counts", "logits"), validate=False)


@register_kl(Bernoulli, Binomial)
def _bernoulli_binomial(room: Backend, p: Bernoulli, q: Binomial) -> Array:
    one = room.xp.ones_like(q.total_count)
    return _binomial(room, Binomial(one, p.probs, p.logits), q)


@dataclass(frozen=True, eq=False)
class NegativeBinomial(Distribution):
    r"""The number of successes, of probability `probs`, before `total_count` failures.

    .. math:: \mathrm{KL} = \frac{r}{1-p_1} \Bigl( p_1 \log\frac{p_1}{p_2}
              + (1-p_1) \log\frac{1-p_1}{1-p_2} \Bigr)

    Parameters
    ----------
    total_count : array
        The number of failures r, positive.
    probs, logits : array
        The probability of a success, between 0 and 1, or ``log(probs / (1 - probs))``; one of them.

    Notes
    -----
    Support: 0, 1, 2, ...  The formula is that of r failures in both; others add an expectation, by
    an integral (`factorials`).

    References
    ----------
    .. [1] F. Nielsen and R. Nock, "Entropies and cross-entropies of exponential families", ICIP
       2010, 3621.

    Examples
    --------
    >>> from unikl.distributions import NegativeBinomial, kl
    >>> p, q = NegativeBinomial(2.0, probs=0.25), NegativeBinomial(3.5, probs=0.5)
    >>> round(float(kl(p, q)), 6)
    1.058713
    """

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
    """With other counts of failures, the divergence of the means and the rest (`factorials`)."""
    r, s = p.total_count, q.total_count
    coins, failure = _coins(room, p, q), _failure(room, p)
    odds = _success(room, p) / failure
    apart = product_difference(room, s, _success(room, q), r * odds, _failure(room, q))
    value = _means(room, r * odds, s, q, apart) + negative_binomial_excess(room, r, s, odds)
    return room.xp.where(r == s, r * (coins / failure), value)
