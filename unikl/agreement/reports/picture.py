"""An outcome as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unikl import pages
from unikl.agreement.outcome import Outcome, Row

__all__ = ["to_png"]

_MOST_LINES = 20
_MOST_POINTS = 240
_MOST_INSIDE = 6


def to_png(outcome: Outcome, path: str | Path) -> None:
    """Draw the errors against the truth, one line a backend, and their distribution by dtype.

    Errors are in eps, on a log scale; 0 is drawn at the bottom, and infinity, NaN and whatever
    could not be compared at the top.

    Parameters
    ----------
    outcome : Outcome
    path : str or Path
        The suffix says the format: ``.png``, ``.svg``, ``.pdf``.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    errors = [off for row in outcome.rows if (off := _off(row)) is not None]
    lines = min(_MOST_LINES, len({row.backend for row in outcome.rows}))
    below = lines > _MOST_INSIDE  # the legend
    figure = pages.figure(12, 4.8 + (0.1 * lines if below else 0))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    low, high = _range([*errors, outcome.limit])
    _draw_lines(left, outcome, low, high)
    _draw_distribution(right, outcome, low, high)
    handles, labels = left.get_legend_handles_labels()
    if below:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    elif labels:
        left.legend(fontsize="small")
    title = f"{outcome.title}: error in eps against the truth ({outcome.truth})"
    figure.suptitle(pages.literal(title, 120))
    figure.savefig(path)


def _off(row: Row) -> float | None:
    """The error, infinite where a wrong result has none."""
    if row.error is not None and not math.isnan(row.error):
        return row.error
    return math.inf if row.wrong else None


def _range(errors: Sequence[float]) -> tuple[float, float]:
    """The decades of the positive numbers, and room for 0 and infinity."""
    logs = [math.log10(x) for x in errors if 0 < x < math.inf] or [0.0]
    return 10.0 ** (math.floor(min(logs)) - 1), 10.0 ** (math.ceil(max(logs)) + 1)


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Some decades, with 0 and infinity at the ends."""
    first, last = round(math.log10(low)) + 1, round(math.log10(high)) - 1
    inner = range(first, last + 1, max(1, math.ceil((last - first) / 5)))
    labels = ["0", *(f"$10^{{{k}}}$" for k in inner), "$\\infty$"]
    return [low, *(10.0**k for k in inner), high], labels


def _draw_lines(axes: Any, outcome: Outcome, low: float, high: float) -> None:
    cases = list(dict.fromkeys(row.case for row in outcome.rows))
    dense = len(cases) > _MOST_POINTS  # a line through so many is a block of colour: sort it
    worst: dict[str, dict[str, float]] = {}
    for row in outcome.rows:
        off = _off(row)
        if off is not None:
            of = worst.setdefault(row.backend, {})
            of[row.case] = max(off, of.get(row.case, 0.0))
    for i, (backend, of) in enumerate(list(worst.items())[:_MOST_LINES]):
        places = [k for k, case in enumerate(cases) if case in of]
        errors = [of[cases[k]] for k in places]
        axes.plot(
            range(len(errors)) if dense else places,
            np.clip(sorted(errors) if dense else errors, low, high),
            color=pages.COLOURS[i % len(pages.COLOURS)],
            linestyle=pages.DASHES[(i + i // len(pages.COLOURS)) % len(pages.DASHES)],
            marker=None if dense else pages.MARKERS[i % len(pages.MARKERS)],
            markersize=4,
            linewidth=1.3,
            label=pages.literal(f"{backend} {outcome.versions.get(backend, '')}".rstrip(), 80),
        )
    axes.set_yscale("log")
    axes.set_ylim(low / 1.5, high * 1.5)
    axes.set_yticks(*_ticks(low, high))
    axes.axhline(min(outcome.limit, high), color="#b0151f", linestyle=(0, (1, 2)), linewidth=1)
    axes.set_ylabel("error, eps")
    axes.set_xlabel(f"{len(cases)} cases{', sorted by error' if dense else ''}")
    axes.grid(alpha=0.3)


def _draw_distribution(axes: Any, outcome: Outcome, low: float, high: float) -> None:
    edges = np.geomspace(low, high, 2 * round(math.log10(high / low)) + 1)
    for i, dtype in enumerate(dict.fromkeys(row.dtype for row in outcome.rows)):
        found = [
            off for row in outcome.rows if row.dtype == dtype and (off := _off(row)) is not None
        ]
        if found:
            axes.hist(
                np.clip(found, low, high),
                edges,
                histtype="step",
                linewidth=1.6,
                color=pages.COLOURS[i % len(pages.COLOURS)],
                linestyle=pages.DASHES[i % len(pages.DASHES)],
                label=pages.literal(f"{dtype} ({len(found)})", 24),
            )
    axes.set_xscale("log")
    axes.set_xticks(*_ticks(low, high))
    axes.axvline(min(outcome.limit, high), color="#b0151f", linestyle=(0, (1, 2)), linewidth=1)
    axes.set_xlabel("error, eps")
    axes.set_ylabel("comparisons")
    axes.grid(alpha=0.3)
    if any(_off(row) is not None for row in outcome.rows):
        axes.legend(fontsize="small")
