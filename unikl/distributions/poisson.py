"""The Poisson distribution."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, Support
from .bernoulli import Bernoulli
from .elementary import relative_entropy
from .registry import register_kl

__all__ = ["Poisson"]


@dataclass(frozen=True, eq=False)
class Poisson(Distribution):
    r"""The Poisson distribution with mean `rate`.

    .. math:: \mathrm{KL} = \lambda_1 \log\frac{\lambda_1}{\lambda_2} - \lambda_1 + \lambda_2

    Parameters
    ----------
    rate : array
        The mean lambda, 0 or more.

    Notes
    -----
    Support: 0, 1, 2, ...

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import Poisson, kl
    >>> p, q = Poisson(1.0), Poisson(2.0)
    >>> round(float(kl(p, q)), 6)
    0.306853
    """

    rate: Any

    def support(self, room: Backend) -> Support:
        """0, 1, 2, ..."""
        return Support(0, math.inf, lattice=True)

    def conditions(self, room: Backend) -> list[Condition]:
        """A finite rate, at least 0."""
        holds = (self.rate >= 0) & (self.rate < math.inf)
        return [Condition("rate", holds, "finite and not negative")]


@register_kl(Poisson, Poisson)
def _poisson(room: Backend, p: Poisson, q: Poisson) -> Array:
    return relative_entropy(room, p.rate, q.rate, q.rate - p.rate)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(room: Backend, p: Bernoulli, q: Poisson) -> Array:
    """With m = E x: (m log(m/r) - m + r) + ((1 - m) log(1 - m) + m), both non-negative."""
    from .bernoulli import _failure, _success

    success, failure = _success(room, p), _failure(room, p)
    counts = relative_entropy(room, success, q.rate, q.rate - success)
    return counts + relative_entropy(room, failure, room.xp.ones_like(failure), success)
