r"""Stein's loss of covariances ``diag(d) + w w^T`` with few columns w, without their matrices.

All costs are O(n r^2): every inverse is that of an r by r capacitance matrix (Woodbury), applied
through its Cholesky factor.  Between S1 = D1 + W1 W1^T and S2 = D2 + W2 W2^T stands
T = D1 + W2 W2^T, which shares the diagonal with one and the factor with the other:

    phi(S1, S2) = phi(T, S2) + phi(S1, T) + tr((S2^-1 - T^-1) (S1 - T)),

and each part is written in what differs, so that equal distributions lose no digits.

* The diagonals (d = D1 - D2, u = d/D2, capacitances C_i = I + W2^T D_i^-1 W2):
  phi(T, S2) = sum psi(u) + phi(C1, C2) - tr(C2^-1 W2^T diag(u^2/D1) W2).
* The factors, in units of D1 (w = D1^-1/2 W, v = w1 - w2, A_i = I + w_i^T w_i): with
  Z = A2^-1 w2^T v and the residual R = v - w2 Z of regressing v on w2,
  phi(S1, T) = phi(A1, A2) + tr(H (R^T R + Z^T Z)) - tr(A2^-1 Z^T A2 Z), H = I - A2^-1.
* The last part is the product of the two changes, d and W1 - W2.
"""

from ..backends import Array, Backend
from .elementary import itakura_saito
from .linalg import cholesky, identity_like, solve_lower, solve_upper, transpose
from .stein import ratio_of_matrices

__all__ = ["low_rank_distance", "low_rank_loss"]


def low_rank_loss(room: Backend, d1: Array, w1: Array, d2: Array, w2: Array) -> Array:
    """phi(D1 + W1 W1^T, D2 + W2 W2^T) for diagonals (..., n) and factors (..., n, r)."""
    return (
        _loss_of_diagonals(room, d1, d2, w2)
        + _loss_of_factors(room, d1, w1, w2)
        + _product_of_changes(room, d1, w1, d2, w2)
    )


def low_rank_distance(room: Backend, x: Array, d: Array, w: Array) -> Array:
    """x^T (D + W W^T)^-1 x, as the least |D^-1/2 (x - W z)|^2 + |z|^2: a sum of squares."""
    x, d = x[..., None], d[..., None]
    z = _solve(room, _capacitance(room, d, w), transpose(room, w) @ (x / d))
    rest = x - w @ z
    return _total(room, rest * rest / d) + _total(room, z * z)


def _loss_of_diagonals(room: Backend, d1: Array, d2: Array, w: Array) -> Array:
    """phi(D1 + W W^T, D2 + W W^T)."""
    d1, d2, w_t = d1[..., None], d2[..., None], transpose(room, w)
    d = d1 - d2
    u = d / d2
    c1, c2 = _gram_plus_identity(room, d1, w), _gram_plus_identity(room, d2, w)
    small = ratio_of_matrices(room, c1, c2, -(w_t @ (d / (d1 * d2) * w)))
    correction = _solve(room, small.factor, w_t @ (u * u / d1 * w))
    psi_u = _total(room, itakura_saito(room, d2, d1, d))
    return psi_u + small.loss - _trace(room, correction)


def _loss_of_factors(room: Backend, d: Array, w1: Array, w2: Array) -> Array:
    """phi(D + W1 W1^T, D + W2 W2^T)."""
    unit = 1 / room.xp.sqrt(d[..., None])
    w, v = unit * w2, unit * (w1 - w2)
    w_t, v_t = transpose(room, w), transpose(room, v)
    cross, gram = w_t @ v, w_t @ w
    a2 = identity_like(room, gram) + gram
    change = cross + transpose(room, cross) + v_t @ v
    small = ratio_of_matrices(room, a2 + change, a2, change)
    z = _solve(room, small.factor, cross)
    rest, z_t = v - w @ z, transpose(room, z)
    h = _solve(room, small.factor, gram)
    inner = transpose(room, rest) @ rest + z_t @ z
    turned = _solve(room, small.factor, z_t @ a2 @ z)
    return small.loss + _trace(room, h @ inner) - _trace(room, turned)


def _product_of_changes(room: Backend, d1: Array, w1: Array, d2: Array, w2: Array) -> Array:
    """tr((S2^-1 - T^-1) (S1 - T)) = tr(S2^-1 (D1 - D2) T^-1 (v m^T + m v^T))."""
    d1, d2 = d1[..., None], d2[..., None]
    v, m = w1 - w2, 0.5 * (w1 + w2)
    by_t = [_woodbury(room, d1, w2, x) for x in (v, m)]
    by_s = [_woodbury(room, d2, w2, x) for x in (m, v)]
    return _total(room, (d1 - d2) * (by_t[0] * by_s[0] + by_t[1] * by_s[1]))


def _woodbury(room: Backend, d: Array, w: Array, x: Array) -> Array:
    """(D + W W^T)^-1 x."""
    z = _solve(room, _capacitance(room, d, w), transpose(room, w) @ (x / d))
    return (x - w @ z) / d


def _capacitance(room: Backend, d: Array, w: Array) -> Array:
    """The Cholesky factor of I + W^T D^-1 W."""
    return cholesky(room, _gram_plus_identity(room, d, w))


def _gram_plus_identity(room: Backend, d: Array, w: Array) -> Array:
    gram = transpose(room, w) @ (w / d)
    return identity_like(room, gram) + gram


def _solve(room: Backend, factor: Array, b: Array) -> Array:
    return solve_upper(room, factor, solve_lower(room, factor, b))


def _trace(room: Backend, a: Array) -> Array:
    return room.xp.sum(a * identity_like(room, a), axis=(-2, -1))


def _total(room: Backend, a: Array) -> Array:
    return room.xp.squeeze(room.sum(a, (-2, -1)), axis=(-2, -1))
