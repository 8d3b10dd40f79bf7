"""Integrals over intervals and the line, in mpmath, for integrands with singular ends.

Each is brought to the line by a change of variable after which the integrand falls fast on both
sides; there the trapezoidal rule converges geometrically.
"""

from __future__ import annotations

from typing import Any

from mpmath import mp

_CHANGE = mp.mpf(10) ** -20  # of the whole integral, when the step is halved
_NOTHING = mp.mpf(10) ** -25  # of the integrand, beyond which it has ended


def between(integrand: Any, low: Any, high: Any) -> Any:
    """Over an interval whose ends may be singular, by its logit."""
    width = high - low

    def moved(t: Any) -> Any:
        small = mp.exp(-abs(t))
        x = (small if t < 0 else 1) / (1 + small)
        return integrand(low + width * x) * width * small / (1 + small) ** 2

    return trapezoid(moved)


def beyond(integrand: Any, end: Any, sign: int) -> Any:
    """From `end` to infinity, by the logarithm of the distance."""
    return trapezoid(lambda t: integrand(end + sign * mp.exp(t)) * mp.exp(t))


def trapezoid(f: Any) -> Any:
    """Over the line, with the step halved until it changes nothing (f is analytic in a strip)."""
    step = mp.mpf(1) / 4
    total = step * _line(f, mp.mpf(0), step)
    while step > mp.mpf(2) ** -9:
        finer = (total + step * _line(f, step / 2, step)) / 2
        if abs(finer - total) < _CHANGE:
            return finer
        total, step = finer, step / 2
    raise ArithmeticError("the trapezoidal rule does not converge")


def _line(f: Any, start: Any, step: Any) -> Any:
    total = mp.mpf(0)
    for sign in (1, -1):
        t, idle = start if sign > 0 else start - step, 0
        while idle < 3 or abs(t) < 6:
            value = f(t)
            total += value
            idle = idle + 1 if abs(value) < _NOTHING else 0
            t += sign * step
    return total
