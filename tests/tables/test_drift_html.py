"""The page of a drift: it holds the numbers, and names stay text."""

from __future__ import annotations

import re

import polars as pl
import pytest

from tests.agreement.outcomes import HOSTILE
from unikl.tables import drift

pytest.importorskip("jinja2")


def _page(**options: object) -> str:
    reference = pl.DataFrame({HOSTILE: ["a"] * 6 + [HOSTILE] * 4, "n": range(10)})
    current = pl.DataFrame({HOSTILE: ["a"] * 3 + ["b"] * 7, "n": range(2, 12)})
    return drift(reference, current, **options).to_html()  # type: ignore[arg-type]


def test_names_are_text() -> None:
    page = _page()
    assert HOSTILE not in page
    assert page.count("<script>") == 2


def test_it_asks_nothing_of_the_network() -> None:
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!#)", _page())


def test_what_it_says() -> None:
    page = _page(divergence="psi", level=0.9)
    assert "The population stability index" in page
    assert "Infinite because of b" in page
    assert "Only in the current table: b." in page
    assert "90 % interval" in page
    assert "With 0.5 added" not in page
    finite = _page(divergence="js", smoothing=0.5)
    assert "With 0.5 added to every count." in finite
    assert "Infinite because" not in finite


def test_rows_that_were_left_out() -> None:
    data = pl.DataFrame({"x": ["a", None, None]})
    page = drift(data, data, null="drop").to_html()
    assert "Left out, null: 2 and 2 rows." in " ".join(page.split())


def test_many_categories_are_cut() -> None:
    data = pl.DataFrame({"x": [f"name {n}" for n in range(500)]})
    page = drift(data, data).to_html()
    assert page.count("name ") < 420
    assert "and 300 more" in page
