"""What the conformance tests share: the grid, the cases by name, and the assertions on them."""

from __future__ import annotations

from collections.abc import Sequence

from unikl.agreement import KNOWN_GAPS, compare
from unikl.agreement.cases import Case, Numbers, load
from unikl.agreement.runners import load as load_runner
from unikl.agreement.suite import Work, check, grid, reconcile


def works(backend: str, modes: Sequence[str]) -> list[Work]:
    """A backend's grid in some of its modes."""
    runner = load_runner(backend)
    assert set(modes) <= set(runner.MODES), f"{backend} has the modes {', '.join(runner.MODES)}"
    return list(grid(runner, load(), modes))


def case(name: str, dtype: str) -> Case:
    """The case of this name and dtype."""
    return next(case for case in load() if (case.name, case.dtype) == (name, dtype))


def assert_agrees(work: Work) -> None:
    """Everything that the case checks holds, but for the known gaps, which must not."""
    result, _ = check(*work)
    _, problems = reconcile([result], KNOWN_GAPS)
    assert not problems, "\n".join(problems)
    unexpected = [
        message
        for what, messages in result.failures.items()
        if f"{result.id}:{what}" not in KNOWN_GAPS
        for message in messages
    ]
    assert not unexpected, "\n".join(unexpected)


def assert_meets(case: Case, what: str, argument: str, got: Numbers) -> None:
    """These numbers are what the reference says of this check."""
    failures = compare.numbers(case, what, argument, got).failures
    assert not failures, "\n".join(failures)
