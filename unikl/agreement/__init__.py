"""The cross-framework consistency check: do the backends agree, with each other and with a
50-digit reference?

``unikl check`` prints what `run` finds; the conformance suite asserts it. `check` asks the same of
any function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unikl.agreement.check import check
from unikl.agreement.examples import arrays, integers
from unikl.agreement.gaps import KNOWN_GAPS
from unikl.agreement.outcome import Outcome, Row
from unikl.agreement.report import Report, Result
from unikl.agreement.suite import run

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "KNOWN_GAPS",
    "Outcome",
    "Report",
    "Result",
    "Row",
    "arrays",
    "check",
    "integers",
    "render",
    "run",
]


def render(report: Report, console: Console | None = None) -> None:
    """Print a report as tables; this alone needs rich."""
    from unikl.agreement.tables import render as print_tables

    print_tables(report, console)
