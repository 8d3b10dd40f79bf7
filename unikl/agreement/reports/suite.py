"""The report of the conformance suite as an outcome, so that it has the same files."""

from __future__ import annotations

import math
from collections.abc import Iterator

from unikl.agreement.compare import ALLOWED
from unikl.agreement.outcome import Outcome, Row
from unikl.agreement.report import Report, Result

__all__ = ["from_suite"]


def from_suite(report: Report) -> Outcome:
    """What `unikl.agreement.run` found, as an `Outcome`: a row for each check of each group.

    A known gap that failed as expected is skipped, with its reason; what is wrong with the suite
    itself is an error of the backend "suite".

    Parameters
    ----------
    report : Report

    Returns
    -------
    Outcome

    Examples
    --------
    >>> from unikl import agreement
    >>> from unikl.agreement.reports import from_suite
    >>> report = agreement.run(backends=["numpy"], dtypes=["float64"])
    >>> from_suite(report).ok == report.ok
    True
    """
    rows = [row for result in report.results for row in _rows(report, result)]
    rows += [
        Row("the suite itself", "suite", "-", "-", "soundness", "error", None, None, problem)
        for problem in report.problems
    ]
    return Outcome(
        title="unikl.kl_divergence",
        rows=tuple(rows),
        truth="mpmath, 50 digits",
        limit=ALLOWED,
        versions=dict(report.versions),
        devices={},
        blamed=tuple(dict.fromkeys(row.backend for row in rows if row.status == "differs")),
        minimal=None,
        seed=0,
        seconds=report.seconds,
    )


def _rows(report: Report, result: Result) -> Iterator[Row]:
    place = (result.group, result.backend, result.mode, result.dtype)
    for check, error in result.errors.items():
        messages = result.failures.get(check, ())
        gap = report.gaps.get(f"{result.id}:{check}")
        number = None if math.isnan(error) else error
        if gap is not None:
            yield Row(*place, check, "skipped", number, None, f"known gap: {gap}")
        elif messages:
            yield Row(*place, check, "differs", number, None, "; ".join(messages))
        else:
            yield Row(*place, check, "agrees", number, None)
