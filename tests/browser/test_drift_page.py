"""The page of a drift in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.agreement.outcomes import HOSTILE
from unikl.tables import drift

Open = Callable[..., Any]  # the fixture `load`


def _html(**options: Any) -> str:
    rng = np.random.default_rng(0)
    reference, current = (
        pl.DataFrame(
            {
                HOSTILE: rng.choice(["a", "b", last], 300),
                "amount": rng.normal(shift, 1, 300),
                "items": rng.poisson(3 + shift, 300),
                "rest": rng.poisson(3, 300),
            }
        )
        for last, shift in ((HOSTILE, 0.0), ("c", 0.5))
    )
    return drift(reference, current, **options).to_html()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_quietly_and_can_be_read(load: Open, scheme: str) -> None:
    page = load(_html(divergence="psi"), scheme)
    assert (page.complaints, page.requests) == ([], [])
    assert page.tab.evaluate("window.pwned") is None
    assert page.tab.locator("details.row").count() == 4
    assert page.probe("unnamed") == []
    for _ in range(2):
        lowest, text = page.probe("contrasts")[0]
        assert lowest >= 4.5, text
        page.tab.locator("#theme").click()


def test_a_link_unfolds_its_column(load: Open) -> None:
    page = load(_html())
    assert page.tab.locator("details[open]").count() == 3
    page.tab.locator("td a").nth(3).click()
    assert page.tab.locator("details[open]").count() == 4


def test_bars_are_in_proportion(load: Open) -> None:
    page = load(_html(divergence="js", bins=4))
    section = page.tab.locator("details", has_text="amount:").first
    widths = section.locator("i.current").evaluate_all("all => all.map((e) => e.offsetWidth)")
    shares = [
        float(text.rstrip(" %")) for text in section.locator("td:nth-of-type(4)").all_inner_texts()
    ]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert [w / widths[0] for w in widths] == pytest.approx(
        [s / shares[0] for s in shares], rel=0.2
    )
