r"""Functions of numbers with their derivatives, and divergences of numbers without cancellation.

Two Bregman divergences D_F(a -> b) = F(b) - F(a) - F'(a) (b - a) >= 0 carry most closed forms:

    F = -log x:            b/a - 1 - log(b/a)               `itakura_saito`
    F = x log x - x:       b log(b/a) - b + a               `relative_entropy` (of b and a)

Each takes the difference of its arguments too, which the caller may know to more digits.

Reference: L. M. Bregman, USSR Comput. Math. 7 (1967) 200.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..backends import Array, Backend
from ..numerics import chi, psi

__all__ = [
    "elementwise",
    "exp_excess",
    "exp_excess_given",
    "exp_excess_of_ratio",
    "itakura_saito",
    "like",
    "log1p",
    "log_ratio",
    "product_difference",
    "relative_entropy",
]

Function = Callable[..., Array]
Partials = Callable[..., tuple[Array | None, ...]]


# -- functions of numbers with their derivatives ---------------------------------------------------


class _Elementwise(NamedTuple):
    """A `unikl.backends.Rule`: a function of arrays of one shape, with its partial derivatives."""

    room: Backend
    function: Function
    partials: Partials

    def value(self, *xs: Array) -> tuple[Array, ...]:
        y = self.function(self.room, *xs)
        zeros_like = self.room.xp.zeros_like
        return y, zeros_like(y), zeros_like(y)  # two, because Dynamo takes no output twice

    def jvp(self, tangents: tuple[Array | None, ...], *xs: Array) -> Array:
        total: Any = 0.0
        for t, d in zip(tangents, self.partials(self.room, *xs), strict=True):
            if t is not None and d is not None:
                total = total + t * d
        return total + self.room.xp.zeros_like(xs[0])

    def vjp(self, g: Array, wanted: tuple[bool, ...], *xs: Array) -> list[Array | None]:
        zero = self.room.xp.zeros_like(xs[0])
        partials = self.partials(self.room, *xs)
        return [
            (zero if d is None else g * d) if w else None
            for w, d in zip(wanted, partials, strict=True)
        ]


def elementwise(partials: Partials) -> Callable[[Function], Function]:
    """Decorator: ``function(room, *xs)`` is differentiated by ``partials(room, *xs)``.

    The partial derivatives are as many as the arguments; None says that an argument is there for
    accuracy only (a difference of others, known to more digits), and has none.  They are ordinary
    code, so differentiating them gives the second order.
    """

    def decorate(function: Function) -> Function:
        def call(room: Backend, *xs: Array) -> Array:
            arrays = xs if len(xs) == 1 else room.broadcast(xs, ())
            return room.kernel(_Elementwise(room, function, partials))(*arrays)[0]

        call.__doc__ = function.__doc__
        return call

    return decorate


# -- divergences of numbers ------------------------------------------------------------------------


def _itakura_saito(room: Backend, a: Array, b: Array, d: Array) -> Array:
    xp, u = room.xp, d / a
    near = (u > -0.5) & (u < 1)
    ratio = xp.where(near, 1.0, b / a)
    return xp.where(near, psi(room, xp.where(near, u, 0.0))[0], u - xp.log(ratio))


def _itakura_saito_partials(room: Backend, a: Array, b: Array, d: Array) -> tuple[Any, ...]:
    return -(d / a) / a, (d / a) / b, None


@elementwise(_itakura_saito_partials)
def itakura_saito(room: Backend, a: Array, b: Array, d: Array) -> Array:
    """``b/a - 1 - log(b/a)`` for positive a and b, given ``d = b - a``."""
    return _itakura_saito(room, a, b, d)


def _relative_entropy(room: Backend, x: Array, y: Array, d: Array) -> Array:
    xp, some = room.xp, (x > 0) & (y > 0)
    safe = xp.where(some, x, 1.0)
    u = xp.where(some, d / safe, 0.0)
    near = (u > -0.5) & (u < 1)
    ratio = xp.where(near | ~some, 1.0, y / safe)
    value = xp.where(near, x * psi(room, xp.where(near, u, 0.0))[0], d - x * xp.log(ratio))
    return xp.where(some, value, xp.where(x > 0, math.inf, y))


def _relative_entropy_partials(room: Backend, x: Array, y: Array, d: Array) -> tuple[Any, ...]:
    xp, tiny = room.xp, room.smallest_normal(x.dtype)
    x, y = xp.where(x > tiny, x, tiny), xp.where(y > tiny, y, tiny)
    u = d / x
    near = (u > -0.5) & (u < 1)
    log_ratio = xp.where(near, psi(room, xp.where(near, u, 0.0))[1], xp.log(y) - xp.log(x))
    return -log_ratio, d / y, None


@elementwise(_relative_entropy_partials)
def relative_entropy(room: Backend, x: Array, y: Array, d: Array) -> Array:
    """``x log(x/y) - x + y`` for non-negative x and y, given ``d = y - x``.

    y where x = 0, +inf where x > 0 = y.  At a zero the derivatives are those at the smallest
    normal number.
    """
    return _relative_entropy(room, x, y, d)


def log1p(room: Backend, u: Array) -> Array:
    """``log(1 + u)``; XLA's own is off by 40 eps at u = -0.4 in float64."""
    xp, near = room.xp, (u > -0.5) & (u < 1)
    far = xp.log(xp.where(near, 1.0, 1 + u))
    return xp.where(near, psi(room, xp.where(near, u, 0.0))[1], far)


