"""The page of an explanation in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.agreement.outcomes import HOSTILE
from unikl.explain import explain

Open = Callable[..., Any]  # the fixture `load`


def _html(rows: int = 3, **options: Any) -> str:
    rng = np.random.default_rng(0)
    p, q = rng.gamma(1.0, size=(2, rows, 12)) + 1e-3
    return explain(p, q, given="counts", row="all", **options).to_html()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_quietly_and_can_be_read(load: Open, scheme: str) -> None:
    page = load(_html(labels=[HOSTILE, *range(11)]), scheme)
    assert (page.complaints, page.requests) == ([], [])
    assert page.tab.evaluate("window.pwned") is None
    assert page.tab.locator("details.row").count() == 3
    assert page.tab.locator("details[open] tbody tr").count() == 12
    assert page.probe("unnamed") == []
    for _ in range(2):
        lowest, text = page.probe("contrasts")[0]
        assert lowest >= 4.5, text
        page.tab.locator("#theme").click()


def test_the_bars_are_the_shares(load: Open) -> None:
    page = load(_html(rows=1))
    shares = [float(text.rstrip(" %")) for text in page.tab.locator(".share").all_inner_texts()]
    widths = page.tab.locator(".share i").evaluate_all("all => all.map((e) => e.offsetWidth)")
    assert sum(shares) == pytest.approx(100, abs=0.6)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] / widths[1] == pytest.approx(shares[0] / shares[1], rel=0.1)


def test_categories_are_found(load: Open) -> None:
    page = load(_html(rows=1, labels=[f"name {i}" for i in range(12)]))
    assert page.text("#count") == "12 of 12 lines"
    page.tab.keyboard.press("/")
    page.tab.keyboard.type("NAME 1")
    assert page.text("#count") == "3 of 12 lines"
    assert page.tab.locator("tbody tr:visible").count() == 3


def test_keyboard(load: Open) -> None:
    page = load(_html())
    page.tab.keyboard.press("Tab")
    stops: list[Any] = []
    while (stop := page.probe("focus"))["tag"] != "BODY":
        stops.append(stop)
        assert len(stops) < 20, "the focus is trapped"
        page.tab.keyboard.press("Tab")
    assert not [stop for stop in stops if not (stop["ring"] and stop["seen"])]
    assert [stop["tag"] for stop in stops] == [
        "A",
        "BUTTON",
        "INPUT",
        "SUMMARY",
        "DIV",
        *["SUMMARY"] * 2,
    ]
    page.tab.locator("summary").last.press("Enter")
    assert page.tab.locator("details[open]").count() == 2


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_window(load: Open, width: int) -> None:
    page = load(_html(), width=width)
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
