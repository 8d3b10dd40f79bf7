"""``unikl check native``: the table, the page, the files and the exit code."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unikl.agreement.native import FUNCTIONS, check_native, to_markdown
from unikl.cli import frameworks, native

Run = Callable[..., tuple[int, str, str]]  # the fixture `cli`

SCIPY = tuple(f for f in FUNCTIONS if f.distribution in ("unikl", "scipy"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the functions that NumPy's arrays do for."""
    monkeypatch.setattr(native, "check_native", functools.partial(check_native, functions=SCIPY))
    monkeypatch.setattr(frameworks, "choose", lambda names: [])


def test_the_table(cli: Run) -> None:
    code, out, err = cli("check", "native", "--dtype", "float32")
    assert (code, err) == (0, "")
    assert [name in out for name in ("scipy.stats.entropy", "unikl.kl_divergence")] == [True] * 2
    own = next(line for line in out.splitlines() if line.startswith("unikl.kl_divergence"))
    assert own.split()[1:] == ["ok"] * 8
    assert "infinite" in out
    assert "float64" not in out
    assert "scipy 1" in out


def test_the_page_and_the_files(cli: Run, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    argv = ("--markdown", "--html", tmp_path / "n.html", "--junit", tmp_path / "n.xml")
    code, out, _ = cli("check", "native", *argv)
    assert code == 0
    assert out == to_markdown(check_native(functions=SCIPY))
    assert "The libraries" in (tmp_path / "n.html").read_text(encoding="utf-8")
    assert "<testsuites" in (tmp_path / "n.xml").read_text()


def test_json(cli: Run) -> None:
    code, out, _ = cli("check", "native", "--json", "--dtype", "float64")
    assert code == 0
    found = json.loads(out)
    assert {row["dtype"] for row in found["rows"]} == {"float64"}
    assert found["schema"] == 1


def test_the_exit_code_judges_unikl_alone(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def nan(module: Any, x: Any) -> float:
        return math.nan

    for broken, code in ((SCIPY[0], 1), (SCIPY[1], 0)):
        functions = (replace(broken, call=nan),)
        wrong = functools.partial(check_native, functions=functions)
        monkeypatch.setattr(native, "check_native", wrong)
        assert cli("check", "native")[0] == code


def test_dtypes_that_it_does_not_know(cli: Run) -> None:
    code, _, err = cli("check", "native", "--dtype", "float16")
    assert code == 2
    assert "float32 and float64" in err
