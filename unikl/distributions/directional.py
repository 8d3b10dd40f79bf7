"""Distributions of directions: on the circle, and on the sphere of any dimension."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..backends import Array, Backend
from .base import Condition, Distribution, real
from .bessel import cosine_bregman, cosine_mean, log_cosine_normaliser
from .beta import Beta
from .registry import divergence, register_kl
from .special import lgamma_bregman

__all__ = ["PowerSpherical", "SphericalUniform", "VonMises", "VonMisesFisher"]


def _concentration(x: Array) -> Condition:
    return Condition("concentration", (x >= 0) & (x < math.inf), "non-negative and finite")


@dataclass(frozen=True, eq=False)
class VonMises(Distribution):
    r"""The von Mises distribution of an angle x, with density ``exp(concentration cos(x - loc))``.

    .. math:: \mathrm{KL} = D_A(\kappa_1 \to \kappa_2)
              + 2 \kappa_2 \frac{I_1(\kappa_1)}{I_0(\kappa_1)} \sin^2 \frac{\mu_1 - \mu_2}{2}

    with the Bregman divergence D of A = log I_0; the angle is one modulo 2 pi.

    Parameters
    ----------
    loc : array
        The mean direction mu, in radians.
    concentration : array
        kappa >= 0; the uniform distribution of angles at 0.

    References
    ----------
    .. [1] K. V. Mardia and P. E. Jupp, Directional Statistics (2000), section 3.5.4.

    Examples
    --------
    >>> from unikl.distributions import VonMises, kl
    >>> print(f"{float(kl(VonMises(0.0, 2.0), VonMises(0.5, 1.0))):.12f}")
    0.195115260994
    """

    loc: Any
    concentration: Any

    def conditions(self, room: Backend) -> list[Condition]:
        """A real direction, a non-negative concentration."""
        return [real("loc", self.loc), _concentration(self.concentration)]


@register_kl(VonMises, VonMises)
def _von_mises(room: Backend, p: VonMises, q: VonMises) -> Array:
    a, b = p.concentration, q.concentration
    half_sine = room.xp.sin(0.5 * (p.loc - q.loc))
    turned = b * cosine_mean(room, a, 0 * a) * (2 * half_sine * half_sine)
    return cosine_bregman(room, a, b, b - a, 0 * a) + turned


@dataclass(frozen=True, eq=False)
class _OnSphere(Distribution):
    """A mean direction, one vector of length 1 on the last axis, and a concentration."""

    mean_direction: Any
    concentration: Any
    event_rank: ClassVar[int] = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """A vector of length 1, up to rounding; a non-negative concentration."""
        x = self.mean_direction
        excess = room.xp.abs(_dot(room, x, x) - 1)
        near = excess < 4 * room.eps(x.dtype) ** 0.5
        return [
            Condition("mean_direction", near, "a vector of length 1"),
            _concentration(self.concentration),
        ]


class VonMisesFisher(_OnSphere):
    r"""The von Mises-Fisher distribution on the sphere, with density ``exp(kappa mu . x)``.

    .. math:: \mathrm{KL} = D_A(\kappa_1 \to \kappa_2)
              + \kappa_2 A'(\kappa_1) (1 - \mu_1 \cdot \mu_2)

    with the Bregman divergence D of :math:`A(\kappa) = \log(\kappa^{-\nu} I_\nu(\kappa))`,
    nu = d/2 - 1, and the mean resultant length A'.

    Parameters
    ----------
    mean_direction : array, shape (..., d)
        The unit vector mu, d >= 2; the divergence is that of ``mu / abs(mu)``, so its gradient is
        tangent to the sphere.
    concentration : array, shape (...)
        kappa >= 0.

    References
    ----------
    .. [1] T. Diethe, "A Note on the Kullback-Leibler Divergence for the von Mises-Fisher
       distribution", arXiv:1502.07104.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import VonMisesFisher, kl
    >>> x, y = np.array([1.0, 0.0, 0.0]), np.array([0.6, 0.8, 0.0])
    >>> print(f"{float(kl(VonMisesFisher(x, 2.0), VonMisesFisher(y, 1.0))):.12f}")
    0.318459778536
    """


class PowerSpherical(_OnSphere):
    r"""The power spherical distribution, with density ``(1 + mu . x)^kappa`` on the sphere.

    The cosine t = mu . x is 2 y - 1 of a beta variable y, as it is under the uniform distribution:

    .. math:: \mathrm{KL}(p \| \mathrm{uniform})
              = \mathrm{KL}(\mathrm{Beta}(\beta + \kappa, \beta) \| \mathrm{Beta}(\beta, \beta)),
              \qquad \beta = (d - 1)/2

    Against a von Mises-Fisher distribution, E t = kappa / (2 beta + kappa) is all that matters.

    Parameters
    ----------
    mean_direction : array, shape (..., d)
        The unit vector mu, d >= 2.
    concentration : array, shape (...)
        kappa >= 0.

    References
    ----------
    .. [1] N. De Cao and W. Aziz, "The Power Spherical distribution", arXiv:2006.04437.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import PowerSpherical, SphericalUniform, kl
    >>> p = PowerSpherical(np.array([0.0, 0.0, 1.0]), 3.0)
    >>> print(f"{float(kl(p, SphericalUniform(3))):.12f}")
    0.636294361120
    """


@dataclass(frozen=True, eq=False)
class SphericalUniform(Distribution):
    """The uniform distribution on the unit sphere of R^d, d = `dimension`, an int.

    References
    ----------
    .. [1] K. V. Mardia and P. E. Jupp, Directional Statistics (2000), section 9.3.1.

    Examples
    --------
    >>> from unikl.distributions import SphericalUniform, kl
    >>> float(kl(SphericalUniform(3), SphericalUniform(3)))
    0.0
    """

    dimension: int
    static: ClassVar[tuple[str, ...]] = ("dimension",)
    event_rank: ClassVar[int] = 1

    def conditions(self, room: Backend) -> list[Condition]:
        """Nothing to check."""
        return []


@register_kl(VonMisesFisher, VonMisesFisher)
def _von_mises_fisher(room: Backend, p: Any, q: Any) -> Array:
    a, b = p.concentration, q.concentration
    n = _extra(room, p, q) + 0 * a
    turned = b * cosine_mean(room, a, n) * _deficit(room, p.mean_direction, q.mean_direction)
    return cosine_bregman(room, a, b, b - a, n) + turned


@register_kl(VonMisesFisher, SphericalUniform)
def _von_mises_fisher_uniform(room: Backend, p: Any, q: SphericalUniform) -> Array:
    a = p.concentration
    return cosine_bregman(room, a, 0 * a, -a, _extra(room, p, q) + 0 * a)


@register_kl(SphericalUniform, VonMisesFisher)
def _uniform_von_mises_fisher(room: Backend, p: SphericalUniform, q: Any) -> Array:
    b = q.concentration
    return cosine_bregman(room, 0 * b, b, b, _extra(room, p, q) + 0 * b)


@register_kl(SphericalUniform, SphericalUniform)
def _uniform(room: Backend, p: SphericalUniform, q: SphericalUniform) -> Array:
    return room.asarray(0.0 * _extra(room, p, q))


@register_kl(PowerSpherical, SphericalUniform)
def _power_uniform(room: Backend, p: Any, q: SphericalUniform) -> Array:
    """Of log-gamma's two divergences where kappa is small, whose difference is well conditioned."""
    xp, k = room.xp, p.concentration
    b = 0.5 * (_extra(room, p, q) + 1) + 0 * k
    small = k < b
    one, other = (lgamma_bregman(room, n * b + k, n * b, -k) for n in (1, 2))
    far = xp.where(small, 1.0, k)
    return xp.where(small, one - other, divergence(room, Beta(b + far, b), Beta(b, b)))


