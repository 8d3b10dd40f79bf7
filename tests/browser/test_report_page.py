"""The report's page in a real browser: quiet, offline, filtered, by keyboard, in both schemes."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.agreement.outcomes import HOSTILE, hostile, outcome
from unikl.agreement.reports import to_html

Open = Callable[..., Any]  # the fixture `load`


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("planted", [True, False])
def test_it_loads_quietly_and_offline(load: Open, planted: bool, scheme: str) -> None:
    page = load(to_html(outcome(planted=planted)), scheme)
    assert (page.complaints, page.requests) == ([], [])
    assert page.text("h1") == "focal_loss"
    verdict = "10 differ and 8 raised, of" if planted else "all 156 comparisons agree"
    assert verdict in page.text(".verdict")
    assert page.tab.locator("#summary tbody tr").count() == 6
    assert page.tab.locator("#plot svg path.series").count() == 4
    assert page.tab.locator("#distribution svg").count() == 2


@pytest.mark.parametrize(
    ("planted", "complaint"),
    [
        ("<script>undefinedName()</script>", "undefinedName"),
        ("<script>console.error('planted')</script>", "planted"),
        ("<script>fetch('https://example.org/x')</script>", "Content Security Policy"),
        ("<img src='https://example.org/x.png'>", "Content Security Policy"),
    ],
)
def test_a_page_with_an_error_is_noticed(load: Open, planted: str, complaint: str) -> None:
    page = load(to_html(outcome()).replace("</body>", f"{planted}</body>"))
    page.tab.wait_for_timeout(200)
    assert any(complaint in each for each in page.complaints)


def test_a_request_is_noticed(load: Open) -> None:
    page = load("<title>t</title><img src='https://example.org/x.png'>")
    assert page.requests == ["https://example.org/x.png"]


def test_hostile_strings_stay_text(load: Open) -> None:
    page = load(to_html(hostile()))
    assert (page.complaints, page.requests) == ([], [])
    assert page.tab.evaluate("window.pwned") is None
    assert page.text("#rows td.what") == HOSTILE


@pytest.mark.parametrize("limit", [0.0, 8.0, math.inf])
@pytest.mark.parametrize("cases", [0, 1, 300])
def test_any_size_and_limit(load: Open, cases: int, limit: float) -> None:
    page = load(to_html(replace(outcome(cases=cases), limit=limit)))
    assert page.complaints == []
    assert "NaN" not in page.tab.locator("#plot").inner_html().replace("∞, NaN", "")
    assert "NaN" not in page.tab.locator("#distribution").inner_html().replace("∞ or NaN", "")
    assert page.text("#count") == f"{32 * cases} of {32 * cases} comparisons"


def test_filters(load: Open) -> None:
    page = load(to_html(outcome()))
    tab = page.tab
    assert page.text("#count") == "192 of 192 comparisons"
    tab.get_by_text("Backend", exact=True).first.click()
    tab.get_by_label("torch", exact=True).uncheck()
    tab.get_by_label("jax", exact=True).uncheck()
    assert page.text("#count") == "96 of 192 comparisons"
    assert page.text(".menu[data-key=backend] summary") == "Backend: 2 of 4"
    assert tab.locator("#summary thead th").all_inner_texts() == ["Case", "numpy", "tensorflow"]
    assert tab.locator("#plot svg path.series").count() == 2
    assert {*tab.locator("#rows tbody td:nth-child(3)").all_inner_texts()} == {
        "numpy",
        "tensorflow",
    }
    tab.get_by_text("Status", exact=True).first.click()
    tab.locator("input[name=status][value=agrees]").uncheck()
    tab.locator("input[name=status][value=skipped]").uncheck()
    assert page.text("#count") == "8 of 192 comparisons"
    assert {*tab.locator("#rows tbody td:nth-child(1)").all_inner_texts()} == {"✗ differs"}
    tab.get_by_role("button", name="Reset").click()
    assert page.text("#count") == "192 of 192 comparisons"
    assert page.complaints == []


def test_search(load: Open) -> None:
    page = load(to_html(outcome()))
    box = page.tab.get_by_label("Search")
    box.fill("SHAPE float64")
    page.tab.locator("#count", has_text=re.compile("^4 of")).wait_for()
    assert {*page.tab.locator("#rows tbody td:nth-child(3)").all_inner_texts()} == {"tensorflow"}
    box.fill("no such thing")
    page.tab.locator("#count", has_text=re.compile("^0 of")).wait_for()
    assert page.complaints == []


def test_a_cell_of_the_summary_shows_its_rows(load: Open) -> None:
    page = load(to_html(outcome()))
    page.tab.get_by_role("button", name="input 2, torch: differs, ").click()
    assert page.tab.locator("#rows tbody tr").count() == 8
    assert {*page.tab.locator("#rows tbody td:nth-child(2)").all_inner_texts()} == {"input 2"}
    page.tab.get_by_role("button", name="Show all").click()
    assert page.tab.locator("#rows tbody tr").count() == 50


def test_rows_sort_and_turn(load: Open) -> None:
    page = load(to_html(outcome()))
    tab = page.tab
    tab.locator("#rows th button", has_text="Error").click()
    assert tab.locator("#rows th[aria-sort]").get_attribute("aria-sort") == "descending"
    first = tab.locator("#rows tbody tr").first.inner_text()
    assert "differs" in first or "error" in first
    tab.locator("#rows th button", has_text="Error").click()
    assert tab.locator("#rows tbody tr").first.inner_text().count("skipped") == 1
    assert page.text("#rows-pager span") == "1 to 50 of 192"
    tab.locator("#rows-pager").get_by_role("button", name="Next").click()
    assert page.text("#rows-pager span") == "51 to 100 of 192"


def test_keyboard(load: Open) -> None:
    page = load(to_html(outcome()))
    press = page.tab.keyboard.press

    def focus() -> Any:
        return page.probe("focus")

    stops: list[Any] = []
    press("Tab")
    while (stop := focus())["tag"] != "BODY":  # where the page ends
        stops.append(stop)
        assert len(stops) < 100, "the focus is trapped"
        press("Tab")
    assert not [stop for stop in stops if not (stop["ring"] and stop["seen"])]
    names = [stop["name"] for stop in stops]
    assert names[:3] == ["Skip to the content", "theme", "[0.5, nan]\n1.0"]
    tools = ["search", "Backend", "Dtype", "Mode", "Quantity", "Status", "reset"]
    assert names[3:10] == tools
    assert "summary-order" in names
    assert "plot-order" in names
    assert names[-1].startswith("Next")
    press("/")
    assert focus()["name"] == "search"
    press("Tab")
    press("Enter")  # opens the menu of the backends
    press("Tab")
    press("Space")  # numpy
    assert page.text("#count") == "144 of 192 comparisons"
    press("Escape")
    assert page.tab.locator(".menu[open]").count() == 0
    assert focus()["name"] == "Backend: 3 of 4"
    page.tab.get_by_role("button", name="input 2, torch: differs, ").press("Enter")
    assert focus()["name"] == "rows-title"
    page.tab.locator("#rows th button", has_text="Case").press("Enter")
    assert focus()["name"] == "Case"  # the focus survives the new table
    assert page.complaints == []


def test_a_lost_focus_ring_is_noticed(load: Open) -> None:
    page = load(to_html(outcome()).replace("</style>", "* { outline: none !important }</style>"))
    page.tab.keyboard.press("Tab")
    assert not page.probe("focus")["ring"]


def test_everything_has_a_name(load: Open) -> None:
    page = load(to_html(outcome()))
    assert page.probe("unnamed") == []
    page.tab.evaluate("document.body.append(document.createElement('button'))")
    assert page.probe("unnamed") == ["<button></button>"]


def test_no_meaning_by_colour_alone(load: Open) -> None:
    page = load(to_html(outcome()))
    cells = page.tab.locator("#summary tbody button").all_inner_texts()
    assert {cell.strip()[0] for cell in cells} == {"✓", "✗", "!"}
    looks = page.tab.locator("#plot path.series").evaluate_all(
        "all => all.map((e) => e.getAttribute('stroke-dasharray'))"
    )
    assert len({*looks}) == len(looks) == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_can_be_read(load: Open, scheme: str) -> None:
    page = load(to_html(outcome()), scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    system = page.tab.evaluate(ground)
    for _ in range(2):  # as the system wants it, and the other one by the button
        lowest, text = page.probe("contrasts")[0]
        assert lowest >= 4.5, text
        page.tab.locator("#theme").click()
    assert page.tab.evaluate(ground) == system
    page.tab.locator("#theme").click()
    assert page.tab.evaluate(ground) != system


def test_grey_on_grey_is_noticed(load: Open) -> None:
    page = load(to_html(outcome()).replace("</style>", ".hint { color: #888 }</style>"))
    assert page.probe("contrasts")[0][0] < 4.5


def test_thousands_of_rows(load: Open) -> None:
    html = to_html(outcome(cases=1000))
    start = time.perf_counter()
    page = load(html)
    assert page.text("#count") == "32000 of 32000 comparisons"
    loading = time.perf_counter() - start
    start = time.perf_counter()
    page.tab.get_by_label("Search").fill("jax compiled")
    page.tab.locator("#count", has_text="4000 of").wait_for()
    assert loading + time.perf_counter() - start < 20
    assert page.tab.evaluate("document.querySelectorAll('*').length") < 5000
    assert page.complaints == []


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_window(load: Open, width: int) -> None:
    """Wide tables scroll by themselves; the page does not."""
    page = load(to_html(outcome()), width=width)
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
