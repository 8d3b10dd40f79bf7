"""Rich, imported only when a command draws."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from unikl.cli.errors import CliError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

# Where no terminal says how wide it is (a pipe, a log), numbers must not be folded.
_WIDTH_OF_A_FILE = 140


def require_rich() -> None:
    """Raise `CliError` where rich is not installed."""
    try:
        import rich  # noqa: F401
    except ImportError as error:
        raise CliError(
            "the command line needs unikl[cli]: pip install 'unikl[cli]' (rich is missing)"
        ) from error


def output() -> Console:
    """The console on stdout."""
    from rich.console import Console

    unknown = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    width = _WIDTH_OF_A_FILE if unknown else None
    return Console(width=width, markup=False, emoji=False, highlight=False)


def progress() -> Progress:
    """A progress bar on stderr, which leaves nothing behind and is silent off a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    console = Console(stderr=True, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def table(*headers: str, numbers: int = 0) -> Table:
    """A plain table; the last `numbers` columns are aligned right, and nothing is cut off."""
    from rich import box
    from rich.table import Table

    plain = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for position, header in enumerate(headers):
        right = position >= len(headers) - numbers
        plain.add_column(header, justify="right" if right else "left", overflow="fold")
    return plain
