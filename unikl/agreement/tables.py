"""A report as tables on a terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unikl.agreement.report import Report

_CHECKS = ("value", "gradient", "jvp", "hvp")
_SHOWN = 20


def render(report: Report, console: Console | None = None) -> None:
    """Print the summary, the spread between backends, some values, and the failures."""
    console = console or Console()
    console.print(_summary(report))
    if report.spreads:
        console.print(_spread(report))
    if report.examples:
        console.print(_examples(report))
    _failures(report, console)
    rows = sum(result.rows for result in report.results)
    style, verdict = ("bold green", "all agree") if report.ok else ("bold red", "NOT in agreement")
    text = f"{verdict}: {len(report.results)} groups, {rows} rows, in {report.seconds:.0f} s"
    console.print(Text(text, style))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i > 1 else "left")
    return table


def _summary(report: Report) -> Table:
    title = "Worst error against the 50-digit reference, in eps"
    table = _table(title, "backend", "dtype", *_CHECKS, "groups", "failures")
    for backend, version in report.versions.items():
        own = [result for result in report.results if result.backend == backend]
        for i, dtype in enumerate(dict.fromkeys(result.dtype for result in own)):
            here = [result for result in own if result.dtype == dtype]
            failed = sum(
                f"{result.id}:{check}" not in report.gaps
                for result in here
                for check in result.failures
            )
            table.add_row(
                f"{backend} {version}" if i == 0 else "",
                dtype,
                *(_eps(report.worst(backend, dtype, check)) for check in _CHECKS),
                str(len(here)),
                Text(str(failed), "bold red" if failed else "green"),
            )
    return table


def _spread(report: Report) -> Table:
    table = _table("Distance between backends, in eps", "backends", "dtype", "value", "gradient")
    table.add_column("farthest apart in")
    for spread in report.spreads:
        pair = f"{spread.first}, {spread.second}"
        where = spread.row if spread.value > 0 else ""
        table.add_row(pair, spread.dtype, _eps(spread.value), _eps(spread.gradient), where)
    return table


def _examples(report: Report) -> Table:
    title = "KL(p || q) in nats, for some rows"
    table = _table(title, "case", "row", *report.versions, "reference")
    for example in report.examples:
        values = [example.values.get(backend) for backend in report.versions]
        shown = ["" if value is None else f"{value:.9g}" for value in values]
        table.add_row(example.group, example.row, *shown, f"{example.reference:.9g}")
    return table


def _failures(report: Report, console: Console) -> None:
    for name, message in report.failures[:_SHOWN]:
        console.print(Text.assemble((f"{name}: ", "red"), message), soft_wrap=True)
    if len(report.failures) > _SHOWN:
        console.print(
            f"... and {len(report.failures) - _SHOWN} more failures (--json has them all)"
        )
    for problem in report.problems[:_SHOWN]:
        console.print(Text(problem, "red"), soft_wrap=True)
    for gap, reason in report.gaps.items():
        console.print(Text.assemble((f"known gap {gap}: ", "yellow"), reason), soft_wrap=True)


def _eps(error: float) -> str:
    return "" if math.isnan(error) else f"{error:.2f}" if error < 1e6 else f"{error:.0e}"
