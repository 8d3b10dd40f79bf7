"""Distributions of matrices: Wishart, and matrix normal."""

from dataclasses import dataclass
from typing import Any

from ..backends import Array, Backend
from .base import Condition, Distribution, positive, real
from .linalg import diagonal, lower, solve_lower, transpose
from .multivariate_normal import MultivariateNormal
from .registry import register_kl
from .special import lgamma_bregman
from .stein import Ratio, ratio_of_factors, ratio_of_matrices

__all__ = ["MatrixNormal", "Wishart"]


@dataclass(frozen=True, eq=False)
class Wishart(Distribution):
    r"""Wishart distribution of n by n covariances, with the mean ``df * covariance_matrix``.

    .. math:: \mathrm{KL} = \tfrac{\nu_1}{2} \phi(V_1, V_2)
              + \tfrac{\nu_1-\nu_2}{2} \log\det(V_2^{-1} V_1)
              + D_{\log\Gamma_n}(\tfrac{\nu_1}{2} \to \tfrac{\nu_2}{2})

    with Stein's loss phi and the Bregman divergence D of the log multivariate gamma function.

    Parameters
    ----------
    df : array
        Degrees of freedom, more than n - 1.
    covariance_matrix, precision_matrix, scale_tril : array, shape (..., n, n)
        The scale matrix V, its inverse, or its lower Cholesky factor.

    References
    ----------
    .. [1] W. D. Penny, "KL-divergences of Normal, Gamma, Dirichlet and Wishart densities",
       technical report, Wellcome Department of Cognitive Neurology (2001), section 5.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import Wishart, kl
    >>> p, q = (Wishart(df, covariance_matrix=np.eye(2)) for df in (3.0, 4.0))
    >>> round(float(kl(p, q)), 6)
    0.270363
    """

    df: Any
    covariance_matrix: Any = None
    precision_matrix: Any = None
    scale_tril: Any = None

    alternatives = (("covariance_matrix", "precision_matrix", "scale_tril"),)
    event_rank = 2

    def conditions(self, room: Backend) -> list[Condition]:
        """Enough degrees of freedom; a covariance."""
        n = self.normal().form()[1].shape[-1]
        enough = positive("df", self.df - (n - 1))._replace(requirement=f"more than {n - 1}")
        return [enough, *self.normal().conditions(room)[1:]]

    def normal(self) -> MultivariateNormal:
        """The normal distribution whose scatter this is; its mean does not matter."""
        matrices = self.covariance_matrix, self.precision_matrix, self.scale_tril
        given = next(m for m in matrices if m is not None)
        return MultivariateNormal(given[..., 0], *matrices)


@register_kl(Wishart, Wishart)
def _wishart(room: Backend, p: Wishart, q: Wishart) -> Array:
    ratio = _ratio_of_scales(room, p.normal(), q.normal())
    n = ratio.factor.shape[-1]
    d = p.df - q.df
    shapes: Any = 0.0
    for k in range(n):
        shapes = shapes + lgamma_bregman(room, 0.5 * (p.df - k), 0.5 * (q.df - k), -0.5 * d)
    return 0.5 * (p.df * ratio.loss + d * ratio.log_det) + shapes


def _ratio_of_scales(room: Backend, p: MultivariateNormal, q: MultivariateNormal) -> Ratio:
    """V_p in units of V_q; P_q in units of P_p is the same."""
    (name_p, a), (name_q, c) = p.form(), q.form()
    if name_p == name_q == "precision_matrix":
        return ratio_of_matrices(room, c, a, c - a)
    if name_p == name_q == "covariance_matrix":
        return ratio_of_matrices(room, a, c, a - c)
    return ratio_of_factors(room, p.factor(room), q.factor(room))


@dataclass(frozen=True, eq=False)
class MatrixNormal(Distribution):
    r"""Normal distribution of n by m matrices with covariance V (columns) times U (rows).

    The Kullback-Leibler divergence is that of vec(X) ~ N(vec(M), V kron U), from the two small
    matrices: with a = phi(U_1, U_2), b = phi(V_1, V_2) and their log-determinants l_a and l_b,

    .. math:: 2\,\mathrm{KL} = m a + n b + (a + l_a)(b + l_b)
              + \| L_{U_2}^{-1} (M_1 - M_2) L_{V_2}^{-T} \|^2

    Parameters
    ----------
    loc : array, shape (..., n, m)
    scale_tril_row : array, shape (..., n, n)
    scale_tril_column : array, shape (..., m, m)
        Lower triangular Cholesky factors of U and V.

    References
    ----------
    .. [1] A. K. Gupta and D. K. Nagar, "Matrix Variate Distributions", Chapman and Hall 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import MatrixNormal, kl
    >>> p, q = (MatrixNormal(np.full((2, 2), m), np.eye(2), np.eye(2)) for m in (0.0, 1.0))
    >>> float(kl(p, q))
    2.0
    """

    loc: Any
    scale_tril_row: Any
    scale_tril_column: Any

    event_rank = 2

    def conditions(self, room: Backend) -> list[Condition]:
        """A finite mean; factors with positive diagonals."""
        mean = real("loc", self.loc)
        held = [mean._replace(holds=room.xp.all(mean.holds, axis=(-2, -1)))]
        for name in ("scale_tril_row", "scale_tril_column"):
            one = positive(name, diagonal(room, getattr(self, name)))
            needs = "lower triangular with a positive diagonal"
            held.append(Condition(name, room.xp.all(one.holds, axis=-1), needs))
        return held


@register_kl(MatrixNormal, MatrixNormal)
def _matrix_normal(room: Backend, p: MatrixNormal, q: MatrixNormal) -> Array:
    rows = ratio_of_factors(room, lower(room, p.scale_tril_row), lower(room, q.scale_tril_row))
    columns = ratio_of_factors(
        room, lower(room, p.scale_tril_column), lower(room, q.scale_tril_column)
    )
    shift = solve_lower(room, rows.factor, p.loc - q.loc)
    shift = solve_lower(room, columns.factor, transpose(room, shift))
    distance = room.xp.squeeze(room.sum(shift * shift, (-2, -1)), axis=(-2, -1))
    n, m = rows.factor.shape[-1], columns.factor.shape[-1]
    both = (rows.loss + rows.log_det) * (columns.loss + columns.log_det)
    return 0.5 * (m * rows.loss + n * columns.loss + both + distance)
