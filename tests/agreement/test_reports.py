"""The files of an outcome: nothing is lost, and nothing in it is taken for markup."""

from __future__ import annotations

import builtins
import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.agreement.outcomes import HOSTILE, hostile, outcome
from unikl import agreement
from unikl.agreement import reports
from unikl.agreement.outcome import Outcome, Row
from unikl.agreement.report import Report, Result

EMPTY = Outcome("nothing", (), "given", 8.0, {}, {}, (), None, 0, 0.0)


# -- JSON ------------------------------------------------------------------------------------------


def test_json_is_the_whole_outcome() -> None:
    found = outcome()
    whole = json.loads(reports.to_json(found))
    assert whole == json.loads(json.dumps(found.to_dict()))
    assert whole["schema"] == 1
    assert whole["ok"] is False
    assert len(whole["rows"]) == len(found.rows)
    wrong = next(row for row in whole["rows"] if row["backend"] == "torch" and row["what"])
    assert (wrong["status"], wrong["error"], wrong["index"]) == ("differs", 5.2e6, [1, 0])


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_json_is_strict_and_its_keys_are_documented() -> None:
    infinite = Row("c", "b", "m", "d", "value", "differs", math.inf, math.nan)
    text = reports.to_json(Outcome("t", (infinite,), "given", 8.0, {}, {}, (), None, 0, 0.0))
    (row,) = json.loads(text, parse_constant=_refuse)["rows"]
    assert (row["error"], row["ulp"]) == ("inf", "nan")
    documented = {*re.findall(r"``(\w+)``", reports.to_json.__doc__ or "")}
    assert {*json.loads(text)} | {*row} <= documented
    with pytest.raises(AssertionError, match="Infinity is no JSON"):
        json.loads(json.dumps(math.inf), parse_constant=_refuse)


# -- JUnit -----------------------------------------------------------------------------------------


def test_junit_has_every_comparison() -> None:
    found = outcome()
    root = ElementTree.fromstring(reports.to_junit(found))
    counts = Counter(row.status for row in found.rows)
    assert root.tag == "testsuites"
    assert [suite.get("name") for suite in root] == ["numpy", "torch", "jax", "tensorflow"]
    for element in (root, *root):
        for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(element.get(key, "")) == len(element.findall(f".//{tag}"))
        assert int(element.get("skipped", "")) == len(element.findall(".//skipped"))
    assert int(root.get("failures", "")) == counts["differs"] > 0
    assert int(root.get("errors", "")) == counts["error"] > 0
    failure = root.find("testsuite[@name='torch']//failure")
    assert failure is not None
    assert failure.get("message") == "5.2e+06 eps"
    assert "got nan, expected 0.25 at [1, 0]" in (failure.text or "")
    properties = {p.get("name"): p.get("value") for p in root[1].findall(".//property")}
    assert properties["version"] == "2.13.0"
    assert properties["device"] == "cpu"
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len({*names}) == len(names)


def test_junit_takes_any_string() -> None:
    root = ElementTree.fromstring(reports.to_junit(hostile()))
    message = root.find(".//failure")
    assert message is not None
    assert message.get("message") == HOSTILE.replace("\x07", "\ufffd")


# -- the page --------------------------------------------------------------------------------------


# What a browser would fetch; the name of SVG's elements is no address.
_ASKS = re.compile(
    r"""(src|href)\s*=\s*["'](?!#)|url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg")"""
)


