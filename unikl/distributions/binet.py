r"""Binet's remainder of log-gamma, and its Bregman divergence, without cancellation.

    log Gamma(x) = x log x - x - log(x)/2 + log(2 pi)/2 + R(x),

so the divergence D(a -> b) of log-gamma is that of x log x, half that of -log x, and that of R, all
of them non-negative.

R is a sum of partial fractions.  From R(x) = int_0^inf (1/2 - {u}) / (x + u) du, the first cells
by Gauss's quadrature, and what is left, R(x + 5) = int 2 (x + 5) / ((x + 5)^2 + t^2) dm(t) (Binet's
second formula), by the Gauss rule of that measure: to 2e-16 of D for x >= 1.  Below 1 there is
one more step, R(x) = R(x + 1) + (x + 1/2) log(1 + 1/x) - 1.  The Bregman divergence of 1/(x + z) is
(b - a)^2 / ((b + z) (a + z)^2): the small factor stands outside.

Reference: NIST Digital Library of Mathematical Functions, 5.9.10 and 5.11.
"""

from typing import Any

import numpy as np

from ..backends import Array, Backend
from .elementary import _itakura_saito, elementwise, like, log1p

__all__ = ["binet", "binet_bregman", "binet_excess"]

_CELLS = (14, 10, 8, 7, 7)  # nodes in [0, 1], [1, 2], ...: the first is the nearest to the pole
# Of the measure of Binet's second formula, -log(1 - exp(-2 pi t)) dt / pi: nodes t and weights.
_TAIL = (
    (0.11442655877917182, 0.07831591012731325),
    (0.5638472847414477, 0.004866867224873209),
    (1.155991202864233, 0.00014889170491626269),
    (1.9100217891826945, 1.6594054500482805e-06),
    (2.8813199970610164, 4.869183235105365e-09),
    (4.2203896237408, 1.5973269735892567e-12),
)


def _fractions() -> tuple[list[float], list[float], list[float]]:
    """R(x) = sum of weight Re 1/(x + re + i im), for x >= 1: the re, im and weights."""
    re, im, weights = [], [], []
    for cell, count in enumerate(_CELLS):
        nodes, gauss = np.polynomial.legendre.leggauss(count)
        re += [float(cell + 0.5 + x / 2) for x in nodes]
        im += [0.0] * count
        weights += [float(-x * w / 4) for x, w in zip(nodes, gauss, strict=True)]
    re += [float(len(_CELLS))] * len(_TAIL)
    return re, im + [t for t, _ in _TAIL], weights + [w for _, w in _TAIL]


_RE, _IM, _WEIGHTS = _fractions()


def _reciprocal(room: Backend, x: Array) -> tuple[Array, Array]:
    """1/(x + re + i im) for all fractions, on a new last axis: real part, minus imaginary part."""
    xp = room.xp
    re, im = like(room, _RE, x), like(room, _IM, x)
    shifted = xp.expand_dims(x, axis=-1) + re
    inverse = 1 / shifted
    t = im * inverse
    real = inverse / (1 + t * t)
    return real, t * real


def _weighted(room: Backend, terms: Array) -> Array:
    total = room.sum(terms * like(room, _WEIGHTS, terms), (-1,))
    return room.xp.squeeze(total, axis=(-1,))


def _binet(room: Backend, x: Array, order: int) -> Array:
    """The derivative of R of this order, 0 to 3."""
    xp, small = room.xp, x < 1
    re, im = _reciprocal(room, xp.where(small, x + 1, x))
    powers = [re, re * re - im * im, re * (re * re - 3 * im * im)]
    if order == 3:
        powers.append(powers[1] ** 2 - 4 * (re * im) ** 2)
    tail = (1.0, -1.0, 2.0, -6.0)[order] * _weighted(room, powers[order])
    y = xp.where(small, x, 1.0)
    log_step = log1p(room, 1 / y)
    step = (
        lambda: (y + 0.5) * log_step - 1,
        lambda: log_step - (y + 0.5) / (y * (y + 1)),
        lambda: 0.5 / (y * (y + 1)) ** 2,
        lambda: -(2 * y + 1) / (y * (y + 1)) ** 3,
    )[order]()
    return xp.where(small, tail + step, tail)


def _binet_slope(room: Backend, a: Array, b: Array, d: Array) -> Array:
    """R'(b) - R'(a)."""
    xp, small = room.xp, (a < 1) | (b < 1)
    one = xp.where(small, 1.0, xp.zeros_like(a))
    (ra, ia), (rb, ib) = _reciprocal(room, a + one), _reciprocal(room, b + one)
    h = xp.expand_dims(d, axis=-1)
    # 1/A^2 - 1/B^2 = h (1/A + 1/B) / (A B), and 1/A = ra - i ia.
    tail = _weighted(room, h * ((ra + rb) * (ra * rb - ia * ib) - (ia + ib) * (ra * ib + ia * rb)))
    x, y, h = (xp.where(small, one, 1.0) for one in (a, b, d))
    both = (x + 1) * (y + 1)
    step = 0.5 * h / (x * y) - 0.5 * h / both - h / (x * both)
    return xp.where(small, tail + step + _log_excess(room, x, y, h), tail)


