r"""Stein's loss of positive definite matrices, without cancellation.

.. math:: \phi(A, C) = \operatorname{tr}(C^{-1} A) - n - \log\det(C^{-1} A) \ge 0

is what two covariances contribute to a Kullback-Leibler divergence (twice; James and Stein, 1961;
the Bregman divergence of -log det).  With C = L L^T and A = K K^T, M = L^-1 K is lower triangular,
C^-1 A is similar to M M^T, and so

    phi(A, C) = sum_i psi(m_ii^2 - 1) + sum_{i>j} m_ij^2,        psi(u) = u - log(1 + u):

nothing but non-negative terms.  What remains is to have G = M - I with all its digits where A
and C nearly agree.  From factors it is L^-1 (K - L).  From matrices, the factors' own rounding
errors would spoil their difference; but E = L^-1 (A - C) L^-T is accurate, and
G + G^T + G G^T = E, which one Newton step solves from a first guess at hand.

Reference: W. James and C. Stein, Proc. Fourth Berkeley Symposium 1 (1961) 361, section 5.
"""

from typing import NamedTuple

from ..backends import Array, Backend
from ..numerics import psi
from .linalg import cholesky, identity_like, lower, solve_lower, transpose

__all__ = ["Ratio", "ratio_of_factors", "ratio_of_matrices"]

# Where the squared norm of E is below this, G comes from E: Newton's error is of the order of
# (the first guess's error)^2, and E has as many digits as G.
_NEAR = 1 / 16


class Ratio(NamedTuple):
    """A in units of C: what is needed of L^-1 A L^-T."""

    loss: Array  # phi(A, C)
    log_det: Array  # log det(C^-1 A)
    k: Array  # the lower triangular factor of A
    factor: Array  # and that of C


def ratio_of_factors(room: Backend, k: Array, factor: Array) -> Ratio:
    """A = k k^T in units of C = factor factor^T, from the lower triangular factors."""
    return _ratio(room, solve_lower(room, factor, k - factor), k, factor)


def ratio_of_matrices(room: Backend, a: Array, c: Array, difference: Array) -> Ratio:
    """A in units of C; `difference` is A - C, more accurate than its terms where that matters."""
    xp, hold = room.xp, room.stop_gradient
    k, factor = cholesky(room, a), cholesky(room, c)
    guess = solve_lower(room, factor, k - factor)
    half = transpose(room, solve_lower(room, factor, difference))
    e = solve_lower(room, factor, half)
    e = 0.5 * (e + transpose(room, e))
    near = room.sum(e * e, (-2, -1)) < _NEAR
    e_near, g = xp.where(near, e, 0.0), hold(xp.where(near, guess, 0.0))
    # The guess is held constant, so that derivatives come from the accurate e alone: the first
    # step is right to the first order in e's changes, the second one to the third.
    for _ in range(2):
        g = _newton_step(room, g, e_near)
    return _ratio(room, xp.where(near, g, guess), k, factor)


def _newton_step(room: Backend, g: Array, e: Array) -> Array:
    """G closer to the lower triangular solution of G + G^T + G G^T = E."""
    identity = identity_like(room, g)
    m, g_t = identity + g, transpose(room, g)
    residual = e - g - g_t - g @ g_t
    half = transpose(room, solve_lower(room, m, residual))
    x = solve_lower(room, m, half)
    return g + m @ (lower(room, x) * (1 - 0.5 * identity))


def _ratio(room: Backend, g: Array, k: Array, factor: Array) -> Ratio:
    xp = room.xp
    on = identity_like(room, g) > 0
    excess = xp.where(on, g, 0.0)  # of the diagonal of M over 1
    u = excess * (2 + excess)
    near = on & (u > -0.5) & (u < 1)
    psi_near, log_near = psi(room, xp.where(near, u, 0.0))
    far = on & ~near  # the diagonal of M is that of k over that of the factor
    quotient = xp.where(far, k, 1.0) / xp.where(far, factor, 1.0)
    log_far = 2 * xp.log(quotient)
    loss = xp.where(near, psi_near, xp.where(far, u - log_far, g * g))
    total = room.sum(loss, (-2, -1))
    log_det = room.sum(xp.where(near, log_near, log_far), (-2, -1))
    axes = (-2, -1)
    return Ratio(xp.squeeze(total, axis=axes), xp.squeeze(log_det, axis=axes), k, factor)
