"""``unikl drift``: what it prints and writes, its exit codes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import duckdb
import polars as pl
import pytest

from tests.tables.engines import table
from unikl.__main__ import main
from unikl.cli.parser import make_parser
from unikl.tables import drift, options

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line here: exit code, stdout, stderr."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*argv: object) -> tuple[int, str, str]:
        code = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    for name, seed in (("ref", 0), ("cur", 1)):
        data = pl.DataFrame(pl.from_arrow(table(5000, seed, nan=False)))
        data.write_parquet(folder / f"{name}.parquet")
        data.drop("small").write_csv(folder / f"{name}.csv")
        for half in range(2):
            data[half * 2500 : (half + 1) * 2500].write_parquet(folder / f"{name}-{half}.parquet")
    (folder / "words.csv").write_text("items\none\ntwo\n")
    (folder / "broken.parquet").write_bytes(b"PAR1")
    return folder


def _expected(files: Path, *columns: str, **options: Any) -> dict[str, Any]:
    reference, current = (
        duckdb.read_parquet(str(files / f"{name}.parquet")) for name in ("ref", "cur")
    )
    return drift(reference, current, columns or None, **options).to_dict(10)


def test_json_is_the_library_s(cli: Run, files: Path) -> None:
    code, out, err = cli("drift", files / "ref.parquet", files / "cur.parquet", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == _expected(files)


def test_options(cli: Run, files: Path) -> None:
    argv = [
        *("--columns", "store,items,amount", "--divergence", "psi", "--smoothing", "0.5"),
        *("--bins", "4", "--bins", "items=none", "--bins", "amount=1,2.5,10", "--level", "0.9"),
        *("--nan", "drop", "--null", "drop", "--unseen", "ignore", "--edges", "width", "--json"),
    ]
    code, out, _ = cli("drift", files / "ref.parquet", files / "cur.parquet", *argv)
    assert code == 0
    assert json.loads(out) == _expected(
        files,
        *("store", "items", "amount"),
        divergence="psi",
        smoothing=0.5,
        bins={"store": 4, "items": None, "amount": [1, 2.5, 10]},
        level=0.9,
        nan="drop",
        null="drop",
        unseen="ignore",
        edges="width",
    )


def test_csv_and_several_files(cli: Run, files: Path) -> None:
    argv = ("--columns", "store,items,open", "--json")
    _, whole, _ = cli("drift", files / "ref.parquet", files / "cur.parquet", *argv)
    _, parts, _ = cli("drift", files / "ref-*.parquet", files / "cur-*.parquet", *argv)
    _, csv, _ = cli("drift", files / "ref.csv", files / "cur.csv", *argv)
    assert whole == parts == csv


def test_what_is_printed(cli: Run, files: Path) -> None:
    argv = ("drift", files / "ref.parquet", files / "cur.parquet", "--columns", "store,items")
    code, out, err = cli(*argv, "--divergence", "psi")
    assert (code, err) == (0, "")
    assert out.startswith("psi of the reference and the current table, 95 % intervals")
    assert "store is infinite because of store 1" in out
    assert [line.split()[0] for line in out.splitlines()[3:5]] == ["store", "items"]


def test_the_limit(cli: Run, files: Path) -> None:
    argv = ("drift", files / "ref.parquet", files / "cur.parquet", "--columns", "store,items")
    code, out, _ = cli(*argv, "--fail-above", "0.5", "--divergence", "js")
    assert (code, "above" in out) == (0, False)
    code, out, _ = cli(*argv, "--fail-above", "1e-9", "--divergence", "js")
    assert (code, out.splitlines()[-1]) == (1, "above 1e-09: store, items")
    code, out, _ = cli(*argv, "--fail-above", "0.5", "--divergence", "psi")  # inf, and finite
    assert (code, out.splitlines()[-1]) == (1, "above 0.5: store")
    code, out, _ = cli(*argv, "--fail-above", "1e-9", "--json")
    assert code == 1
    json.loads(out)


def test_the_page_is_written(cli: Run, files: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    page = tmp_path / "drift.html"
    code, _, err = cli("drift", files / "ref.csv", files / "cur.csv", "--html", page)
    assert (code, err) == (0, "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_little_memory_is_enough(cli: Run, files: Path) -> None:
    argv = ("drift", files / "ref.parquet", files / "cur.parquet", "--json")
    _, expected, _ = cli(*argv)
    assert cli(*argv, "--memory-limit", "40MB", "--join", "engine")[0] == 0
    assert cli(*argv, "--memory-limit", "40MB")[1] == expected


@pytest.mark.parametrize(
    ("reference", "argv", "message"),
    [
        ("ref.parquet", ["--columns", "x"], "table has no column 'x'"),
        ("ref.parquet", ["--divergence", "w"], "divergence must be one of kl"),
        ("ref.parquet", ["--bins", "items=x"], "--bins items=x: want a number"),
        ("ref.parquet", ["--bins", "1"], "bins must be 2 or more"),
        ("ref.parquet", ["--null", "error"], "--null category"),
        ("ref.parquet", ["--unseen", "error"], "--unseen keep"),
        ("ref.parquet", ["--memory-limit", "much"], "--memory-limit much:"),
        ("ref.parquet", ["--html", "nowhere/at.html"], "there is no folder nowhere"),
        ("ref.csv", ["--smoothing", "x"], "invalid float value"),
        ("ref.csv", [], "--columns"),
        ("words.csv", ["--columns", "items"], "holds text (String), column 'items' of current"),
        ("nothing.parquet", [], "cannot read"),
        ("broken.parquet", [], "cannot read"),
        ("ref.npy", [], "unknown file type; want .parquet or .csv"),
    ],
)
def test_errors(cli: Run, files: Path, reference: str, argv: list[str], message: str) -> None:
    code, out, err = cli("drift", files / reference, files / "cur.parquet", *argv)
    assert (code, out) == (2, "")
    assert err.startswith("unikl: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_the_parser_knows_the_library_s_options() -> None:
    from unikl.cli import parser

    for name, kind in (("nan", "Nan"), ("null", "Null"), ("unseen", "Unseen"), ("join", "Join")):
        assert set(get_args(getattr(options, kind))) == set(parser._POLICIES[name])
    assert set(get_args(options.Divergence)) == set(parser._DIVERGENCES.split(", "))
    defaults = make_parser().parse_args(["drift", "a.csv", "b.csv"])
    assert (defaults.nan, defaults.null, defaults.unseen) == ("null", "category", "keep")
