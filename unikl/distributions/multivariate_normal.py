"""Multivariate normal distributions: dense, diagonal, and diagonal plus low rank.

Each pair goes through Cholesky factors and triangular solves (`stein`), or, where both
covariances are diagonal plus low rank, through capacitance matrices (`low_rank`).  Two
distributions given in the same way lose no digits where they nearly agree; given in two ways,
they carry the rounding error of the factor of one of them.
"""

from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, positive, real
from .elementary import itakura_saito
from .linalg import (
    cholesky,
    diagonal,
    diagonal_matrix,
    identity_like,
    lower,
    solve_lower,
    transpose,
    turn,
)
from .low_rank import low_rank_distance, low_rank_loss
from .registry import register_kl
from .special import HALF_LOG_TWO_PI
from .stein import Ratio, ratio_of_factors, ratio_of_matrices

__all__ = ["LowRankMultivariateNormal", "MultivariateNormal", "MultivariateNormalDiag"]


@dataclass(frozen=True, eq=False)
class MultivariateNormal(Distribution):
    r"""Normal distribution on R^n, by its covariance, its inverse, or a Cholesky factor.

    .. math:: 2\,\mathrm{KL} = \operatorname{tr}(C_2^{-1} C_1) - n - \log\det(C_2^{-1} C_1)
              + (\mu_1-\mu_2)^T C_2^{-1} (\mu_1-\mu_2)

    Parameters
    ----------
    loc : array, shape (..., n)
    covariance_matrix, precision_matrix : array, shape (..., n, n)
        Symmetric and positive definite.
    scale_tril : array, shape (..., n, n)
        Lower triangular with a positive diagonal; what stands above it is not looked at.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959, chapter 9, equation 1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions.multivariate_normal import MultivariateNormal
    >>> from unikl.distributions.registry import kl
    >>> p = MultivariateNormal(np.zeros(2), covariance_matrix=np.eye(2))
    >>> q = MultivariateNormal(np.ones(2), covariance_matrix=[[2.0, 1.0], [1.0, 2.0]])
    >>> round(float(kl(p, q)), 6)
    0.549306
    """

    loc: Any
    covariance_matrix: Any = None
    precision_matrix: Any = None
    scale_tril: Any = None

    alternatives = (("covariance_matrix", "precision_matrix", "scale_tril"),)
    event_rank = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """A finite mean; a covariance."""
        held = [_all(room, real("loc", self.loc))]
        name, matrix = self.form()
        if name == "scale_tril":
            diag = positive(name, diagonal(room, matrix))
            needs = "lower triangular with a positive diagonal"
            return [*held, _all(room, diag)._replace(requirement=needs)]
        pivots = positive(name, diagonal(room, cholesky(room, matrix)))
        return [*held, _all(room, pivots)._replace(requirement="positive definite")]

    def form(self) -> tuple[str, Array]:
        """The name and value of the matrix that is given."""
        names = self.alternatives[0]
        return next((n, getattr(self, n)) for n in names if getattr(self, n) is not None)

    def mean(self, room: Backend) -> Array:
        """The mean vector."""
        return self.loc

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        factor = self.factor(room)
        z = solve_lower(room, factor, _column(room, x - self.loc, factor))
        log_diag = room.xp.log(diagonal(room, factor))
        return -_last(room, log_diag + HALF_LOG_TWO_PI) - 0.5 * _square(room, z)

    def factor(self, room: Backend) -> Array:
        """The lower triangular Cholesky factor of the covariance."""
        name, matrix = self.form()
        if name == "scale_tril":
            return lower(room, matrix)
        if name == "covariance_matrix":
            return cholesky(room, matrix)
        # P = U^T U with U upper triangular, from the factor of P turned by 180 degrees.
        turned = turn(room, cholesky(room, turn(room, matrix)))
        inverse = solve_lower(room, transpose(room, turned), identity_like(room, matrix))
        return lower(room, inverse)


