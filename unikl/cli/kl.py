"""``unikl kl P Q``: the divergences of the rows of two files."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import unikl
from unikl.cli import console, frameworks, report
from unikl.cli.errors import CliError
from unikl.cli.files import Source, open_source
from unikl.cli.frameworks import Framework
from unikl.cli.summary import Summary

# Elements of p and of q in memory at a time: 16 MB of float64, far above any per-call cost.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class Plan:
    """How the arrays are cut: blocks of the first axis, unless that one holds the categories.

    Attributes
    ----------
    shape : tuple of int
        p and q, broadcast.
    axes : tuple of int or None
        The axes of the categories, counted from the end; None for all.
    step : int or None
        Rows in a block; None where the arrays go in whole.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...] | None
    step: int | None

    def blocks(self) -> Iterator[slice | None]:
        """The rows of each block, or None for everything."""
        if self.step is None:
            yield None
            return
        for start in range(0, self.shape[0], self.step):
            yield slice(start, min(start + self.step, self.shape[0]))

    def __len__(self) -> int:
        return 1 if self.step is None else math.ceil(self.shape[0] / self.step)

    def rows_of(self, source: Source, rows: slice | None) -> slice | None:
        """The rows of this array in the block: all, where it is broadcast along the first axis."""
        cut = len(source.shape) == len(self.shape) and source.shape[0] == self.shape[0]
        return rows if cut else None


def run(args: argparse.Namespace) -> int:
    """Compute, print, and write what is asked for."""
    console.require_rich()
    forms = read_forms(args.given)
    chosen = frameworks.choose(args.backend or ["numpy"])
    _check_out(args.out, len(chosen))
    sources = (open_source(args.p), open_source(args.q))
    plan = _plan(sources, args.axis)
    summaries = [Summary(form, plan.axes) for form in forms]
    for framework in chosen:
        framework.load()
    values = _compute(args, plan, sources, summaries, chosen)
    names = [framework.name for framework in chosen]
    out = console.output()
    report.print_files(out, sources, summaries)
    report.print_values(out, dict(zip(names, values, strict=True)), args.base, args.top)
    if args.out is not None:
        _write(args.out, dict(zip(names, values, strict=True)))
        out.print(f"{values[0].size} values written to {args.out}", soft_wrap=True)
    return 0


def read_forms(given: str) -> tuple[str, str]:
    """The forms of P and of Q."""
    forms = given.split(",")
    if len(forms) not in (1, 2):
        raise CliError(f"--given {given}: want one form, or two as in probs,logits")
    return forms[0].strip(), forms[-1].strip()


def _plan(sources: Sequence[Source], axis: str) -> Plan:
    p, q = sources
    try:
        shape = np.broadcast_shapes(p.shape, q.shape)
    except ValueError as error:
        raise CliError(
            f"{p.spec} has shape {p.shape} and {q.spec} {q.shape}: they do not broadcast"
        ) from error
    axes = read_axes(axis, len(shape))
    reduced = range(-len(shape), 0) if axes is None else axes
    if len(shape) < 2 or shape[0] == 0 or -len(shape) in reduced:
        return Plan(shape, axes, None)
    return Plan(shape, axes, max(1, _BLOCK // max(1, math.prod(shape[1:]))))


def read_axes(text: str, ndim: int) -> tuple[int, ...] | None:
    """The axes, counted from the end, so that they mean the same in both arrays."""
    if text == "all":
        return None
    try:
        axes = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise CliError(f"--axis {text}: want a number, several as in 1,2, or all") from error
    if any(not -ndim <= axis < ndim for axis in axes):
        raise CliError(f"--axis {text} is out of range for arrays of {ndim} dimensions")
    negative = tuple(axis - ndim if axis >= 0 else axis for axis in axes)
    if len(set(negative)) < len(negative):
        raise CliError(f"--axis {text} names an axis twice")
    return negative


def _compute(
    args: argparse.Namespace,
    plan: Plan,
    sources: Sequence[Source],
    summaries: Sequence[Summary],
    chosen: Sequence[Framework],
) -> list[npt.NDArray[Any]]:
    """The values of each backend; every block is read once for all of them."""
    parts: list[list[npt.NDArray[Any]]] = [[] for _ in chosen]
    with console.progress() as bar:
        for number, rows in enumerate(bar.track(plan.blocks(), len(plan), description="blocks")):
            blocks = []
            for source, summary in zip(sources, summaries, strict=True):
                own = plan.rows_of(source, rows)
                block = source.read(own, args.dtype)
                if own is not None or number == 0:
                    summary.update(block)
                blocks.append(block)
            for framework, part in zip(chosen, parts, strict=True):
                part.append(_divergence(args, plan, framework, blocks, rows))
    return [np.concatenate(part) if plan.step is not None else part[0] for part in parts]


def _divergence(
    args: argparse.Namespace,
    plan: Plan,
    framework: Framework,
    blocks: Sequence[npt.NDArray[Any]],
    rows: slice | None,
) -> npt.NDArray[Any]:
    options = {"given": read_forms(args.given), "axis": plan.axes, "base": args.base}
    try:
        with framework.float64():
            p, q = (framework.asarray(block) for block in blocks)
            return np.asarray(unikl.kl_divergence(p, q, validate=args.validate, **options))
    except (TypeError, ValueError, IndexError) as error:
        start = 0 if rows is None else rows.start
        where = f"in the rows from {start} on, counted from there: " if start else ""
        raise CliError(where + as_options(error)) from error


def as_options(error: Exception) -> str:
    """The library's advice, in the words of the command line."""
    text = str(error).replace("validate=False", "--no-validate")
    return re.sub(r"given='(\w+)'", r"--given \1", text)


def _check_out(out: Path | None, backends: int) -> None:
    """Find out before the work, not after it, whether the values can be written."""
    if out is None:
        return
    if out.suffix not in (".npy", ".npz"):
        raise CliError(f"--out {out}: want a name that ends in .npy, or .npz for several backends")
    if out.suffix == ".npy" and backends > 1:
        raise CliError(f"--out {out}: several backends need a name that ends in .npz")
    if not out.parent.is_dir():
        raise CliError(f"--out {out}: there is no folder {out.parent}")


def _write(out: Path, values: dict[str, Any]) -> None:
    try:
        if out.suffix == ".npy":
            (value,) = values.values()
            np.save(out, value)
        else:
            np.savez(out, **values)
    except OSError as error:
        raise CliError(f"cannot write {out}: {error}") from error
