"""The truth: what a function of real numbers gives, to 60 digits, and its derivatives.

The function is run on arrays of mpmath numbers. A derivative is the limit of its difference
quotients: at a step of 1e-20 it is right to 20 digits, if the quotients to the left and to the
right are the same. Where they differ there is a kink, and any slope between them is a derivative;
where one of them does not exist, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unikl.agreement.cases import Numbers
from unikl.agreement.structure import bind, flatten, weights

DIGITS = 60
_STEP = 20  # decimal digits below the number
_SAME = 1e-12  # two one-sided slopes: of a smooth function they differ by about 1e-20


@dataclass(frozen=True, eq=False)
class Target:
    """What an array should hold: ``hi + lo``, exact to about 30 digits."""

    hi: Numbers
    lo: Numbers
    floating: bool = True
    """False for integers and booleans, which have no rounding."""
    above: Numbers | None = None
    """At a kink anything from ``hi`` to ``above`` is right."""
    open: bool = False
    """Whether NaN means that nothing is specified."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What a function should give: its structure, and each array by its quantity."""

    structure: str
    targets: dict[str, Target]

    def confirms(self, other: Truth) -> bool:
        """Whether the values of another are the same to some digits, in norm."""
        if self.structure != other.structure:
            return False
        return all(_alike(self.targets[name].hi, x.hi) for name, x in other.targets.items())


class NotExact(Exception):
    """The function does not run on mpmath numbers."""


def quantity(path: str) -> str:
    """The name of an output: ``value``, ``value[1]``."""
    return f"value{path}"


def exact(fn: Callable[..., Any], xs: Sequence[Numbers], wanted: Sequence[int]) -> Truth:
    """The truth at float64 inputs, with the gradient in the inputs at the places `wanted`.

    Raises
    ------
    NotExact
        If the function cannot run on mpmath numbers, or returns something else.
    """
    try:
        import mparray
        import mpmath
    except ImportError as error:
        raise NotExact("mparray is not installed: pip install 'unikl[check]'") from error
    fn = bind(fn, mparray)
    with mpmath.mp.workdps(DIGITS):
        arguments = [_exact_array(mparray, mpmath, x) for x in xs]
        structure, values = _evaluate(mparray, fn, arguments)
        targets = {quantity(path): _target(mpmath, x) for path, x in values.items()}
        if wanted:
            slopes = _Slopes(mparray, mpmath, fn, arguments, list(values.values()))
            for i in wanted:
                targets[f"gradient of input {i}"] = slopes.of(i)
    return Truth(structure, targets)


def in_float64(fn: Callable[..., Any], xs: Sequence[Numbers]) -> Truth | None:
    """What a function of NumPy arrays gives: values only, right to float64; None if it is for
    other arrays."""
    from unikl.agreement.runners.numpy import XP

    try:
        with np.errstate(all="ignore"):
            result = bind(fn, XP)(*xs)
    except Exception:  # whatever a function raises that was made for other arrays
        return None
    structure, found = flatten(result)
    targets = {}
    for path, x in found.items():
        made = np.asarray(x)
        zeros = np.zeros(made.shape)
        targets[quantity(path)] = Target(made.astype(np.float64), zeros, made.dtype.kind == "f")
    return Truth(structure, targets)


def _alike(one: Numbers, other: Numbers) -> bool:
    if one.shape != other.shape:
        return False
    both = np.isfinite(one) & np.isfinite(other)
    size = np.max(np.abs(one), initial=0.0, where=both)
    return bool(np.all(np.abs(one - other)[both] <= 1e-3 * size))


def _exact_array(mparray: Any, mpmath: Any, x: Numbers) -> Any:
    if x.dtype.kind != "f":
        return mparray.asarray(x)
    return _of_mpf(mparray, np.array([mpmath.mpf(float(n)) for n in x.flat], object), x.shape)


def _of_mpf(mparray: Any, flat: Numbers, shape: tuple[int, ...]) -> Any:
    return mparray.asarray(flat.reshape(shape), dtype=mparray.float64)


def _evaluate(mparray: Any, fn: Callable[..., Any], xs: Sequence[Any]) -> tuple[str, Any]:
    try:
        with np.errstate(all="ignore"):
            structure, found = flatten(fn(*xs))
    except Exception as error:  # whatever a function raises that was made for other arrays
        raise NotExact(f"{type(error).__name__}: {error}") from error
    for x in found.values():
        if not isinstance(x, type(mparray.asarray(1.0))):
            raise NotExact(f"it returns {type(x).__name__}")
    return structure, found


def _target(mpmath: Any, x: Any) -> Target:
    flat, shape = x._data.ravel(), x.shape
    if not np.isdtype(x.dtype, "real floating"):
        return Target(np.array(flat, np.float64).reshape(shape), np.zeros(shape), False)
    hi = np.array([float(n) for n in flat], np.float64)
    return Target(hi.reshape(shape), _rest(mpmath, flat, hi).reshape(shape))