@register_kl(PowerSpherical, VonMisesFisher)
def _power_von_mises_fisher(room: Backend, p: Any, q: Any) -> Array:
    """KL(p || uniform) + A(kappa) - kappa E cos, with A(0) = 0."""
    xp, k, b = room.xp, p.concentration, q.concentration
    n = _extra(room, p, q)
    mean = k / (n + 1 + k)
    flat = _power_uniform(room, p, SphericalUniform(n + 2))
    small = b < 1
    zero, moderate = 0 * b, xp.where(small, b, 1.0)
    low = cosine_bregman(room, zero, moderate, moderate, n + zero) - b * mean
    high = log_cosine_normaliser(room, b, n + zero) + b * ((n + 1) / (n + 1 + k))
    turned = b * mean * _deficit(room, p.mean_direction, q.mean_direction)
    return flat + xp.where(small, low, high) + turned


def _extra(room: Backend, *distributions: Any) -> int:
    """How many dimensions there are beyond the two of a circle; the same for all."""
    sizes = []
    for d in distributions:
        static = isinstance(d, SphericalUniform)
        shape = (d.dimension,) if static else room.shape(d.mean_direction) or (None,)
        sizes.append(shape[-1])
    known = [n for n in sizes if n is not None]
    if not known:
        raise ValueError("the length of the last axis of mean_direction must be known")
    if len(set(known)) > 1 or known[0] < 2:
        raise ValueError(f"p and q must live on one sphere of R^d with d >= 2, got d = {known}")
    return int(known[0]) - 2


def _dot(room: Backend, x: Array, y: Array) -> Array:
    return room.xp.squeeze(room.sum(x * y, (-1,)), axis=(-1,))


def _deficit(room: Backend, x: Array, y: Array) -> Array:
    """1 - cos of the angle between x and y, from their distance, or that of x and -y."""
    d, e = x - y, x + y
    lengths = _dot(room, x, x) ** 0.5, _dot(room, y, y) ** 0.5
    longer = _dot(room, d, e) / (lengths[0] + lengths[1])
    squares, product = (_dot(room, d, d), _dot(room, e, e)), 2 * lengths[0] * lengths[1]
    near, opposite = ((one - longer * longer) / product for one in squares)
    return room.xp.where(squares[0] < squares[1], near, 2 - opposite)
