"""Which candidates give the number, and how that is told."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from .search import Candidate, Floats

__all__ = ["Identification", "Match", "choose"]

_SETUP = "from unikl.identify.formulas import *"
_LEAST = 0.05  # what a number of a single digit is taken to be good for
_COST_OF_A_DIGIT = 3
_EXACT = 16 * 2.0**-52  # in units of the terms summed
_LIMIT = 5  # matches
_SIMPLE = 2  # the cost of what may be called nearest


class Match(NamedTuple):
    """A convention that gives the number.

    Attributes
    ----------
    sentence : str
        What was computed.
    code : str
        A line that computes it from NumPy arrays p and q, after
        ``from unikl.identify.formulas import *``.
    value : float or array
        What that line gives.
    error : float
        How far the number given is from that, relative to it; the largest of several.
    libraries : dict of str to str
        Every call of a library that gives this value, with its line of code.
    """

    sentence: str
    code: str
    value: Any
    error: float
    libraries: dict[str, str]

    def __str__(self) -> str:
        lines = [self.sentence, f"    {self.code}  # {_short(self.value)}"]
        others = [name for name in self.libraries if not self.sentence.startswith(name)]
        return "\n".join([*lines, *(f"    also {name}" for name in others)])


class Identification(Sequence[Match]):
    """The matches, best first; printed, it says what was found.

    Attributes
    ----------
    matches : tuple of Match
    nearest : Match or None
        Where nothing matches, the simple convention whose value is nearest.
    """

    def __init__(self, given: str, matches: tuple[Match, ...], nearest: Match | None) -> None:
        self.matches, self.nearest, self._given = matches, nearest, given

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Match, ...]: ...
    def __getitem__(self, index: int | slice) -> Match | tuple[Match, ...]:
        return self.matches[index]

    def __len__(self) -> int:
        return len(self.matches)

    def __repr__(self) -> str:
        return f"<Identification of {self._given}: {len(self)} matches>"

    def __str__(self) -> str:
        if self.matches:
            lines = [f"{self._given} is given by"]
            lines += [f"{number}. {match}" for number, match in enumerate(self.matches, 1)]
        else:
            lines = [f"{self._given}: no known convention gives this"]
            if self.nearest is not None:
                lines.append(f"nearest, {self.nearest.error:.1%} off: {self.nearest}")
        return "\n".join([*lines, f"(the code runs after: {_SETUP})"])


def choose(
    found: list[Candidate], want: Floats, unit: Floats, eps: float, rtol: float | None
) -> Identification:
    """The candidates that give the numbers wanted, as matches.

    `unit` is that of the last digit of each number, and eps the rounding of the arrays.
    """
    values = np.array([candidate.value for candidate in found])
    gaps, errors = _distances(values, want)
    costs = np.array([candidate.cost for candidate in found])
    digits = np.where(np.isfinite(want), np.minimum(unit, _LEAST * np.abs(want)), 0.0)
    fits, penalty, rounding = _fits(found, gaps, costs, want, digits, eps)
    if rtol is not None:
        fits, penalty = np.all(gaps <= rtol * np.abs(values), axis=1), 0 * costs
    costs = costs + penalty
    order = np.flatnonzero(fits)
    order = order[np.argsort(costs[order], kind="stable")]
    groups = _groups(found, values, order, rounding, digits / 2)
    groups.sort(key=lambda group: (costs[group[0]], errors[group[0]]))
    matches = [_match([found[n] for n in group], errors[group[0]]) for group in groups[:_LIMIT]]
    nearest = None
    if not matches:
        simple = [n for n in np.lexsort((costs, errors)) if costs[n] <= _SIMPLE]
        finite = [n for n in simple if np.isfinite(errors[n])]
        nearest = _match([found[finite[0]]], errors[finite[0]]) if finite else None
    return Identification(_short(want), tuple(matches), nearest)


def _distances(values: Floats, want: Floats) -> tuple[Floats, Floats]:
    """Of each number, and the largest of each candidate relative to its value."""
    same = (values == want) | (np.isnan(values) & np.isnan(want))
    with np.errstate(all="ignore"):
        gaps = np.where(same, 0.0, np.abs(values - want))
        gaps = np.where(np.isnan(gaps), np.inf, gaps)
        errors = np.where(same, 0.0, gaps / np.abs(values))
    errors = np.where(np.isnan(errors), np.inf, errors)
    return gaps, np.max(errors, axis=1)


def _fits(
    found: list[Candidate], gaps: Floats, costs: Any, want: Floats, digits: Floats, eps: float
) -> tuple[Any, Any, float]:
    """Which candidates give the numbers, which not so well (as a cost), and in how many eps."""
    noise = np.array([candidate.noise for candidate in found])
    # A mistake is no match just because its terms are large.
    right = np.array([candidate.setting.right for candidate in found])[:, None]
    limit = np.where(right, np.inf, np.abs(want))
    least = 2 * eps if eps > 2.0**-52 else _EXACT
    exact = np.fmin(least * noise, least * 1e3 * limit)
    if eps > 2.0**-52:  # then all digits say no more than those of float32 do, but few may
        few = np.all(least * np.abs(want) <= 1e-3 * digits)
        exact = np.minimum(exact, 1e-3 * digits) if few else np.full_like(exact, -1.0)
    coincide = np.all(gaps <= exact, axis=1)
    if coincide.any():
        return coincide, 0 * costs, least
    # Most frameworks compute in float32, whatever they are given.
    eps = max(eps, 2.0**-23)
    rounding = np.fmin(16 * eps * noise, 1e-5 * limit)
    fits = np.all(gaps <= np.maximum(rounding, digits), axis=1)
    close = np.all(gaps <= np.maximum(2 * eps * noise, digits / 2), axis=1)
    # The fewer the digits, the more of the far-fetched fits by chance.
    known = np.isfinite(want) & (digits > 0)
    information = -np.log10(digits[known] / np.abs(want[known])).sum() if known.all() else np.inf
    fits &= costs <= _COST_OF_A_DIGIT * information
    # What does not fit so well is of interest where it is simpler.
    simplest = np.min(costs[fits & close], initial=np.iinfo(np.int64).max)
    return fits & (close | (costs < simplest)), np.where(close, 0, 2), 2 * eps


def _groups(
    found: list[Candidate], values: Floats, order: Iterable[int], eps: float, digits: Floats
) -> list[list[int]]:
    """Those together that rounding does not tell apart, nor, where akin, the digits shown."""
    groups: list[list[int]] = []
    for n in order:
        for group in groups:
            first = group[0]
            size = np.where(np.isfinite(values[first]), np.abs(values[first]), 0.0)
            close = eps * found[first].noise + 1e-12 * size
            if found[n].kin == found[first].kin:
                close = np.maximum(close, digits)
            if np.all(_distances(values[n][None], values[first])[0] <= close):
                group.append(n)
                break
        else:
            groups.append([n])
    return groups


def _match(group: list[Candidate], error: float) -> Match:
    """Candidates of one value, the simplest first."""
    named = [candidate for candidate in group if candidate.library]
    least = min((candidate.setting.cost for candidate in named), default=0)
    libraries: dict[str, str] = {}
    for candidate in named:
        if candidate.setting.cost == least:
            libraries.setdefault(candidate.library, candidate.code)
    first = group[0]
    value: Any = first.value if first.value.size > 1 else float(first.value[0])
    return Match(first.sentence, first.code, value, float(error), libraries)


def _short(value: Any) -> str:
    """The first numbers, to nine digits."""
    numbers = np.ravel(value)
    text = ", ".join(f"{number:.9g}" for number in numbers[:4])
    more = ", ..." if numbers.size > 4 else ""
    return text if numbers.size == 1 else f"[{text}{more}]"
