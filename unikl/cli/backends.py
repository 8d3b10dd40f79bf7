"""``unikl backends``: what is installed, which versions, which devices."""

from __future__ import annotations

import argparse
import importlib.util
from importlib import metadata

from unikl.cli import console
from unikl.cli.errors import CliError
from unikl.cli.frameworks import FRAMEWORKS, Framework

# Libraries that are their own Array API namespace, or that array-api-compat gives one to.
_ARRAY_API = ("array_api_strict", "cupy", "dask", "mparray", "ndonnx", "sparse")


def run(args: argparse.Namespace) -> int:
    """Print the two tables."""
    console.require_rich()
    out = console.output()
    table = console.table("framework", "version", "device")
    for framework in FRAMEWORKS.values():
        table.add_row(framework.name, *_state(framework))
    out.print(table)
    out.print()
    others = [f"{name} {_version(name)}" for name in _ARRAY_API if importlib.util.find_spec(name)]
    out.print(f"Array API libraries: {', '.join(others) or 'none'}", soft_wrap=True)
    return 0


def _state(framework: Framework) -> tuple[str, str]:
    if not framework.installed:
        return "not installed", framework.install
    try:
        module = framework.load()
    except CliError as error:
        return "broken", str(error)
    return str(module.__version__), framework.device()


def _version(module: str) -> str:
    """The version of the distribution that brings a module, without importing it."""
    distributions = metadata.packages_distributions().get(module)
    return metadata.version(distributions[0]) if distributions else ""
