"""``unikl identify VALUE P Q``: which convention makes this number of two files."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

import unikl
from unikl.cli.errors import CliError
from unikl.cli.files import open_source


def run(args: argparse.Namespace) -> int:
    """Print the matches; exit code 1 if there are none."""
    p, q = (open_source(spec).read(None, None) for spec in (args.p, args.q))
    forms = [form.strip() for form in args.given.split(",")]
    given: Any = forms[0] if len(forms) == 1 else tuple(forms)
    try:
        found = unikl.identify(_value(args.value), p, q, given=given, rtol=args.rtol)
    except (TypeError, ValueError) as error:
        raise CliError(str(error)) from error
    if args.json:
        print(json.dumps([_as_dict(match) for match in found], indent=2))
    else:
        print(found)
    return 0 if found else 1


def _value(text: str) -> Any:
    """The number or numbers, or those of a file."""
    try:
        float(text.strip("[](), ").replace(",", " ").split()[0])
    except (ValueError, IndexError):
        return open_source(text).read(None, None)
    return text


def _as_dict(match: Any) -> dict[str, Any]:
    return {**match._asdict(), "value": np.asarray(match.value).tolist()}