def _rest(mpmath: Any, exact: Sequence[Any], hi: Numbers) -> Numbers:
    """What float64 leaves over of exact numbers."""
    pairs = zip(exact, hi, strict=True)
    rest = [float(n - mpmath.mpf(float(h))) if np.isfinite(h) else 0.0 for n, h in pairs]
    return np.array(rest, np.float64)


class _Slopes:
    """The derivatives of the weighted sum of a function's outputs."""

    def __init__(
        self, mparray: Any, mpmath: Any, fn: Callable[..., Any], xs: list[Any], values: list[Any]
    ) -> None:
        self.mparray, self.mp, self.fn, self.xs = mparray, mpmath, fn, xs
        self.here = self._numbers(values)
        self.weights = [
            mpmath.mpf(float(w))
            for i, x in enumerate(values)
            if np.isdtype(x.dtype, "real floating")
            for w in np.ravel(weights(tuple(x.shape), i))
        ]

    def of(self, i: int) -> Target:
        """The gradient in input `i`."""
        flat = self.xs[i]._data.ravel()
        unit = self.mp.mpf(10) ** -_STEP
        steps = np.array([(abs(n) or self.mp.mpf(1)) * unit for n in flat], object)
        right = [self._quotient(i, flat, j, step) for j, step in enumerate(steps)]
        if self._smooth(i, flat, steps, right):
            found = [(slope, slope) for slope in right]
        else:
            found = [self._ends(i, flat, j, steps[j], slope) for j, slope in enumerate(right)]
        low = np.array([float(low) for low, _ in found], np.float64)
        high = np.array([float(high) for _, high in found], np.float64)
        shape = self.xs[i].shape
        above = high.reshape(shape) if any(a is not b for a, b in found) else None
        rest = _rest(self.mp, [least for least, _ in found], low).reshape(shape)
        return Target(low.reshape(shape), rest, above=above, open=True)

    def _smooth(self, i: int, flat: Numbers, steps: Numbers, right: list[Any]) -> bool:
        """Whether the slopes to the right hold to the left, too: one look, along a direction in
        which no two kinks cancel."""
        parts = [self.mp.frac((j + 1) * self.mp.phi) for j in range(flat.size)]
        moves = [-part * step for part, step in zip(parts, steps, strict=True)]
        expected = [slope * move for slope, move in zip(right, moves, strict=True)]
        change = self._change(i, flat + np.array(moves, object).reshape(flat.shape))
        size = sum((abs(n) for n in expected), self.mp.mpf(0))
        return bool(abs(change - sum(expected, self.mp.mpf(0))) <= _SAME * size)

    def _ends(self, i: int, flat: Numbers, j: int, step: Any, right: Any) -> tuple[Any, Any]:
        """The least and the largest slope at a number: the same object where there is no kink."""
        left = self._quotient(i, flat, j, -step)
        middle = (right + left) / 2
        if not self.mp.isfinite(middle):
            return self.mp.nan, self.mp.nan
        if abs(right - left) <= _SAME * abs(middle):
            return middle, middle
        ends = [self._limit(i, flat, j, s, q) for s, q in ((step, right), (-step, left))]
        return min(ends), max(ends)

    def _limit(self, i: int, flat: Numbers, j: int, step: Any, quotient: Any) -> Any:
        """A one-sided derivative; infinite where the quotient still grows at smaller steps."""
        closer = self._quotient(i, flat, j, step / 1000)
        if abs(closer - quotient) <= _SAME * abs(quotient) or abs(closer) <= abs(quotient):
            return quotient
        return self.mp.inf if closer > 0 else -self.mp.inf

    def _quotient(self, i: int, flat: Numbers, j: int, step: Any) -> Any:
        moved = flat.copy()
        moved[j] = flat[j] + step
        return self._change(i, moved) / (moved[j] - flat[j])

    def _change(self, i: int, moved: Numbers) -> Any:
        """By how much the weighted sum changes when input `i` is moved."""
        xs = list(self.xs)
        xs[i] = _of_mpf(self.mparray, moved, self.xs[i].shape)
        there = self._numbers(list(_evaluate(self.mparray, self.fn, xs)[1].values()))
        if len(there) != len(self.here):
            raise NotExact("the shape of its outputs depends on the numbers")
        changes = zip(self.weights, there, self.here, strict=True)
        return sum((w * (a - b) for w, a, b in changes), self.mp.mpf(0))

    def _numbers(self, values: list[Any]) -> list[Any]:
        floats = [x for x in values if np.isdtype(x.dtype, "real floating")]
        return [n for x in floats for n in x._data.ravel()]
