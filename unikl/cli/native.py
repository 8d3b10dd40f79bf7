"""``unikl check native``: who returns NaN, negative or clipped values today?"""

from __future__ import annotations

import argparse

from unikl.agreement.native import DTYPES, check_native, to_markdown
from unikl.agreement.outcome import Outcome, Row
from unikl.cli import console, frameworks
from unikl.cli.errors import CliError


def compute(args: argparse.Namespace) -> Outcome:
    """Call every function that is installed; about half a minute, mostly to import them."""
    dtypes = args.dtype or DTYPES
    for dtype in dtypes:
        if dtype not in DTYPES:
            raise CliError(f"--dtype {dtype}: the libraries are compared in {' and '.join(DTYPES)}")
    console.require_rich()
    for framework in frameworks.choose(["all"]):
        framework.load()  # without their notes on stderr
    return check_native(dtypes)


def show(outcome: Outcome, markdown: bool) -> None:
    """Print the page of the documentation, or a table for each dtype."""
    if markdown:
        print(to_markdown(outcome), end="")
        return
    out = console.output()
    for dtype in dict.fromkeys(row.dtype for row in outcome.rows):
        rows = [row for row in outcome.rows if row.dtype == dtype]
        cases = list(dict.fromkeys(row.case for row in rows))
        table = console.table(dtype, *cases)
        for name in dict.fromkeys(row.backend for row in rows):
            own = {row.case: row for row in rows if row.backend == name}
            table.add_row(name, *(_cell(own[case]) for case in cases))
        out.print(table)
        out.print()
    versions = sorted(set(outcome.versions.values()), key=str.lower)
    out.print(f"against {outcome.truth}, with {', '.join(versions)}", soft_wrap=True)


def exit_code(outcome: Outcome) -> int:
    """1 if unikl itself is wrong; the others are reported, not judged."""
    return int(any(row.wrong for row in outcome.rows if row.backend == "unikl.kl_divergence"))


def _cell(row: Row) -> str:
    if row.status in ("agrees", "skipped"):
        return "ok" if row.status == "agrees" else "-"
    return "raises" if row.status == "error" else row.what
