"""The examples of docs/check.md give what the page says, and its tables are complete."""

from __future__ import annotations

import doctest
from dataclasses import fields
from pathlib import Path

from unikl.agreement import Outcome, Row
from unikl.cli.parser import make_parser

PAGE = Path(__file__).parents[2] / "docs" / "check.md"


def test_the_page() -> None:
    outcome = doctest.testfile(str(PAGE), module_relative=False)
    assert outcome.attempted > 15
    assert outcome.failed == 0


def test_a_wrong_page_fails(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.md"
    wrong.write_text(">>> 1 + 1\n3\n")
    assert doctest.testfile(str(wrong), module_relative=False, report=False).failed == 1


def test_every_key_is_in_the_tables() -> None:
    text = PAGE.read_text().partition("## The JSON")[2]
    for name in (
        "schema",
        "ok",
        *(field.name for kind in (Outcome, Row) for field in fields(kind)),
    ):
        assert f"`{name}`" in text, name


def test_the_commands_parse() -> None:
    text = PAGE.read_text()
    lines = [line.strip().removeprefix("- run: ") for line in text.splitlines()]
    commands = [line.split() for line in lines if line.startswith("unikl check")]
    assert len(commands) == 3
    for command in commands:
        assert make_parser().parse_args(command[1:]).target.startswith("losses:")