def _data(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found is not None
    return json.loads(found[1], parse_constant=_refuse)


def test_the_page_holds_every_comparison_and_asks_for_nothing() -> None:
    found = outcome()
    html = reports.to_html(found)
    data = _data(html)
    assert len(data["rows"]) == len(found.rows)
    record = dict(zip(data["columns"], data["rows"][3], strict=True))
    assert record == {**found.to_dict()["rows"][3]}
    assert not _ASKS.search(html)
    assert "10 differ and 8 raised, of 156 comparisons" in html
    assert "[0.5, nan]\n1.0" in html.replace("&#34;", "")


@pytest.mark.parametrize(
    "tag", ["<img src='x.png'>", "<link href='s.css'>", "a { b: url(x) }", "fetch('https://x')"]
)
def test_a_page_that_asks_is_noticed(tag: str) -> None:
    assert _ASKS.search(reports.to_html(EMPTY) + tag)


def test_the_page_takes_any_limit() -> None:
    assert _data(reports.to_html(replace(EMPTY, limit=math.inf)))["limit"] == "inf"


def test_hostile_strings_do_not_leave_their_place() -> None:
    html = reports.to_html(hostile())
    assert "<script>window.pwned" not in html
    assert "<img src=x" not in html
    assert _data(html)["rows"][0][0] == HOSTILE


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (outcome(planted=False), "all 156 comparisons agree"),
        (EMPTY, "nothing was compared"),
        (outcome(cases=3), "2 differ, of 78 comparisons"),
    ],
)
def test_the_verdict(found: Outcome, verdict: str) -> None:
    assert f"</span> {verdict}</p>" in reports.to_html(found)


# -- the picture -----------------------------------------------------------------------------------


ANY = replace(outcome(), limit=math.inf)  # whatever the error


@pytest.mark.parametrize("found", [outcome(), outcome(cases=300), EMPTY, hostile(), ANY])
def test_the_picture(found: Outcome, tmp_path: Path) -> None:
    path = tmp_path / "report.png"
    reports.to_png(found, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000


def test_the_picture_shows_the_errors(tmp_path: Path) -> None:
    """The points of the vector picture move when an error does."""
    good, bad = outcome(planted=False), outcome()
    for name, found in (("good", good), ("bad", bad), ("again", bad)):
        reports.to_png(found, tmp_path / f"{name}.svg")
    paths = [
        re.findall(r' d="([^"]+)"', (tmp_path / f"{name}.svg").read_text())
        for name in ("good", "bad", "again")
    ]
    assert paths[1] == paths[2]
    assert paths[0] != paths[1]


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_the_extra(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {package!r}")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'unikl\[report\]'"):
        reports.to_html(EMPTY) if package == "jinja2" else reports.to_png(EMPTY, tmp_path / "x.png")
    reports.to_json(EMPTY)
    reports.to_junit(EMPTY)


# -- the suite -------------------------------------------------------------------------------------


def _suite(failures: dict[str, tuple[str, ...]], **more: Any) -> Report:
    errors = {"value": 0.5, "gradient": math.inf, "jvp": math.nan}
    result = Result("torch", "eager", "float32", "edges/probs", 7, errors, failures)
    known = {"versions": {"torch": "2.13"}, "spreads": (), "examples": (), "seconds": 1.0}
    return Report(**{**known, "results": (result,), "gaps": {}, "problems": (), **more})


def test_the_suite_as_an_outcome() -> None:
    report = agreement.run(backends=["numpy"], dtypes=["float64"])
    found = reports.from_suite(report)
    assert found.ok is report.ok is True
    assert len(found.rows) == sum(len(result.errors) for result in report.results)
    worst = max(row.error for row in found.rows if row.error is not None)
    checks = {check for result in report.results for check in result.errors}
    assert worst == max(report.worst("numpy", "float64", check) for check in checks)
    assert found.versions == report.versions


def test_what_fails_in_the_suite_differs() -> None:
    report = _suite({"gradient": ("row 'a': got nan", "row 'b'")})
    found = reports.from_suite(report)
    assert (report.ok, found.ok) == (False, False)
    by = {row.quantity: row for row in found.rows}
    assert (by["value"].status, by["value"].error) == ("agrees", 0.5)
    assert (by["gradient"].status, by["gradient"].what) == ("differs", "row 'a': got nan; row 'b'")
    assert by["jvp"].error is None
    assert found.blamed == ("torch",)
    assert "1 differs, of 3 comparisons" in reports.to_html(found)


def test_a_known_gap_is_skipped_and_a_problem_is_an_error() -> None:
    gap = {"torch-eager-float32-edges/probs:gradient": "why"}
    failing: dict[str, tuple[str, ...]] = {"gradient": ("row 'a'",)}
    found = reports.from_suite(_suite(failing, gaps=gap))
    assert found.ok
    assert [row.what for row in found.rows if row.status == "skipped"] == ["known gap: why"]
    stale = _suite({}, problems=("stale",))
    assert (stale.ok, reports.from_suite(stale).ok) == (False, False)