@dataclass(frozen=True, eq=False)
class MultivariateNormalDiag(Distribution):
    r"""Independent normal components: mean `loc`, standard deviations `scale_diag`, (..., n).

    .. math:: \mathrm{KL} = \frac12 \sum_i \Bigl( \frac{(m_i-n_i)^2}{t_i^2}
              + \frac{s_i^2}{t_i^2} - 1 - \log\frac{s_i^2}{t_i^2} \Bigr)

    Parameters
    ----------
    loc : array, shape (..., n)
        The means, m of p and n of q.
    scale_diag : array, shape (..., n)
        Positive standard deviations, s of p and t of q.

    Notes
    -----
    Support: vectors of n real numbers.

    References
    ----------
    .. [1] S. Kullback, "Information Theory and Statistics", Wiley 1959.

    Examples
    --------
    >>> from unikl.distributions import MultivariateNormalDiag, kl
    >>> p = MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])
    >>> q = MultivariateNormalDiag([1.0, 1.0], [2.0, 2.0])
    >>> round(float(kl(p, q)), 6)
    0.886294
    """

    loc: Any
    scale_diag: Any

    event_rank = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """A finite mean, positive scales."""
        held = real("loc", self.loc), positive("scale_diag", self.scale_diag)
        return [_all(room, one) for one in held]

    def mean(self, room: Backend) -> Array:
        """The mean vector."""
        return self.loc

    def log_density(self, room: Backend, x: Array) -> Array:
        """log p(x)."""
        z = (x - self.loc) / self.scale_diag
        log_scale = room.xp.log(self.scale_diag)
        return -_last(room, log_scale + HALF_LOG_TWO_PI + 0.5 * z * z)


@dataclass(frozen=True, eq=False)
class LowRankMultivariateNormal(Distribution):
    r"""Normal distribution with the covariance ``diag(cov_diag) + cov_factor cov_factor^T``.

    Two of them cost O(n r^2); their n by n matrices are never formed.

    .. math:: \mathrm{KL} = \mathrm{KL}(\mathcal{N}(\mu_1, D_1 + W_1 W_1^T)
              \| \mathcal{N}(\mu_2, D_2 + W_2 W_2^T))

    Parameters
    ----------
    loc : array, shape (..., n)
    cov_factor : array, shape (..., n, r)
        W.
    cov_diag : array, shape (..., n)
        The diagonal of D, positive.

    References
    ----------
    .. [1] M. A. Woodbury, "Inverting modified matrices", Princeton Statistical Research Group,
       memorandum 42 (1950).

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import LowRankMultivariateNormal, kl
    >>> zero, one = np.zeros(3), np.ones(3)
    >>> p = LowRankMultivariateNormal(zero, one[:, None], one)
    >>> q = LowRankMultivariateNormal(one, zero[:, None], one)
    >>> round(float(kl(p, q)), 6)
    2.306853
    """

    loc: Any
    cov_factor: Any
    cov_diag: Any

    event_rank = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """A finite mean and factor, a positive diagonal."""
        held = real("loc", self.loc), positive("cov_diag", self.cov_diag)
        factor = _all(room, _all(room, real("cov_factor", self.cov_factor)))
        return [*[_all(room, one) for one in held], factor]

    def mean(self, room: Backend) -> Array:
        """The mean vector."""
        return self.loc


# -- the pairs -------------------------------------------------------------------------------------


@register_kl(MultivariateNormal, MultivariateNormal)
def _dense(room: Backend, p: MultivariateNormal, q: MultivariateNormal) -> Array:
    (name_p, a), (name_q, c) = p.form(), q.form()
    shift = p.loc - q.loc
    if name_p == name_q == "precision_matrix":
        ratio = ratio_of_matrices(room, c, a, c - a)
        x = transpose(room, ratio.k) @ _column(room, shift, ratio.k)
        return 0.5 * (ratio.loss + _square(room, x))
    if name_p == name_q == "covariance_matrix":
        ratio = ratio_of_matrices(room, a, c, a - c)
    else:
        ratio = ratio_of_factors(room, p.factor(room), q.factor(room))
    return _with_shift(room, ratio, shift)


