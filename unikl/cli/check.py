"""``unikl check``: do the installed frameworks agree, with each other and with the truth?"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unikl import agreement
from unikl.cli import console, frameworks
from unikl.cli.errors import CliError


def run(args: argparse.Namespace) -> int:
    """Check the library itself, the libraries' own functions, or any function of the user's."""
    if args.target == "native":
        return _run_native(args)
    return _run_suite(args) if args.target is None else _run_function(args)


def _run_suite(args: argparse.Namespace) -> int:
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
    if args.html or args.junit or args.png:
        from unikl.agreement import reports

        _write(reports.from_suite(result), args)
    return 0 if result.ok else 1


def _run_native(args: argparse.Namespace) -> int:
    from unikl.agreement import reports
    from unikl.cli import native

    outcome = native.compute(args)
    if args.json:
        print(reports.to_json(outcome))
    else:
        native.show(outcome, args.markdown)
    _write(outcome, args)
    return native.exit_code(outcome)


def _run_function(args: argparse.Namespace) -> int:
    console.require_rich()
    chosen = frameworks.choose(args.backend or ["all"])
    for framework in chosen:
        framework.load()  # without their notes on stderr
    fn = _load(args.target)
    reference = None if args.reference is None else _load(args.reference)
    names = [each.name for each in chosen if not isinstance(fn, Mapping) or each.name in fn]
    with console.progress() as bar:
        task = bar.add_task(args.target, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        try:
            outcome = agreement.check(
                fn,
                *_inputs(args),
                backends=names,
                dtypes=args.dtype or ("float32", "float64"),
                modes=args.mode or ("eager", "compiled"),
                gradients=args.gradients,
                reference=reference,
                limit=args.fail_over,
                examples=args.examples,
                seed=args.seed,
                store=args.store,
                title=args.target,
                progress=show,
            )
        except (ImportError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise CliError(str(error)) from error
    if args.json:
        print(json.dumps(outcome.to_dict(), indent=2))
    else:
        _show(outcome)
    _write(outcome, args)
    return 0 if outcome.ok else 1


def _load(spec: str) -> Any:
    """The object that ``module:name`` names; modules are looked for in this folder, too."""
    module, _, name = spec.partition(":")
    if not (module and name):
        raise CliError(f"{spec}: want native, or module:function as in losses:focal")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except Exception as error:  # whatever a user's module raises when it is imported
        raise CliError(f"cannot load {spec}: {type(error).__name__}: {error}") from error
    if not callable(found) and not isinstance(found, Mapping):
        raise CliError(f"{spec} is {type(found).__name__}; want a function, or a dict of them")
    return found


def _inputs(args: argparse.Namespace) -> list[Any]:
    if (args.inputs is None) == (args.shape is None):
        raise CliError("give the inputs as --inputs FILE, or what to draw as --shape 4x5")
    if args.inputs is not None:
        return [args.inputs]
    return [agreement.arrays(shape, *args.range) for shape in args.shape]


def _show(outcome: agreement.Outcome) -> None:
    out = console.output()
    first, _, rest = str(outcome).partition("\n")
    out.print(first, style="bold green" if outcome.ok else "bold red", soft_wrap=True)
    out.print(rest, soft_wrap=True)


def _write(outcome: agreement.Outcome, args: argparse.Namespace) -> None:
    """The files that were asked for."""
    from unikl.agreement import reports

    writers: tuple[tuple[Path | None, Callable[[agreement.Outcome], str]], ...] = (
        (args.html, reports.to_html),
        (args.junit, reports.to_junit),
    )
    try:
        for path, write in writers:
            if path is not None:
                path.write_text(write(outcome), encoding="utf-8")
        if args.png is not None:
            reports.to_png(outcome, args.png)
    except (ImportError, OSError, ValueError) as error:
        raise CliError(f"cannot write the report: {error}") from error