def _exp_excess(room: Backend, d: Array) -> Array:
    xp = room.xp
    near = (d > -1.4) & (d < 1.4)
    far = xp.where(near, 1.0, d)
    return xp.where(near, chi(room, xp.where(near, d, 0.0)), xp.expm1(far) - far)


@elementwise(lambda room, d: (room.xp.expm1(d),))
def exp_excess(room: Backend, d: Array) -> Array:
    """``exp(d) - 1 - d``."""
    return _exp_excess(room, d)


def _large_power(room: Backend, d: Array, power: Array) -> tuple[Array, Array]:
    """Where to take `power` for exp(d), and it there."""
    large = (d > 1.4) & (power > 0) & (power < math.inf)
    return large, room.xp.where(large, power, 1.0)


def _exp_excess_given_partials(room: Backend, d: Array, power: Array) -> tuple[Any, ...]:
    xp = room.xp
    large, power = _large_power(room, d, power)
    # The factor is 1, for the second derivative.
    slope = power * xp.exp(d - room.stop_gradient(d)) - 1
    return xp.where(large, slope, xp.expm1(d)), None


@elementwise(_exp_excess_given_partials)
def exp_excess_given(room: Backend, d: Array, power: Array) -> Array:
    """``exp(d) - 1 - d``, given exp(d) where that is large and known to more digits than by d."""
    large, power = _large_power(room, d, power)
    return room.xp.where(large, power - 1 - d, _exp_excess(room, d))


def _exp_excess_of_ratio_partials(room: Backend, x: Array, s: Array) -> tuple[Array, ...]:
    xp, u = room.xp, x / s
    near, falling = u < 1.4, xp.exp(-u)
    excess = falling * chi(room, xp.where(near, u, 0.0))
    return -xp.expm1(-u), -xp.where(near, excess, 1 - (1 + u) * falling)


@elementwise(_exp_excess_of_ratio_partials)
def exp_excess_of_ratio(room: Backend, x: Array, s: Array) -> Array:
    """``s (exp(-x/s) - 1 + x/s)`` for x >= 0 and positive s."""
    return s * _exp_excess(room, -x / s)


@elementwise(lambda room, x, y, d: (-1 / x, 1 / y, None))
def log_ratio(room: Backend, x: Array, y: Array, d: Array) -> Array:
    """``log(y/x)`` for positive x and y, given ``d = y - x``."""
    xp, u = room.xp, d / x
    near = (u > -0.5) & (u < 1)
    return xp.where(near, psi(room, xp.where(near, u, 0.0))[1], xp.log(xp.where(near, 1.0, y / x)))


def product_difference(room: Backend, a: Array, b: Array, c: Array, d: Array) -> Array:
    """``a b - c d``, to full accuracy also where the two products nearly agree.

    The factors are split in halves (Dekker), whose products are exact, so it does not matter
    whether the compiler fuses multiplications and additions.
    """
    splitter = 2 ** math.ceil((1 - math.log2(room.eps(a.dtype))) / 2) + 1
    halves = []
    for x in (a, b, c, d):
        x = room.stop_gradient(x)
        t = x * splitter
        high = t - (t - x)
        halves.append((high, x - high))
    (a1, a2), (b1, b2), (c1, c2), (d1, d2) = halves
    exact = ((a1 * b1 - c1 * d1) + ((a1 * b2 - c1 * d2) + (a2 * b1 - c2 * d1))) + (
        a2 * b2 - c2 * d2
    )
    rounded = a * b - c * d
    return rounded + room.stop_gradient(exact - rounded)


def like(room: Backend, numbers: list[float], x: Array) -> Array:
    """The numbers as a vector of x's dtype and device."""
    array = room.asarray(numbers, x)
    return array if array.dtype == x.dtype else room.xp.astype(array, x.dtype)
