"""``unikl check``: do the installed frameworks agree, with each other and with the reference?"""

from __future__ import annotations

import argparse
import json

from unikl import agreement
from unikl.cli import console, frameworks
from unikl.cli.errors import CliError


def run(args: argparse.Namespace) -> int:
    """Run the cases; exit code 1 if any disagree."""
    console.require_rich()
    chosen = frameworks.choose(args.backend or ["all"])
    for framework in chosen:
        framework.load()
    with console.progress() as bar:
        task = bar.add_task("starting", total=None)

        def show(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        try:
            names = [framework.name for framework in chosen]
            result = agreement.run(names, args.dtype, args.mode, show)
        except (ImportError, ValueError) as error:  # a name that it does not know
            raise CliError(str(error)) from error
    if args.json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        agreement.render(result, console.output())
    return 0 if result.ok else 1
