"""``python -m benchmarks``: measure, write the tables and the plots, show the ratios."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import plots, report
from benchmarks.driver import Plan, run
from benchmarks.peers import FAMILIES
from benchmarks.ratios import Comparison, comparisons
from benchmarks.workloads import Level, chosen

_RESULTS = Path(__file__).with_name("results")
_MINUTES: dict[Level, float] = {"quick": 2, "default": 8, "full": float("inf")}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = made.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small arrays, 2 minutes at most")
    size.add_argument("--full", action="store_true", help="1e8 elements too, without a limit")
    made.add_argument("--only", metavar="A,B", help=f"frameworks: {','.join(FAMILIES)}")
    made.add_argument("--workloads", metavar="A,B", help="by name, as in benchmarks/workloads.py")
    made.add_argument("--rounds", type=int, metavar="N", help="samples of each candidate")
    made.add_argument("--minutes", type=float, metavar="M", help="leave out what takes longer")
    made.add_argument("--out", type=Path, default=_RESULTS, metavar="DIR")
    made.add_argument("--docs", type=Path, metavar="FILE", help="a page to put the results in")
    return made


def plan(options: argparse.Namespace) -> Plan:
    """What the options ask for; ValueError if they name what there is not."""
    level: Level = "quick" if options.quick else "full" if options.full else "default"
    families = tuple(options.only.split(",")) if options.only else FAMILIES
    unknown = sorted(set(families) - set(FAMILIES))
    if unknown:
        raise ValueError(f"no framework {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    names = tuple(options.workloads.split(",")) if options.workloads else None
    chosen(level, names)  # are they known?
    minutes = _MINUTES[level] if options.minutes is None else options.minutes
    if level == "quick":
        rounds = options.rounds or 3
        return Plan(families, level, names, rounds, 0.02, 60 * minutes, allocators=("default",))
    rounds, sample = (
        (options.rounds or 4, 0.04) if level == "default" else (options.rounds or 5, 0.1)
    )
    return Plan(families, level, names, rounds, sample, 60 * minutes)


def ratio_table(lines: list[Comparison]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("workload", "in", "fastest library", "by hand"):
        table.add_column(name)
    for name in ("unikl, ms", "library / unikl", "by hand / unikl"):
        table.add_column(name, justify="right")
    for line in lines:
        own = next(iter(line.ours.values()))["seconds"]
        rivals = (line.library, line.by_hand)
        table.add_row(
            line.label,
            f"{line.family} {line.mode}",
            *[rival.name if rival else "" for rival in rivals],
            f"{1000 * own:.3g}",
            *[f"{rival.honest:.2g}" if rival else "" for rival in rivals],
        )
    return table


def main(arguments: list[str] | None = None) -> int:
    made = parser()
    options = made.parse_args(arguments)
    console = Console(stderr=True, markup=False, highlight=False)
    try:
        asked = plan(options)
        if options.docs:
            report.between_markers(options.docs)  # before the minutes are spent
    except ValueError as error:
        made.error(str(error))
    start = time.monotonic()
    with console.status("starting") as status:

        def tell(step: str, detail: str = "") -> None:
            if not detail:
                console.print(f"{time.monotonic() - start:4.0f} s  {step}")
            status.update(f"{step}: {detail}")

        found = run(asked, tell)
    page = report.write(found, options.out)
    files = [page, page.with_suffix(".json"), *plots.draw(found, page)]
    if options.docs:
        report.update(options.docs, found, page)
        files.append(options.docs)
    shown = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 140)
    shown.print(ratio_table(comparisons(found)))
    for problem in found["failed"] + _failures(found["cells"] + found["memory"]):
        shown.print(f"failed: {problem}")
    for each in found["skipped"]:
        shown.print(f"not run, out of time: {each}")
    shown.print("written:", *[str(file) for file in files])
    return 1 if found["failed"] else 0


def _failures(rows: list[dict[str, str]]) -> list[str]:
    return [
        f"{row['family']} {row['mode']}, {row['candidate']}, {row['workload']} {row['task']}: "
        + row["error"]
        for row in rows
        if row["status"] == "failed"
    ]


if __name__ == "__main__":
    sys.exit(main())