@register_kl(MultivariateNormalDiag, MultivariateNormalDiag)
def _diagonal(room: Backend, p: MultivariateNormalDiag, q: MultivariateNormalDiag) -> Array:
    shift = (p.loc - q.loc) / q.scale_diag
    change = (p.scale_diag - q.scale_diag) * (p.scale_diag + q.scale_diag)
    loss = itakura_saito(room, q.scale_diag**2, p.scale_diag**2, change)
    return 0.5 * _last(room, loss + shift * shift)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _low_rank(room: Backend, p: LowRankMultivariateNormal, q: LowRankMultivariateNormal) -> Array:
    w1, w2 = _same_rank(room, p.cov_factor, q.cov_factor)
    loss = low_rank_loss(room, p.cov_diag, w1, q.cov_diag, w2)
    return 0.5 * (loss + low_rank_distance(room, p.loc - q.loc, q.cov_diag, w2))


@register_kl(LowRankMultivariateNormal, MultivariateNormalDiag)
def _low_rank_diagonal(
    room: Backend, p: LowRankMultivariateNormal, q: MultivariateNormalDiag
) -> Array:
    return _low_rank(room, p, _as_low_rank(room, q))


@register_kl(MultivariateNormalDiag, LowRankMultivariateNormal)
def _diagonal_low_rank(
    room: Backend, p: MultivariateNormalDiag, q: LowRankMultivariateNormal
) -> Array:
    return _low_rank(room, _as_low_rank(room, p), q)


@register_kl(MultivariateNormal, MultivariateNormalDiag)
@register_kl(MultivariateNormalDiag, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _made_dense(room: Backend, p: Distribution, q: Distribution) -> Array:
    return _dense(room, _as_dense(room, p), _as_dense(room, q))


# -- from one form to another ----------------------------------------------------------------------


def _as_dense(room: Backend, d: Distribution) -> MultivariateNormal:
    if isinstance(d, MultivariateNormalDiag):
        return MultivariateNormal(d.loc, scale_tril=diagonal_matrix(room, d.scale_diag))
    if isinstance(d, LowRankMultivariateNormal):
        w = d.cov_factor
        covariance = w @ transpose(room, w) + diagonal_matrix(room, d.cov_diag)
        return MultivariateNormal(d.loc, covariance_matrix=covariance)
    assert isinstance(d, MultivariateNormal)
    return d


def _as_low_rank(room: Backend, d: MultivariateNormalDiag) -> LowRankMultivariateNormal:
    empty = room.xp.zeros_like(d.scale_diag)[..., None]
    return LowRankMultivariateNormal(d.loc, empty, d.scale_diag * d.scale_diag)


def _same_rank(room: Backend, w1: Array, w2: Array) -> tuple[Array, Array]:
    """Both factors with as many columns, by columns of zeros."""
    xp = room.xp
    missing = w2.shape[-1] - w1.shape[-1]
    if missing > 0:
        zeros = xp.zeros_like(w1[..., :1])
        w1 = xp.concat([w1, *[zeros] * missing], axis=-1)
    elif missing < 0:
        zeros = xp.zeros_like(w2[..., :1])
        w2 = xp.concat([w2, *[zeros] * -missing], axis=-1)
    return w1, w2


# -- small things ----------------------------------------------------------------------------------


def _with_shift(room: Backend, ratio: Ratio, shift: Array) -> Array:
    x = solve_lower(room, ratio.factor, _column(room, shift, ratio.factor))
    return 0.5 * (ratio.loss + _square(room, x))


def _column(room: Backend, x: Array, matrix: Array) -> Array:
    return (x + room.xp.zeros_like(matrix[..., 0]))[..., None]


def _square(room: Backend, x: Array) -> Array:
    return room.xp.squeeze(room.sum(x * x, (-2, -1)), axis=(-2, -1))


def _last(room: Backend, x: Array) -> Array:
    return room.xp.squeeze(room.sum(x, (-1,)), axis=-1)


def _all(room: Backend, condition: Condition) -> Condition:
    """The condition on all entries along the last axis."""
    return condition._replace(holds=room.xp.all(condition.holds, axis=-1))
