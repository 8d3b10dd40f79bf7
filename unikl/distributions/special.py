"""Log-gamma, its derivatives and its divergence; the error function.

The divergences of numbers that go with them are in `elementary`, Binet's remainder in `binet`.
"""

import math

import numpy as np

from ..backends import Array, Backend
from .binet import binet, binet_bregman
from .elementary import elementwise, itakura_saito, like, relative_entropy

__all__ = [
    "EULER",
    "HALF_LOG_TWO_PI",
    "digamma",
    "erf",
    "gamma_entropy",
    "itakura_saito",
    "lgamma",
    "lgamma_bregman",
    "relative_entropy",
    "trigamma",
]

EULER = 0.57721566490153286061
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def lgamma(room: Backend, x: Array) -> Array:
    """The logarithm of the gamma function, for positive x."""
    return (x - 0.5) * room.xp.log(x) - x + HALF_LOG_TWO_PI + binet(room, x)


def digamma(room: Backend, x: Array) -> Array:
    """The derivative of log-gamma, for positive x."""
    return room.xp.log(x) - 0.5 / x + binet(room, x, 1)


def trigamma(room: Backend, x: Array) -> Array:
    """The second derivative of log-gamma, for positive x."""
    return (1 + 0.5 / x) / x + binet(room, x, 2)


def gamma_entropy(room: Backend, x: Array) -> Array:
    """``log Gamma(x) - (x - 1) digamma(x) + x``, the entropy of Gamma(x, 1)."""
    terms = 0.5 * room.xp.log(x) + (HALF_LOG_TWO_PI + 0.5) - 0.5 / x
    return terms + (binet(room, x) + (1 - x) * binet(room, x, 1))


def lgamma_bregman(room: Backend, a: Array, b: Array, d: Array) -> Array:
    """``log Gamma(b) - log Gamma(a) - digamma(a) (b - a) >= 0``, given ``d = b - a``."""
    kernel = relative_entropy(room, b, a, -d) + 0.5 * itakura_saito(room, a, b, d)
    return kernel + binet_bregman(room, a, b, d)


# -- the error function ----------------------------------------------------------------------------

_ERF_NODES, _ERF_WEIGHTS = (list(map(float, x)) for x in np.polynomial.legendre.leggauss(24))


@elementwise(lambda room, x: (room.xp.exp(-x * x) * (2 / math.sqrt(math.pi)),))
def erf(room: Backend, x: Array) -> Array:
    """The error function, x int_0^1 exp(-(x u)^2) du 2 / sqrt(pi) by Gauss's rule."""
    xp = room.xp
    far = xp.abs(x) > 6
    y = xp.expand_dims(xp.where(far, 0.0, x), axis=-1)
    u = 0.5 + 0.5 * like(room, _ERF_NODES, x)
    mean = 0.5 * room.sum(xp.exp(-((y * u) ** 2)) * like(room, _ERF_WEIGHTS, x), (-1,))
    value = x * xp.squeeze(mean, axis=(-1,)) * (2 / math.sqrt(math.pi))
    return xp.where(far, xp.where(x > 0, 1.0, -xp.ones_like(x)), value)
