"""The normal-inverse-gamma distribution of a mean and a variance."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, positive, real
from .elementary import itakura_saito
from .gamma import InverseGamma
from .registry import divergence, register_kl

__all__ = ["NormalInverseGamma"]


@dataclass(frozen=True, eq=False)
class NormalInverseGamma(Distribution):
    r"""The pair (x, v): v is inverse gamma, and x normal with mean `loc` and variance v / count.

    .. math:: \mathrm{KL} = \tfrac12 \psi(\kappa_2/\kappa_1 - 1)
              + \tfrac{\kappa_2}{2} (m_1 - m_2)^2 \frac{\alpha_1}{\beta_1}
              + \mathrm{KL}(\mathrm{IG}_1 \| \mathrm{IG}_2),
              \qquad \psi(u) = u - \log(1 + u)

    by the chain rule, with E 1/v = alpha / beta.

    Parameters
    ----------
    loc : array
        m.
    count : array
        kappa, the number of observations that `loc` is worth; positive.
    concentration, rate : array
        alpha and beta of the inverse gamma distribution of v; positive.

    References
    ----------
    .. [1] K. P. Murphy, Machine Learning: A Probabilistic Perspective (2012), section 4.6.3.

    Examples
    --------
    >>> from unikl.distributions import NormalInverseGamma, kl
    >>> p, q = NormalInverseGamma(0.0, 1.0, 2.0, 3.0), NormalInverseGamma(1.0, 2.0, 2.0, 3.0)
    >>> print(f"{float(kl(p, q)):.12f}")
    0.820093076387
    """

    loc: Any
    count: Any
    concentration: Any
    rate: Any
    event_rank: ClassVar[int] = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, positive other parameters."""
        names = ("count", "concentration", "rate")
        return [real("loc", self.loc), *[positive(name, getattr(self, name)) for name in names]]


@register_kl(NormalInverseGamma, NormalInverseGamma)
def _normal_inverse_gamma(room: Backend, p: NormalInverseGamma, q: NormalInverseGamma) -> Array:
    counts = itakura_saito(room, p.count, q.count, q.count - p.count)
    moved = q.count * (p.loc - q.loc) ** 2 * (p.concentration / p.rate)
    variances = divergence(
        room, InverseGamma(p.concentration, p.rate), InverseGamma(q.concentration, q.rate)
    )
    return 0.5 * (counts + moved) + variances
