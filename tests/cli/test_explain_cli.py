"""``unikl explain``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import unikl
from unikl.explain import HEADERS, explain

Run = Callable[..., tuple[int, str, str]]  # the fixture `cli`


def test_the_mean_of_the_rows(cli: Run, files: Path) -> None:
    p, q = np.load(files / "p.npy"), np.load(files / "q.npy")
    code, out, err = cli("explain", files / "p.csv", files / "both.npz:q", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found == explain(p, q).to_dict()
    assert found["breakdowns"][0]["divergence"] == pytest.approx(unikl.kl_divergence(p, q).mean())


def test_a_row_in_bits(cli: Run, files: Path) -> None:
    p, q = np.load(files / "p.npy"), np.load(files / "q.npy")
    argv = ("--row", "-1", "--base", "2", "--labels", "red,green,blue,black", "--top", "2")
    code, out, _ = cli("explain", files / "p.npy", files / "q.npy", *argv)
    assert code == 0
    divergence = unikl.kl_divergence(p, q, base=2)[-1]
    assert f"KL(p || q) = {divergence:.6g} bits (row 6)" in out
    assert out.splitlines()[1].split() == list(HEADERS)
    assert "... and 2 more" in out
    assert sum(name in out for name in ("red", "green", "blue", "black")) == 2


def test_every_row(cli: Run, files: Path) -> None:
    code, out, _ = cli("explain", files / "p.npy", files / "q.npy", "--row", "all")
    assert code == 0
    assert [f"(row {i})" in out for i in range(8)] == [True] * 7 + [False]


def test_forms_and_axes(cli: Run, files: Path) -> None:
    p, q = np.load(files / "p.npy"), np.load(files / "q.npy")
    argv = ("--given", "counts,logits", "--axis", "0", "--json")
    _, out, _ = cli("explain", files / "p.npy", files / "q.npy", *argv)
    assert json.loads(out) == explain(p, q, given=("counts", "logits"), axis=0).to_dict()


def test_labels_from_a_file(cli: Run, files: Path) -> None:
    (files / "names.txt").write_text("red\ngreen\nblue\nblack and white\n")
    argv = ("--labels", files / "names.txt")
    code, out, _ = cli("explain", files / "p.npy", files / "q.npy", *argv)
    assert code == 0
    assert "black and white" in out


def test_files_are_written(cli: Run, files: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    argv = ("--html", files / "page.html", "--png", files / "page.png")
    code, out, err = cli("explain", files / "p.npy", files / "q.npy", *argv)
    assert (code, err) == (0, "")
    assert "mean of 7 rows" in out
    assert (files / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (files / "page.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--row", "7"], "there is no row 7"),
        (["--row", "x"], "--row x: want a number"),
        (["--labels", "a,b"], "2 labels for 4 categories"),
        (["--axis", "2"], "out of range"),
        (["--given", "logit"], "given must be"),
        (["--given", "probs,probs,probs"], "want one form"),
        (["--top", "x"], "want a number of rows"),
        (["--html", "/nowhere/page.html"], "No such file"),
        (["--png", "/nowhere/page.png"], "No such file"),
    ],
)
def test_what_is_refused(cli: Run, files: Path, argv: list[str], message: str) -> None:
    code, _, err = cli("explain", files / "p.npy", files / "q.npy", *argv)
    assert code == 2
    assert err.startswith("unikl: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_no_distributions(cli: Run, files: Path) -> None:
    np.save(files / "twice.npy", 2 * np.load(files / "p.npy"))
    code, _, err = cli("explain", files / "twice.npy", files / "q.npy")
    assert code == 2
    assert "rows of p sum to" in err
    assert "--given counts" in err
    assert "validate" not in err