def _binet_bregman(room: Backend, a: Array, b: Array, d: Array) -> Array:
    xp, small = room.xp, (a < 1) | (b < 1)
    one = xp.where(small, 1.0, xp.zeros_like(a))
    (ra, ia), (rb, ib) = _reciprocal(room, a + one), _reciprocal(room, b + one)
    h = xp.expand_dims(d, axis=-1)
    ra, ia = h * ra, h * ia
    tail = _weighted(room, (ra * ra - ia * ia) * rb - 2 * ra * ia * ib)
    x, y, h = (xp.where(small, one, 1.0) for one in (a, b, d))
    # Of the step (x + 1/2) log((x + 1)/x) - 1.
    step = 0.5 * (_itakura_saito(room, x, y, h) - _itakura_saito(room, x + 1, y + 1, h))
    step = step + (y * _log_excess(room, x, y, h) - (h / (x + 1)) * (h / (x * (y + 1))))
    return xp.where(small, tail + step, tail)


def _log_excess(room: Backend, x: Array, y: Array, h: Array) -> Array:
    """``w - log(1 + w)`` with ``1 + w = y (x + 1) / (x (y + 1))``."""
    return _itakura_saito(room, x * (y + 1), y * (x + 1), h)


def _binet_bregman_partials(room: Backend, a: Array, b: Array, d: Array) -> tuple[Any, ...]:
    return -d * _binet(room, a, 2), _binet_slope(room, a, b, d), None


@elementwise(_binet_bregman_partials)
def binet_bregman(room: Backend, a: Array, b: Array, d: Array) -> Array:
    """``R(b) - R(a) - R'(a) (b - a)`` for positive a and b, given ``d = b - a``."""
    return _binet_bregman(room, a, b, d)


def _times(x: tuple[Array, Array], y: tuple[Array, Array]) -> tuple[Array, Array]:
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def _coupled_bregman(
    room: Backend, a: Array, b: Array, d: Array, x: Array, y: Array, k: Array
) -> Array:
    """D(a -> b) - D(a + x -> b + y) for D = `binet_bregman`, from 1 on, also for small x and y.

    With r = 1/(a + z), s = 1/(b + z), and t, u for a + x, b + y, a fraction gives
    d^2 s r^2 - (d + k)^2 u t^2, where r - t = x r t and s - u = y s u.
    """
    conjugate = [_reciprocal(room, one) for one in (a, b, a + x, b + y)]
    r, s, t, u = [(re, -im) for re, im in conjugate]
    x, y, d, k = (room.xp.expand_dims(one, axis=-1) for one in (x, y, d, k))
    sr, tt = _times(s, r), _times(t, t)
    rt = _times(t, (r[0] + t[0], r[1] + t[1]))
    inner = _times(r, (y * sr[0] + x * rt[0], y * sr[1] + x * rt[1]))
    both = [d * (d * one) - k * ((2 * d + k) * two) for one, two in zip(inner, tt, strict=True)]
    return _weighted(room, _times(u, (both[0], both[1]))[0])


def _coupled_partials(
    room: Backend, a: Array, b: Array, d: Array, x: Array, y: Array, k: Array
) -> tuple[Any, ...]:
    of_a, of_b, _ = _binet_bregman_partials(room, a, b, d)
    of_x, of_y, _ = _binet_bregman_partials(room, a + x, b + y, d + k)
    return of_a - of_x, of_b - of_y, None, -of_x, -of_y, None


@elementwise(_coupled_partials)
def binet_excess(
    room: Backend, a: Array, b: Array, d: Array, x: Array, y: Array, k: Array
) -> Array:
    """``D(a -> b) - D(a + x -> b + y)`` with D = `binet_bregman`, given d = b - a, k = y - x.

    Accurate also where x and y are small.  a and b are 1 or more.
    """
    return _coupled_bregman(room, a, b, d, x, y, k)


@elementwise(lambda room, x: (_binet(room, x, 3),))
def _binet2(room: Backend, x: Array) -> Array:
    return _binet(room, x, 2)


@elementwise(lambda room, x: (_binet2(room, x),))
def _binet1(room: Backend, x: Array) -> Array:
    return _binet(room, x, 1)


@elementwise(lambda room, x: (_binet1(room, x),))
def _binet0(room: Backend, x: Array) -> Array:
    return _binet(room, x, 0)


def binet(room: Backend, x: Array, order: int = 0) -> Array:
    """R(x) for positive x, or its first or second derivative."""
    return (_binet0, _binet1, _binet2)[order](room, x)
