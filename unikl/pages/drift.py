"""The page of the drift between two tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import unikl
from unikl import pages

if TYPE_CHECKING:
    from unikl.tables.result import Category, ColumnDrift, Drift

_CATEGORIES = 200  # listed in one table
_OPEN = 3  # columns that are shown unfolded
_NAMED = 12
_ABOUT = {
    "kl": "KL(reference || current), in nats",
    "reverse_kl": "KL(current || reference), in nats",
    "psi": "The population stability index: KL(reference || current) + KL(current || reference)",
    "js": "The Jensen-Shannon divergence, in nats: at most 0.693147",
    "hellinger": "The Hellinger distance, from 0 to 1",
    "total_variation": "The total variation distance, from 0 to 1",
    "chi_squared": "The chi-squared divergence: the sum of (p \N{MINUS SIGN} q)\N{SUPERSCRIPT TWO}"
    " / q, p of the reference and q of the current table",
}


def to_html(drift: Drift) -> str:
    """One page that holds all it needs: a summary, and each column, the furthest first."""
    columns = sorted(drift, key=lambda one: -one.value)
    return pages.render(
        "drift.html.j2",
        about=_ABOUT[drift.divergence],
        columns=[_section(one, position) for position, one in enumerate(columns)],
        bars=_bars(columns),
        level=f"{100 * drift.level:g}",
        smoothing=drift.smoothing,
        rows=[f"{max(one.rows[k] for one in columns):,}" for k in (0, 1)],
        version=unikl.__version__,
    )


def _section(one: ColumnDrift, position: int) -> dict[str, Any]:
    totals = [int((one.counts.cells * x).sum()) for x in one.counts[:2]]
    found = one.top(_CATEGORIES)
    number = int(one.counts.cells.sum())
    return {
        "name": one.column,
        "id": f"column-{position}",
        "open": position < _OPEN,
        "value": _number(one.value),
        "interval": None if one.interval is None else [_number(x) for x in one.interval],
        "what": "categories" if one.edges is None else "bins",
        "number": number,
        "more": len(one.counts.keys) - len(found),
        "rows": [_row(category, totals) for category in found],
        "new": _names(one.only_in_current),
        "gone": _names(one.only_in_reference),
        "infinite": _names(one.infinite),
        "left_out": {
            {"nan": "NaN", "null": "null", "unseen": "in one table only"}[why]: n
            for why, n in one.left_out._asdict().items()
            if any(n)
        },
    }


def _row(category: Category, totals: list[int]) -> dict[str, Any]:
    shares = [n / total for n, total in zip(category[2:4], totals, strict=True)]
    return {
        "label": category.label,
        "counts": [f"{n:,}" for n in category[2:4]],
        "shares": [100 * share for share in shares],
        "contribution": _number(category.contribution),
        "share": 100 * category.share,
    }


def _bars(columns: list[ColumnDrift]) -> list[dict[str, Any]]:
    """Value and interval of each column, in per cent of the largest finite number."""
    ends = [x for one in columns for x in (one.value, *(one.interval or ())) if math.isfinite(x)]
    full = max(ends, default=0.0) or 1.0
    return [
        {
            "value": 100 * min(one.value / full, 1.0),
            "low": 100 * one.interval[0] / full if one.interval else None,
            "high": 100 * one.interval[1] / full if one.interval else None,
            "infinite": math.isinf(one.value),
        }
        for one in columns
    ]


def _names(labels: list[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + more


def _number(x: float) -> str:
    return "\N{INFINITY}" if math.isinf(x) else f"{x:.6g}"
