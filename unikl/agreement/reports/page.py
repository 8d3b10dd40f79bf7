"""An outcome as one page, to be opened from a file."""

from __future__ import annotations

import json
from typing import Any

import unikl
from unikl import pages
from unikl.agreement.outcome import Outcome

__all__ = ["to_html"]

_COLUMNS = (
    *("case", "backend", "mode", "dtype", "quantity", "status"),
    *("error", "ulp", "what", "got", "expected", "index"),
)


def to_html(outcome: Outcome) -> str:
    """One page that holds all it needs: no file beside it, no request, works offline.

    It has a matrix of cases and backends, the errors against the truth on a log scale, their
    distribution by dtype, the worst elements, the smallest failing input, and every comparison;
    a search and filters that all of these follow; light and dark colours; and the keyboard
    reaches everything.

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    str
        HTML in UTF-8.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.

    Examples
    --------
    >>> from unikl.agreement.outcome import Outcome, Row
    >>> from unikl.agreement.reports import to_html
    >>> row = Row("input 0", "jax", "eager", "float32", "value", "agrees", 0.5, 1.0)
    >>> outcome = Outcome("loss", (row,), "given", 8.0, {}, {}, (), None, 0, 0.0)
    >>> "1 comparison agrees" in to_html(outcome)
    True
    """
    whole = outcome.to_dict()
    rows = [[row[key] for key in _COLUMNS] for row in whole["rows"]]
    return pages.render(
        "report.html.j2",
        outcome=outcome,
        verdict=_verdict(outcome),
        cases=len({row.case for row in outcome.rows}),
        minimal=_minimal(whole["minimal"]),
        data={"columns": _COLUMNS, "rows": rows, "limit": whole["limit"]},
        version=unikl.__version__,
    )


def _verdict(outcome: Outcome) -> str:
    counts = {
        status: sum(row.status == status for row in outcome.rows)
        for status in ("agrees", "differs", "error")
    }
    total = sum(counts.values())
    if outcome.ok:
        return f"all {total} comparisons agree" if total > 1 else "1 comparison agrees"
    if not total:
        return "nothing was compared"
    words = {"differs": "differ" if counts["differs"] > 1 else "differs", "error": "raised"}
    wrong = " and ".join(f"{counts[key]} {word}" for key, word in words.items() if counts[key])
    return f"{wrong}, of {total} comparisons" if wrong else "nothing was compared"


def _minimal(minimal: dict[str, Any] | None) -> str:
    """The smallest input, one array a line."""
    if minimal is None:
        return ""
    return "\n".join(json.dumps(x).replace('"', "") for x in minimal["inputs"])
