"""``unikl kl P Q``: the divergences of the rows of two files."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import unikl
from unikl.cli import console, frameworks, report
from unikl.cli.errors import CliError
from unikl.cli.files import Source, open_source
from unikl.cli.frameworks import Framework
from unikl.cli.stream import Block, Merger, Plan, make_plan
from unikl.cli.summary import Summary

# Elements of p and of q in memory at a time: 16 MB of float64, far above any per-call cost.
_BLOCK = 1 << 21
# Elements of the longest distribution that is read whole: 64 MB of float64.
_LONG = 1 << 23


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
    return make_plan(shape, read_axes(axis, len(shape)), _BLOCK, _LONG)


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
    mergers = [Merger() for _ in chosen]
    reader, number = _Reader(args, plan, sources, summaries), 0
    try:
        with console.progress() as bar:
            steps = bar.track(plan.blocks(), len(plan), description="blocks")
            for number, block in enumerate(steps):  # noqa: B007  (told when interrupted)
                arrays = reader.read(block)
                for k, framework in enumerate(chosen):
                    if not plan.parts:
                        parts[k].append(_divergence(args, plan, framework, arrays, block))
                        continue
                    mergers[k].add(_state(args, plan, framework, arrays, block))
                    if block.last:
                        parts[k].append(_result(args, mergers[k], block))
                        mergers[k] = Merger()
    except KeyboardInterrupt as error:
        if len(plan) == 1:
            raise
        told = f"after {number} of {len(plan)} blocks: no result, and nothing is written"
        raise KeyboardInterrupt(told) from error
    return [np.concatenate([x.ravel() for x in part]).reshape(plan.batch) for part in parts]


class _Reader:
    """Reads the blocks of p and q, and looks at each once."""

    def __init__(
        self,
        args: argparse.Namespace,
        plan: Plan,
        sources: Sequence[Source],
        summaries: Sequence[Summary],
    ) -> None:
        self.args, self.plan, self.sources, self.summaries = args, plan, sources, summaries
        self.kept: list[Any] = [(None, None), (None, None)]
        self.seen: set[tuple[int, str]] = set()

    def read(self, block: Block) -> list[npt.NDArray[Any]]:
        """p and q; what is broadcast is read again only where it has to be."""
        for k, source in enumerate(self.sources):
            index = block.of(source.shape, self.plan.shape) if self.plan.step else None
            if index is None or index != self.kept[k][0]:
                self.kept[k] = index, source.read(index, self.args.dtype)
            if (k, str(index)) not in self.seen:
                self.seen.add((k, str(index)))
                sums = self.summaries[k].update(self.kept[k][1], block.last)
                if self.plan.parts and self.args.validate and sums is not None:
                    _check_sums("pq"[k], self.summaries[k].form, sums, self.kept[k][1], block)
        return [array for _, array in self.kept]


def _check_sums(
    name: str, form: str, sums: npt.NDArray[Any], array: npt.NDArray[Any], block: Block
) -> None:
    """Do the rows sum to 1?  (`kl_divergence` looks itself, where it has whole rows.)"""
    tolerance = math.sqrt(np.finfo(array.dtype).eps)
    off = sums[np.abs(sums - 1) > tolerance]
    if form in ("probs", "log_probs") and off.size:
        where = f"in row {', '.join(map(str, block.rows))}: " if block.rows else ""
        raise CliError(
            f"{where}rows of {name} sum to between {off.min():.3g} and {off.max():.3g}, not 1 "
            f"(tolerance {tolerance:.1e} for {array.dtype}); for unnormalised weights pass "
            "--given counts, for logits --given logits"
        )


def _divergence(
    args: argparse.Namespace,
    plan: Plan,
    framework: Framework,
    arrays: Sequence[npt.NDArray[Any]],
    block: Block,
) -> npt.NDArray[Any]:
    options = {"given": read_forms(args.given), "axis": plan.axes, "base": args.base}
    try:
        with framework.float64():
            p, q = (framework.asarray(array) for array in arrays)
            return np.asarray(unikl.kl_divergence(p, q, validate=args.validate, **options))
    except (TypeError, ValueError, IndexError) as error:
        raise CliError(f"{block if plan.step else ''}{as_options(error)}") from error


def _state(
    args: argparse.Namespace,
    plan: Plan,
    framework: Framework,
    arrays: Sequence[npt.NDArray[Any]],
    block: Block,
) -> unikl.KLState:
    """Of a block of categories, in NumPy arrays: they are merged there."""
    try:
        with framework.float64():
            p, q = (framework.asarray(array) for array in arrays)
            given: Any = read_forms(args.given)
            state = unikl.KLState.from_arrays(p, q, given=given, axis=plan.axes)
            return unikl.KLState(np.asarray(state.numbers))
    except (TypeError, ValueError, IndexError) as error:
        raise CliError(f"{block}{as_options(error)}") from error


def _result(args: argparse.Namespace, merger: Merger, block: Block) -> npt.NDArray[Any]:
    value = np.asarray(merger.result(args.base))
    if args.validate and np.isnan(value).any():
        where = f" in row {', '.join(map(str, block.rows))}" if block.rows else ""
        raise CliError(
            f"the divergence is NaN{where}: p or q holds NaN, +inf or a negative number, or has no "
            "mass; pass --no-validate to get NaN there instead"
        )
    return value


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
