"""The arguments of each command."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NoReturn

import unikl
from unikl.cli.errors import CliError
from unikl.cli.frameworks import FRAMEWORKS

_FORMATS = "a .npy, .npz, .csv or .safetensors file; one array of several as FILE:KEY"

_DIVERGENCES = "kl, reverse_kl, psi, js, hellinger, total_variation, chi_squared"
_POLICIES = {
    "nan": ("null", "category", "drop", "error"),
    "null": ("category", "drop", "error"),
    "unseen": ("keep", "ignore", "error"),
    "join": ("auto", "host", "engine"),
}


class _Parser(argparse.ArgumentParser):
    """argparse, with its errors in the one line of every other error."""

    def error(self, message: str) -> NoReturn:
        raise CliError(f"{message} (see {self.prog} --help)")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``args.command`` says what to run."""
    parser = _Parser(
        prog="unikl",
        description="The Kullback-Leibler divergence on every array library.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"unikl {unikl.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_kl(commands)
    _add_explain(commands)
    _add_identify(commands)
    _add_drift(commands)
    _add_check(commands)
    text = "say which frameworks are installed, their versions and devices"
    commands.add_parser("backends", help=text, description=f"{text.capitalize()}.")
    return parser


def _add_kl(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "kl",
        help="the divergences of the rows of two files",
        description="KL(P || Q) of each row of two files, with a summary of what they hold.",
        allow_abbrev=False,
    )
    _add_arrays(parser)
    _add_backend(parser, "compute with it (default numpy)")
    parser.add_argument(
        "--dtype", choices=("float16", "float32", "float64"), help="convert the files to it first"
    )
    parser.add_argument(
        "--no-validate",
        dest="validate",
        action="store_false",
        help="give NaN for rows that are no distribution, instead of an error",
    )
    parser.add_argument(
        "--top", type=_count, default=5, metavar="N", help="how many of the largest rows to list"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write all values to a .npy file, or to a .npz with an array for each backend",
    )


def _add_arrays(parser: _Parser) -> None:
    """Two files, and what they hold."""
    parser.add_argument("p", metavar="P", help=_FORMATS)
    parser.add_argument("q", metavar="Q", help="likewise; the two broadcast")
    parser.add_argument(
        "--given",
        default="probs",
        metavar="FORM[,FORM]",
        help="what the files hold: probs (default), log_probs, logits or counts; two for P,Q",
    )
    parser.add_argument(
        "--axis", default="-1", help="the categories: an axis, several as 1,2, or all (default -1)"
    )
    parser.add_argument("--base", type=float, help="of the logarithm: 2 for bits (default: nats)")


def _add_explain(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "which categories carry the divergence"
    parser = commands.add_parser(
        "explain",
        help=text,
        description=f"{text.capitalize()}: of the mean over the rows, of one row, or of each.",
        allow_abbrev=False,
    )
    _add_arrays(parser)
    parser.add_argument(
        "--row",
        metavar="I",
        help="a row, as 1,2 where rows have several indices, or all (default: the rows' mean)",
    )
    parser.add_argument(
        "--labels",
        metavar="NAMES",
        help="the names of the categories, as cat,dog, or a text file with one in each line",
    )
    parser.add_argument(
        "--top", type=_count, default=10, metavar="N", help="how many categories to list"
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one page")
    parser.add_argument("--png", type=Path, metavar="FILE", help="write it as a picture")


def _add_identify(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "identify",
        help="which convention makes this number of two files",
        description="Which library's convention, or which mistake, makes VALUE of P and Q. "
        "Exit code 1 if none does.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "value",
        metavar="VALUE",
        help="a number to all its digits, several as 0.89,1.09, or a file of one for each row",
    )
    parser.add_argument("p", metavar="P", help=_FORMATS)
    parser.add_argument("q", metavar="Q", help="likewise, of the same shape; categories last")
    parser.add_argument(
        "--given",
        default="probs",
        metavar="FORM[,FORM]",
        help="what the files hold: probs (default), log_probs, logits or counts; two for P,Q",
    )
    parser.add_argument("--rtol", type=float, help="relative tolerance (default: from the digits)")
    parser.add_argument("--json", action="store_true", help="print the matches as JSON")


def _add_drift(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "which columns of a table have moved, and how far"
    parser = commands.add_parser(
        "drift",
        help=text,
        description=f"{text.capitalize()}: the divergence of each column of REF and CUR, counted "
        "by DuckDB out of core. Exit code 1 if one is above --fail-above.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "ref", metavar="REF", help="a .parquet or .csv file, or several as *.parquet"
    )
    parser.add_argument("cur", metavar="CUR", help="likewise, with the same columns")
    parser.add_argument("--columns", metavar="NAMES", help="as store,amount (default: all)")
    parser.add_argument("--divergence", default="kl", metavar="NAME", help=f"{_DIVERGENCES} (kl)")
    parser.add_argument(
        "--bins",
        action="append",
        default=[],
        metavar="[COLUMN=]BINS",
        help="of numbers: how many (10), their edges as 0,1.5,10, or none to count by value; "
        "may be repeated for single columns",
    )
    parser.add_argument(
        "--edges", default="quantile", metavar="KIND", help="from the reference: quantile or width"
    )
    parser.add_argument("--smoothing", type=float, default=0.0, metavar="S", help="add to counts")
    for name, choices in _POLICIES.items():
        parser.add_argument(f"--{name}", default=choices[0], metavar="DO", help=", ".join(choices))
    parser.add_argument("--level", type=float, default=0.95, help="of the intervals (0.95)")
    parser.add_argument(
        "--fail-above", type=float, metavar="X", help="exit code 1 if a divergence is above X"
    )
    parser.add_argument(
        "--memory-limit", default="600MB", metavar="SIZE", help="for DuckDB (600MB); it spills"
    )
    parser.add_argument(
        "--top", type=_count, default=10, metavar="N", help="how many categories --json lists"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one page")


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "check",
        help="whether the installed frameworks agree: in unikl, or in a function of yours",
        description="Without TARGET, run the reference cases of unikl through every installed "
        "framework. With module:function, run that function, or each of a dict with one for each "
        "framework, eagerly and compiled, with gradients, and say who is wrong. With native, "
        "report what the libraries' own divergences return. Exit code 1 if any disagree.",
        allow_abbrev=False,
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="module:function, or native")
    _add_backend(parser, "check it only")
    parser.add_argument(
        "--backends", action="extend", dest="backend", type=_names, help="the same: torch,jax"
    )
    parser.add_argument(
        "--dtype",
        action="append",
        choices=("float16", "bfloat16", "float32", "float64"),
        help="check it only; may be repeated",
    )
    parser.add_argument(
        "--mode", action="append", help="check it only; of a function eager or compiled"
    )
    _add_function(parser.add_argument_group("of a function"))
    files = parser.add_argument_group("reports")
    files.add_argument("--json", action="store_true", help="print the report as JSON")
    for kind in ("html", "junit", "png"):
        files.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"write it as {kind}")
    files.add_argument("--markdown", action="store_true", help="of native: print its page")


def _add_function(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--inputs",
        type=Path,
        metavar="FILE",
        help=".npz with its arguments in their order, or .npy with the only one",
    )
    group.add_argument(
        "--shape",
        action="append",
        type=_shape,
        help="instead: draw an argument of this shape, as 4x5; repeat it for each argument",
    )
    group.add_argument(
        "--range", nargs=2, type=float, default=(-3, 3), metavar=("LOW", "HIGH"), help="draw from"
    )
    group.add_argument("--examples", type=int, default=20, metavar="N", help="draw so many")
    group.add_argument("--seed", type=int, default=0, help="of what is drawn")
    group.add_argument("--store", type=Path, metavar="FILE", help="write what fails to this .npz")
    group.add_argument("--reference", metavar="MODULE:FUNCTION", help="what is right")
    group.add_argument(
        "--fail-over", type=float, default=16.0, metavar="EPS", help="the error allowed (16)"
    )
    group.add_argument(
        "--no-gradients", dest="gradients", action="store_false", help="compare values only"
    )


def _add_backend(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument(
        "--backend",
        action="append",
        choices=(*FRAMEWORKS, "all"),
        metavar="NAME",
        help=f"{text}: {', '.join(FRAMEWORKS)}, or all that are installed; may be repeated",
    )


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in FRAMEWORKS:
            raise argparse.ArgumentTypeError(f"want names of {', '.join(FRAMEWORKS)}, got {text}")
    return names


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(x\d+)*", text):
        raise argparse.ArgumentTypeError(f"want lengths as 4x5, got {text}")
    return tuple(map(int, text.split("x")))


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"want a number of rows, got {text}")
    return int(text)
