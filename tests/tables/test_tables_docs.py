"""The examples of docs/tables.md give what the page says."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def test_the_page() -> None:
    outcome = doctest.testfile(str(PAGE), module_relative=False)
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_a_wrong_page_fails(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.md"
    wrong.write_text(PAGE.read_text().replace("0.081093", "0.081094"))
    assert doctest.testfile(str(wrong), module_relative=False, report=False).failed == 1
