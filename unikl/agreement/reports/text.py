"""An outcome for machines: JSON, and the JUnit XML that CI servers show."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from unikl.agreement.outcome import Outcome, Row

__all__ = ["to_json", "to_junit"]

# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_json(outcome: Outcome) -> str:
    """The outcome as one JSON object (strict JSON: no bare NaN or Infinity).

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    str
        An object with the keys

        * ``schema``: 1, the version of what this list says;
        * ``ok``: whether something was compared, and all of it agrees;
        * ``title``, ``truth``, ``limit`` (eps), ``seed``, ``seconds``;
        * ``versions``, ``devices``: objects, by backend;
        * ``blamed``: an array of the backends that are wrong, where that can be told;
        * ``minimal``: null, or the smallest failing input: ``inputs`` (an array of nested
          arrays), ``dtype``, ``backend``, ``what``;
        * ``rows``: an array of objects, one for each array that was compared: ``case``,
          ``backend``, ``mode``, ``dtype``, ``quantity``; ``status``, one of "agrees", "differs",
          "error" and "skipped"; ``error`` (eps) and ``ulp`` (of the worst element), null where
          no number could be compared; ``what``, one line on what is wrong; ``got``, ``expected``
          and ``index`` (an array, or null) of the worst element.

        A number that JSON does not know is one of the strings "inf", "-inf" and "nan".

    Examples
    --------
    >>> import json
    >>> from unikl.agreement.outcome import Outcome
    >>> from unikl.agreement.reports import to_json
    >>> empty = Outcome("loss", (), "given", float("inf"), {}, {}, (), None, 0, 0.0)
    >>> [json.loads(to_json(empty))[key] for key in ("schema", "ok", "limit")]
    [1, False, 'inf']
    """
    return json.dumps(outcome.to_dict(), indent=2, allow_nan=False)


def to_junit(outcome: Outcome) -> str:
    """The outcome as JUnit XML: a suite for each backend, a test case for each comparison.

    A comparison that differs is a failure, one that raised is an error; versions, devices and
    the seed are properties.

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    str
        An XML document.

    Examples
    --------
    >>> from xml.etree import ElementTree
    >>> from unikl.agreement.outcome import Outcome, Row
    >>> from unikl.agreement.reports import to_junit
    >>> row = Row("input 0", "jax", "eager", "float32", "value", "differs", 9.5, 10.0, "9.5 eps")
    >>> outcome = Outcome("loss", (row,), "given", 8.0, {}, {}, ("jax",), None, 0, 0.0)
    >>> found = ElementTree.fromstring(to_junit(outcome))
    >>> found.get("failures"), found.find(".//failure").get("message")
    ('1', '9.5 eps')
    """
    root = ElementTree.Element(
        "testsuites", {"name": _clean(outcome.title), **_counts(outcome.rows)}
    )
    root.set("time", f"{outcome.seconds:.3f}")
    for backend in dict.fromkeys(row.backend for row in outcome.rows):
        own = [row for row in outcome.rows if row.backend == backend]
        suite = ElementTree.SubElement(root, "testsuite", {"name": _clean(backend), **_counts(own)})
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in _properties(outcome, backend).items():
            ElementTree.SubElement(properties, "property", name=name, value=_clean(value))
        for row in own:
            _add(suite, outcome.title, row)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    names = {"failures": "differs", "errors": "error", "skipped": "skipped"}
    found = {key: sum(row.status == status for row in rows) for key, status in names.items()}
    return {"tests": str(len(rows)), **{key: str(count) for key, count in found.items()}}


def _properties(outcome: Outcome, backend: str) -> dict[str, str]:
    known = {
        "version": outcome.versions.get(backend),
        "device": outcome.devices.get(backend),
        "truth": outcome.truth,
        "limit": f"{outcome.limit:g} eps",
        "seed": str(outcome.seed),
    }
    return {key: value for key, value in known.items() if value is not None}


def _add(suite: ElementTree.Element, title: str, row: Row) -> None:
    words = (title, row.backend, row.mode, row.dtype)
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(".".join(words)),
        name=_clean(f"{row.case}: {row.quantity}"),
        time="0",  # a comparison is not timed by itself
    )
    kind = {"differs": "failure", "error": "error", "skipped": "skipped"}.get(row.status)
    if kind is not None:
        found = ElementTree.SubElement(case, kind, message=_clean(row.what or row.status))
        if row.wrong:
            found.set("type", row.status)
            found.text = _clean(str(row))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
