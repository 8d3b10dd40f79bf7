"""``unikl explain P Q``: which categories carry the divergence."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from unikl.cli import console
from unikl.cli.errors import CliError
from unikl.cli.files import open_source
from unikl.cli.kl import as_options, read_axes, read_forms
from unikl.explain import HEADERS, Explanation, cells, explain


def run(args: argparse.Namespace) -> int:
    """Compute, print, and write what is asked for."""
    if not args.json:
        console.require_rich()
    p, q = (open_source(spec).read(None, None) for spec in (args.p, args.q))
    options: dict[str, Any] = {
        "given": read_forms(args.given),
        "axis": read_axes(args.axis, max(p.ndim, q.ndim)),
        "labels": _labels(args.labels),
        "row": _row(args.row),
        "base": args.base,
    }
    try:
        found = explain(p, q, **options)
    except (TypeError, ValueError) as error:
        raise CliError(as_options(error)) from error
    if args.json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        _print(found, args.top)
    _write(found, args)
    return 0


def _print(found: Explanation, top: int) -> None:
    out = console.output()
    for breakdown in found.breakdowns:
        out.print(found.heading(breakdown), style="bold", soft_wrap=True)
        table = console.table(*HEADERS, numbers=len(HEADERS) - 1)
        for row in itertools.islice(found.rows(breakdown), top):
            table.add_row(*cells(row))
        out.print(table)
        left = len(found.labels) - top
        if left > 0:
            out.print(f"... and {left} more (--top, --json, --html)")
        out.print()


def _write(found: Explanation, args: argparse.Namespace) -> None:
    try:
        if args.html is not None:
            args.html.write_text(found.to_html(), encoding="utf-8")
        if args.png is not None:
            found.to_png(args.png)
    except (ImportError, OSError, ValueError) as error:  # ValueError: a suffix that is no picture
        raise CliError(str(error)) from error


def _labels(text: str | None) -> list[str] | None:
    if text is None:
        return None
    file = Path(text)
    if "," in text or not file.is_file():
        return [name.strip() for name in text.split(",")]
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"cannot read {file}: {error}") from error


def _row(text: str | None) -> Any:
    if text is None or text == "all":
        return text
    try:
        index = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise CliError(f"--row {text}: want a number, several as in 1,2, or all") from error
    return index[0] if len(index) == 1 else index
