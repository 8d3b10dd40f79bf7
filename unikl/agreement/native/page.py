"""The table of the libraries as a page of the documentation."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator

from unikl.agreement.native.inputs import INPUTS
from unikl.agreement.outcome import Outcome, Row

__all__ = ["to_markdown"]

_TOP = """\
# What the libraries return today

The libraries' own divergences on the inputs that tell them apart, against what is true to 50
digits. Each function gets the form that it asks for: from probabilities by its library's
logarithm, from logits by its library's softmax or log-softmax, as in a model. Each call is of one
pair of distributions on the CPU, so that no reduction over a batch plays a part.

    unikl check native                               # here, with what is installed
    unikl check native --markdown > docs/native.md   # makes this page
"""

_LEGEND = """\
* **ok**: within {limit:g} eps of the truth.
* **NaN**, **infinite**, **negative**: not so the truth.
* **clipped**: a number, where the divergence is infinite.
* **10^n eps**: off by about so much; 10^7 eps in float32, or 10^16 in float64, leave no digit.
"""


def to_markdown(outcome: Outcome, date: datetime.date | None = None) -> str:
    """The page: a table for each dtype, with the versions and the date.

    Examples
    --------
    >>> from unikl.agreement.native import FUNCTIONS, check_native, to_markdown
    >>> page = to_markdown(check_native(functions=FUNCTIONS[:1]))
    >>> print(page.splitlines()[0])
    # What the libraries return today
    """
    made = (date or datetime.date.today()).isoformat()
    versions = sorted(set(outcome.versions.values()), key=str.lower)
    lines = [_TOP, f"Made on {made} with {', '.join(versions)}.", ""]
    lines += [_LEGEND.format(limit=outcome.limit)]
    for dtype in dict.fromkeys(row.dtype for row in outcome.rows):
        lines += [f"## {dtype}", "", *_table(outcome, dtype), ""]
    lines += ["## The inputs", "", *(f"* {x.name}: {x}." for x in INPUTS)]
    lines += ["", *_notes(outcome)]
    return "\n".join(lines).rstrip() + "\n"


def _table(outcome: Outcome, dtype: str) -> Iterator[str]:
    rows = [row for row in outcome.rows if row.dtype == dtype]
    cases = list(dict.fromkeys(row.case for row in rows))
    yield f"| Function | {' | '.join(cases)} |"
    yield f"|---|{'---|' * len(cases)}"
    for name in dict.fromkeys(row.backend for row in rows):
        own = {row.case: row for row in rows if row.backend == name}
        yield f"| `{name}` | {' | '.join(_cell(own[case]) for case in cases)} |"


def _cell(row: Row) -> str:
    if row.status == "agrees":
        return "ok"
    if row.status == "skipped":
        return "not installed"
    if row.status == "error":
        return "**raises**"
    if row.what.endswith(" eps") and row.error:
        return f"10^{round(math.log10(row.error))} eps"
    return f"**clipped**: {float(row.got):.4g}" if row.what == "clipped" else f"**{row.what}**"


def _notes(outcome: Outcome) -> Iterator[str]:
    yield "`jensenshannon` is judged as the root of the Jensen-Shannon divergence that it is, and"
    yield "`softmax_cross_entropy_with_logits` as the cross-entropy. What is true of the logits is"
    yield "the divergence of their softmax, before any rounding: a function that takes"
    yield "probabilities gets them rounded, with zeros where there are none."
    for row in outcome.rows:
        if row.status == "error":
            yield f"\n`{row.backend}`, {row.dtype}, {row.case}: {row.what}"
