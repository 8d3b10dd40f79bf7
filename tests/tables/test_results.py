"""What a result becomes, and what is said where a library is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import unikl
from unikl.cli import drift as command
from unikl.cli.errors import CliError
from unikl.cli.parser import make_parser
from unikl.tables import drift


def _pair(reference: Any, current: Any, dtype: Any = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    return tuple(
        pl.DataFrame({"x": pl.Series(values, dtype=dtype)}) for values in (reference, current)
    )  # type: ignore[return-value]


def test_what_a_result_becomes() -> None:
    a, b = _pair(list("aaabb"), list("aabbbc"))
    found = drift(a, b, divergence="psi", smoothing=0.5)
    (one,) = found
    assert len(found) == 1
    table = found.to_pandas()
    assert table["psi"].tolist() == [one.value]
    assert table[["low", "high"]].to_numpy().tolist() == [list(one.interval or ())]
    assert found.to_narwhals("polars").to_native()["only_in_current"].to_list() == [1]
    data = found.to_dict(1)
    assert data["columns"][0]["value"] == one.value
    assert [row["label"] for row in data["columns"][0]["categories"]] == ["c"]
    assert drift(a, b, divergence="psi").to_dict()["columns"][0]["value"] == "inf"


def test_rich_shows_names_as_they_are() -> None:
    rich_console = pytest.importorskip("rich.console")
    a, _ = _pair(["[red]", "[/b]"], [])
    console = rich_console.Console(record=True, width=140)
    console.print(drift(a, a))
    assert "0 to" in console.export_text()
    b, _ = _pair(["[red]", "[red]", "[/b]"], [])
    console.print(drift(a, b))
    assert "[red]" in console.export_text()


def test_narwhals_is_asked_for() -> None:
    code = "import sys; sys.modules['narwhals'] = None; import unikl; import unikl.tables"
    root = str(Path(unikl.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert done.returncode == 1
    assert "unikl.tables needs narwhals: pip install 'unikl[tables]'" in done.stderr


def test_duckdb_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(CliError, match=r"unikl drift needs unikl\[tables\]"):
        command.run(make_parser().parse_args(["drift", "a.csv", "b.csv"]))
