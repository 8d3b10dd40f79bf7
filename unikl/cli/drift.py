"""``unikl drift REF CUR``: which columns of a table have moved, on Parquet and CSV by DuckDB."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikl.cli import console
from unikl.cli.errors import CliError

if TYPE_CHECKING:
    import duckdb

    from unikl.tables import Drift

_KINDS = re.compile(r"\.(?:(?P<parquet>parquet|pq)|(?:csv|tsv)(?:\.gz|\.zst)?)$", re.I)
_OPTIONS = ("divergence", "edges", "smoothing", "nan", "null", "unseen", "join", "level")
_NAMED = 10


def run(args: argparse.Namespace) -> int:
    """Compute, print, write, and compare with the limit."""
    if not args.json:
        console.require_rich()
    if args.html is not None and not args.html.parent.is_dir():
        raise CliError(f"--html {args.html}: there is no folder {args.html.parent}")
    found = _drift(args)
    if args.json:
        print(json.dumps(found.to_dict(args.top), indent=2))
    else:
        _print(found)
    if args.html is not None:
        _write(found, args.html)
    return _judge(found, args)


def _drift(args: argparse.Namespace) -> Drift:
    try:
        import duckdb

        from unikl import tables
    except ImportError as error:
        raise CliError(
            f"unikl drift needs unikl[tables]: pip install 'unikl[tables]' ({error})"
        ) from error
    options: Any = {name: getattr(args, name) for name in _OPTIONS}
    with _database(args.memory_limit) as database:
        reference, current = (_open(database, spec) for spec in (args.ref, args.cur))
        columns = None if args.columns is None else [one.strip() for one in args.columns.split(",")]
        bins = _bins(args.bins, columns or reference.columns)
        try:
            with console.progress() as bar:
                return tables.drift(
                    reference,
                    current,
                    columns,
                    bins=bins,
                    progress=lambda names: bar.track(names, description="columns"),
                    **options,
                )
        except (TypeError, ValueError, duckdb.Error) as error:
            raise CliError(_as_options(error)) from error


@contextlib.contextmanager
def _database(memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills to a folder of its own."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="unikl-drift-") as folder:
        config: dict[str, Any] = {"memory_limit": memory_limit, "temp_directory": folder}
        try:
            database = duckdb.connect(config=config)
        except duckdb.Error as error:
            raise CliError(f"--memory-limit {memory_limit}: {error}") from error
        with database:
            # Or the rows of large files queue up in memory to keep an order that nobody needs.
            database.execute("SET preserve_insertion_order = false")
            yield database


def _open(database: duckdb.DuckDBPyConnection, spec: str) -> duckdb.DuckDBPyRelation:
    import duckdb

    kind = _KINDS.search(spec)
    if kind is None:
        raise CliError(f"{spec}: unknown file type; want .parquet or .csv")
    try:
        return database.read_parquet(spec) if kind["parquet"] else database.read_csv(spec)
    except (duckdb.Error, OSError) as error:
        raise CliError(f"cannot read {spec}: {error}") from error


def _bins(specs: list[str], columns: list[str]) -> dict[str, Any]:
    """The bins of each column: those of its own, or those given for all."""
    bins: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for spec in specs:
        name, named, text = spec.rpartition("=")
        if named:
            own[name] = _read_bins(spec, text)
        else:
            bins = dict.fromkeys(columns, _read_bins(spec, text))
    return {**bins, **own}


def _read_bins(spec: str, text: str) -> int | list[float] | None:
    if text.strip() == "none":
        return None
    try:
        return [float(edge) for edge in text.split(",")] if "," in text else int(text)
    except ValueError as error:
        raise CliError(f"--bins {spec}: want a number, edges as 0,1.5,10, or none") from error


def _print(found: Drift) -> None:
    from unikl.tables.result import HEADERS

    out = console.output()
    out.print(found.heading, style="bold", soft_wrap=True)
    table = console.table(*HEADERS)
    for one in found:
        table.add_row(*one.cells())
    out.print(table)
    for one in found:
        if one.infinite:
            names = ", ".join(one.infinite[:_NAMED])
            more = f" and {len(one.infinite) - _NAMED} more" if len(one.infinite) > _NAMED else ""
            out.print(f"{one.column} is infinite because of {names}{more}", soft_wrap=True)


def _write(found: Drift, file: Path) -> None:
    try:
        file.write_text(found.to_html(), encoding="utf-8")
    except (ImportError, OSError) as error:
        raise CliError(str(error)) from error


def _judge(found: Drift, args: argparse.Namespace) -> int:
    """1 if a divergence is above the limit."""
    if args.fail_above is None:
        return 0
    above = [one.column for one in found if not one.value <= args.fail_above]
    if above and not args.json:
        out = console.output()
        out.print(
            f"above {args.fail_above:g}: {', '.join(above)}", style="bold red", soft_wrap=True
        )
    return 1 if above else 0


def _as_options(error: Exception) -> str:
    """The library's advice, in the words of the command line."""
    text = re.sub(r"(nan|null|unseen|join)='(\w+)'", r"--\1 \2", str(error))
    return text.replace("columns=[...]", "--columns")
