"""The page and the picture of an explanation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import unikl
from unikl import pages

if TYPE_CHECKING:
    from unikl.explain import Breakdown, Explanation

_SECTIONS = 50  # of the rows, those of the largest divergence
_PANELS = 6
_BARS = 12
_CATEGORIES = 1000  # listed in one table
_POINTS = 400  # of the curve on the page


def to_html(explanation: Explanation) -> str:
    """One page that holds all it needs."""
    chosen = _largest(explanation, _SECTIONS)
    return pages.render(
        "explain.html.j2",
        title=f"KL(p || q) in {explanation.unit}",
        sections=[_section(explanation, one) for one in chosen],
        total=len(explanation.breakdowns),
        categories=len(explanation.labels),
        unit=explanation.unit,
        version=unikl.__version__,
    )


def to_png(explanation: Explanation, path: str | Path) -> None:
    """Bars of the largest contributions, and the cumulative share over them."""
    chosen = _largest(explanation, _PANELS)
    figure = pages.figure(8, 0.6 + 3.4 * len(chosen))
    panels = figure.subplots(len(chosen), 1, squeeze=False)[:, 0]
    for axes, breakdown in zip(panels, chosen, strict=True):
        _draw(axes, explanation, breakdown)
    total = len(explanation.breakdowns)
    if total > len(chosen):
        figure.suptitle(f"The {len(chosen)} rows of the largest divergence, of {total}")
    figure.savefig(path)


def _largest(explanation: Explanation, most: int) -> list[Breakdown]:
    """All in their order, or as many of the largest."""
    found = explanation.breakdowns
    if len(found) <= most:
        return list(found)
    return sorted(found, key=lambda one: -one.divergence)[:most]


def _section(explanation: Explanation, breakdown: Breakdown) -> dict[str, Any]:
    rows = list(explanation.rows(breakdown))
    half = int(np.searchsorted(breakdown.cumulative, 0.5)) + 1
    return {
        "heading": explanation.heading(breakdown),
        "rows": rows[:_CATEGORIES],
        "more": max(0, len(rows) - _CATEGORIES),
        "half": half if rows[0]["share"] > 0 else 0,
        "curve": _curve(breakdown),
    }


def _curve(breakdown: Breakdown) -> str:
    """The path of the cumulative share, from the lower left of a 100 x 100 square."""
    n = len(breakdown.cumulative)
    at = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).astype(int))
    points = [f"{100 * (i + 1) / n:.2f},{100 - 100 * breakdown.cumulative[i]:.2f}" for i in at]
    return "M0,100L" + "L".join(points)


def _draw(axes: Any, explanation: Explanation, breakdown: Breakdown) -> None:
    rows = list(explanation.rows(breakdown))[:_BARS]
    places = np.arange(len(rows))
    axes.bar(places, [100 * row["share"] for row in rows], color=pages.COLOURS[0], label="share")
    axes.plot(
        places,
        [100 * row["cumulative"] for row in rows],
        color=pages.COLOURS[1],
        marker="o",
        label="cumulative",
    )
    axes.set_xticks(
        places, [pages.literal(row["label"], 18) for row in rows], rotation=30, ha="right"
    )
    axes.set_ylim(0, 105)
    axes.set_ylabel("share of the divergence, %")
    axes.set_title(explanation.heading(breakdown))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="center right", fontsize="small")
