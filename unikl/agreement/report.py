"""What a run of the suite found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """One group of cases through one backend, mode and dtype."""

    backend: str
    mode: str
    dtype: str
    group: str
    rows: int
    errors: Mapping[str, float]
    """The worst error in eps of each check made; NaN where it compared no finite number."""
    failures: Mapping[str, tuple[str, ...]]
    """What failed, by check; the checks that passed are not in it."""

    @property
    def id(self) -> str:
        return f"{self.backend}-{self.mode}-{self.dtype}-{self.group}"


@dataclass(frozen=True)
class Spread:
    """The largest distance between two backends' results of the same dtype, in eps."""

    first: str
    second: str
    dtype: str
    value: float
    gradient: float
    """NaN where one of the two has no gradients."""
    row: str
    """Where the values are farthest apart."""


@dataclass(frozen=True)
class Example:
    """One row of one case in every backend, to look at."""

    group: str
    dtype: str
    row: str
    reference: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """All results of a run, and what they say of each other."""

    versions: Mapping[str, str]
    results: tuple[Result, ...]
    spreads: tuple[Spread, ...]
    examples: tuple[Example, ...]
    gaps: Mapping[str, str]
    """The known gaps that failed as expected, with their reasons."""
    problems: tuple[str, ...]
    """What is wrong with the suite itself: stale or dead gaps, planted errors that went unseen."""
    seconds: float

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """The unexpected failures: the check's id and the message."""
        return tuple(
            (f"{result.id}:{check}", message)
            for result in self.results
            for check, messages in result.failures.items()
            if f"{result.id}:{check}" not in self.gaps
            for message in messages
        )

    @property
    def ok(self) -> bool:
        """Whether something was checked, all of it holds, and the suite itself is sound."""
        return bool(self.results) and not self.failures and not self.problems

    def worst(self, backend: str, dtype: str, check: str) -> float:
        """The worst error in eps over the modes and groups; NaN where there was none."""
        errors = [
            result.errors[check]
            for result in self.results
            if (result.backend, result.dtype) == (backend, dtype) and check in result.errors
        ]
        return max((error for error in errors if not math.isnan(error)), default=math.nan)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it: inf and nan become strings."""
        whole = asdict(self)
        whole["ok"] = self.ok
        whole["failures"] = [list(failure) for failure in self.failures]
        return plain(whole)  # type: ignore[no-any-return]


def plain(x: Any) -> Any:
    """x as JSON can hold it: inf and nan become strings, tuples lists."""
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    if isinstance(x, Mapping):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [plain(value) for value in x]
    return x
