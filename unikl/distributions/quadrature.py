r"""Divergences by one-dimensional quadrature, and by sums over a lattice.

The support is mapped to the real line, and that by the double exponential rule of Takahasi and
Mori (Publ. RIMS 9 (1974) 721), x = c + w sinh(pi/2 sinh t), around the largest density: its place c
and width w are found by zooming in on a coarse grid.  All of it is array code of the library, so
the result has derivatives in both distributions.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from ..backends import Array, Backend
from .base import Support

__all__ = ["Estimate", "quadrature", "summation"]

LogDensity = Callable[[Array], Array]

_REACH = 4.2  # of t: sinh(pi/2 sinh 4.2) is 1e22 widths
_COARSE, _FINE = 128, 512  # half the number of steps


class Estimate(NamedTuple):
    """A divergence and what it may be off by."""

    value: Array
    error: Array


def quadrature(
    room: Backend, log_p: LogDensity, log_ratio: LogDensity, support: Support, like: Array
) -> Estimate:
    """The integral of p log_ratio over p's support; `like` has the batch shape.

    The error is the difference to every second node alone, the rounding error, and what may lie
    beyond the range of the numbers.
    """
    xp, hold = room.xp, room.stop_gradient
    line = _Line(room, support)
    zero = xp.zeros_like(like)
    centre, width = zero, zero + 1.0
    for _ in range(8):
        s, log_ds, _ = _nodes(room, centre, width, _COARSE)
        density = hold(line.log_density(log_p, s))
        top = xp.max(density, axis=0)
        at_top = density == top
        centre = xp.sum(xp.where(at_top, s, 0.0), axis=0) / xp.sum(
            xp.where(at_top, 1.0, xp.zeros_like(s)), axis=0
        )
        area = xp.sum(xp.exp(density - top + log_ds), axis=0) * (_REACH / _COARSE)
        width = area / math.sqrt(2 * math.pi)
    s, log_ds, step = _nodes(room, centre, width, _FINE)
    x, inside = line.point(s)
    density = line.log_density(log_p, s)
    ratio = log_ratio(x)
    weight = xp.exp(density + log_ds) * step
    some = inside & (weight > 0)
    terms = xp.where(some, xp.where(some, weight, 0.0) * xp.where(some, ratio, 0.0), 0.0)
    value = xp.sum(terms, axis=0)
    half = 2 * xp.sum(terms[::2], axis=0)
    rounding = 8 * room.eps(value.dtype) * xp.sum(xp.abs(terms), axis=0)
    missing = xp.abs(1 - xp.sum(xp.where(some, weight, 0.0), axis=0)) - 64 * room.eps(value.dtype)
    missing = xp.where(missing > 0, missing, 0.0)
    largest = xp.max(xp.where(some & (xp.abs(ratio) < math.inf), xp.abs(ratio), 0.0), axis=0)
    return Estimate(value, hold(xp.abs(value - half) + rounding + missing * largest))


def _nodes(room: Backend, centre: Array, width: Array, n: int) -> tuple[Array, Array, float]:
    """Points along a new first axis, the logarithms of ds/dt there, and the step of t."""
    step = _REACH / n
    ts = [step * k for k in range(-n, n + 1)]
    u = [0.5 * math.pi * math.sinh(t) for t in ts]
    slopes = [
        math.log(0.5 * math.pi * math.cosh(t)) + _log_cosh(one)
        for t, one in zip(ts, u, strict=True)
    ]
    points = [math.sinh(one) for one in u]
    s = _column(room, points, centre) * width + centre
    return s, _column(room, slopes, centre) + room.xp.log(width), step


def _log_cosh(x: float) -> float:
    return abs(x) + math.log1p(math.exp(-2 * abs(x))) - math.log(2.0)


def _column(room: Backend, numbers: list[float], like: Array) -> Array:
    array = room.xp.astype(room.asarray(numbers, like), like.dtype)
    shape = (slice(None), *[None] * len(like.shape))
    return array[shape]


class _Line:
    """The support as an image of the real line."""

    def __init__(self, room: Backend, support: Support) -> None:
        self.room, self.lower, self.upper = room, support.lower, support.upper
        self.open = [isinstance(b, int | float) and math.isinf(b) for b in support[:2]]

    def point(self, s: Array) -> tuple[Array, Array]:
        """x(s), and whether it is inside but for rounding (elsewhere x is made inside)."""
        xp = self.room.xp
        if all(self.open):
            return s, s == s
        if not any(self.open):
            lower, span = self.lower, self.upper - self.lower
            up = 1 / (1 + xp.exp(-s))
            x = xp.where(s < 0, lower + span * up, self.upper - span / (1 + xp.exp(s)))
            inside = (x > lower) & (x < self.upper)
            return xp.where(inside, x, lower + 0.5 * span), inside
        move = xp.exp(xp.where(s < 80.0, s, 80.0))
        x = self.upper - move if self.open[0] else self.lower + move
        inside = ((x < self.upper) if self.open[0] else (x > self.lower)) & (s < 80.0)
        beyond = self.upper - 1.0 if self.open[0] else self.lower + 1.0
        return xp.where(inside, x, beyond), inside

    def log_density(self, log_p: LogDensity, s: Array) -> Array:
        """log p(x(s)) dx/ds."""
        xp = self.room.xp
        x, inside = self.point(s)
        log_slope = 0 * s
        if not any(self.open):
            size = xp.abs(s)
            log_slope = xp.log(self.upper - self.lower + 0 * s) - size
            log_slope = log_slope - 2 * xp.log1p(xp.exp(-size))
        elif not all(self.open):
            log_slope = s
        value = log_p(x) + log_slope
        return xp.where(inside & (value == value), value, -math.inf)


def summation(
    room: Backend, log_p: LogDensity, log_ratio: LogDensity, support: Support, like: Array
) -> Estimate:
    """The sum of p log_ratio over p's lattice, as far as p has mass.

    Raises
    ------
    NotImplementedError
        If the values cannot be read (under a tracer), which tells where to stop.
    """
    xp = room.xp
    if not room.readable(like):
        raise NotImplementedError(
            "the sum over an infinite lattice looks at values to know where to stop, which a "
            "compiled or traced function does not have"
        )
    n, largest = 256, 2**20
    while True:
        k = _column(room, [float(i) for i in range(n)], like) + support.lower
        inside = k <= support.upper
        k = xp.where(inside, k, support.lower + 0 * k)
        p = xp.where(inside, log_p(k), -math.inf)
        mass = xp.exp(p)
        missing = 1 - xp.sum(mass, axis=0)
        if n >= largest or bool(xp.all(missing < 16 * room.eps(like.dtype))):
            break
        n *= 4
    ratio = log_ratio(k)
    some = mass > 0
    terms = xp.where(some, xp.where(some, mass, 0.0) * xp.where(some, ratio, 0.0), 0.0)
    rounding = room.eps(like.dtype) * xp.sum(xp.abs(terms), axis=0)
    last = xp.abs(xp.where(some, ratio, 0.0))
    tail = xp.abs(missing) * xp.max(xp.where(last < math.inf, last, 0.0), axis=0)
    return Estimate(xp.sum(terms, axis=0), room.stop_gradient(rounding + tail))
