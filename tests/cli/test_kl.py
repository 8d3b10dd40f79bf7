"""``unikl kl``: every format and option, and what is printed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import unikl
from unikl.cli import frameworks, kl

Run = Callable[..., tuple[int, str, str]]  # the fixture `cli`
Process = Callable[..., "subprocess.CompletedProcess[str]"]  # the fixture `process`
DIGITS = Path(__file__).parents[2] / "examples" / "digits.npz"
TEACHER, STUDENT = f"{DIGITS}:teacher_logits", f"{DIGITS}:student_logits"


def _expected(files: Path, **options: Any) -> Any:
    p, q = np.load(files / "p.npy"), np.load(files / "q.npy")
    return unikl.kl_divergence(p, q, **options)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ("p.npy", "q.npy"),
        ("p_big_endian.npy", "q_big_endian.npy"),
        ("p.npz", "q.npz"),
        ("p.npz:arr_0", "q.npz:arr_0"),
        ("both.npz:p", "both.npz:q"),
        ("p.csv", "q.csv"),
        ("p_header.csv", "q_header.csv"),
        ("p.safetensors", "q.safetensors"),
        ("both.safetensors:p", "both.safetensors:q"),
        ("p.npy", "both.safetensors:q"),
    ],
)
def test_every_format_gives_the_same_values(cli: Run, files: Path, p: str, q: str) -> None:
    code, _, err = cli("kl", files / p, files / q, "--out", files / "out.npy")
    assert (code, err) == (0, "")
    np.testing.assert_array_equal(np.load(files / "out.npy"), _expected(files), strict=True)


def test_the_printed_numbers_are_the_values(cli: Run, files: Path) -> None:
    code, out, _ = cli("kl", files / "p.npy", files / "q.npy")
    values = _expected(files)
    assert code == 0
    for number in (values.mean(), np.median(values), values.max()):
        assert str(number) in out
    order = np.argsort(-values)
    listed = [line.split() for line in out.splitlines()[-6:] if line.strip()]
    assert listed == [[str(row), str(values[row])] for row in order[:5]]
    assert "7 x 4" in out
    assert "float64" in out


def test_one_row_prints_its_number(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("0.5,0.5,0\n")
    (tmp_path / "q.csv").write_text("0.25\n0.5\n0.25\n")  # a column is a vector too
    code, out, _ = cli("kl", tmp_path / "p.csv", tmp_path / "q.csv", "--base", "2")
    assert code == 0
    assert "bits" in out
    assert out.split()[-2:] == ["numpy", "0.5"]


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        (["--given", "counts"], {"given": "counts"}),
        (["--given", "logits,probs"], {"given": ("logits", "probs")}),
        (["--given", "counts", "--axis", "0"], {"given": "counts", "axis": 0}),
        (["--given", "counts", "--axis", "all"], {"given": "counts", "axis": None}),
        (["--given", "logits", "--axis", "0,1"], {"given": "logits", "axis": (0, 1)}),
        (["--base", "10"], {"base": 10.0}),
        (["--base", "3"], {"base": 3.0}),
    ],
)
def test_options_reach_the_function(
    cli: Run, files: Path, options: list[str], keywords: dict[str, Any]
) -> None:
    code, _, err = cli("kl", files / "p.npy", files / "q.npy", *options, "--out", files / "out.npy")
    assert (code, err) == (0, "")
    np.testing.assert_array_equal(np.load(files / "out.npy"), _expected(files, **keywords))


def test_dtype_converts_first(cli: Run, files: Path) -> None:
    out = files / "out.npy"
    cli("kl", files / "p.npy", files / "q.npy", "--dtype", "float32", "--out", out)
    p, q = (np.load(files / f"{name}.npy").astype(np.float32) for name in "pq")
    np.testing.assert_array_equal(np.load(out), unikl.kl_divergence(p, q), strict=True)


def test_integers_and_bfloat16_are_read(cli: Run, tmp_path: Path) -> None:
    from ml_dtypes import bfloat16

    counts, logits = np.array([[3, 5], [0, 2]]), np.array([[1.5, -2.0], [0.25, 3.0]], bfloat16)
    np.save(tmp_path / "p.npy", counts)
    save_file({"q": logits}, tmp_path / "q.safetensors")
    argv = ("kl", tmp_path / "p.npy", tmp_path / "q.safetensors", "--given", "counts,logits")
    code, out, _ = cli(*argv, "--out", tmp_path / "out.npy")
    assert code == 0
    assert "int64" in out
    assert "bf16" in out
    expected = unikl.kl_divergence(
        counts.astype(float), logits.astype(np.float32), given=("counts", "logits")
    )
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_the_summary_of_each_file(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "p.npy", np.array([[0.25, 0.75, 0.0], [0.5, 0.5, 0.0]]))
    logits = np.array([[-np.inf, -2.0, 3.5], [0.5, 0.0, 1.0]], np.float32)
    np.savez(tmp_path / "q.npz", logits=logits)
    code, out, _ = cli("kl", "p.npy", "q.npz", "--given", "probs,logits")
    rows = {line.split("  ")[0]: line.split("  ", 1)[1].split() for line in out.splitlines()[2:11]}
    assert code == 0
    assert rows["form"] == ["probs", "logits"]
    assert rows["shape"] == ["2", "x", "3", "2", "x", "3"]
    assert rows["dtype"] == ["float64", "float32"]
    assert rows["values"] == ["0", "to", "0.75", "-2", "to", "3.5"]
    assert rows["row sums"] == ["1"]
    assert rows["zeros"] == ["2"]
    assert rows["-inf"] == ["1"]
    assert rows["NaN"] == ["0", "0"]


def test_rows_that_matter(cli: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([[0.5, 0.5], [1, 0], [np.nan, 1], [0.5, 0.5]]))
    np.save(tmp_path / "q.npy", np.array([[0.5, 0.5], [0, 1], [0.5, 0.5], [0.25, 0.75]]))
    argv = ("kl", tmp_path / "p.npy", tmp_path / "q.npy")
    code, out, _ = cli(*argv, "--no-validate", "--top", "1")
    assert code == 0
    assert "infinite in 1 of 4: row 1" in out
    assert "NaN in 1 of 4: row 2" in out
    assert out.split()[-2:] == ["3", str(unikl.kl_divergence([0.5, 0.5], [0.25, 0.75]))]
    code, out, err = cli(*argv)
    assert (code, out) == (2, "")
    assert "row 2" in err
    assert "--no-validate" in err


def test_a_batch_of_two_axes_names_rows_by_two_indices(cli: Run, tmp_path: Path) -> None:
    p = np.full((2, 3, 2), 0.5)
    p[1, 2] = 0.25, 0.75
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "q.npy", np.array([0.5, 0.5]))
    code, out, _ = cli("kl", tmp_path / "p.npy", tmp_path / "q.npy", "--top", "1")
    assert code == 0
    assert "6 rows" in out
    assert "(1, 2)" in out


def test_an_empty_batch_is_no_error(cli: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.ones((0, 3)))
    code, out, err = cli("kl", tmp_path / "p.npy", tmp_path / "p.npy")
    assert (code, err) == (0, "")
    assert "0 rows" in out


@pytest.mark.parametrize("q", ["q.npy", "q_row.npy"])
def test_blocks_change_nothing(
    cli: Run, files: Path, monkeypatch: pytest.MonkeyPatch, q: str
) -> None:
    np.save(files / "q_row.npy", np.load(files / "q.npy")[0])
    argv = ("kl", files / "p.npy", files / q, "--out", files / "out.npy")
    code, whole, _ = cli(*argv)
    values = np.load(files / "out.npy")
    monkeypatch.setattr(kl, "_BLOCK", 8)  # two rows
    assert cli(*argv) == (code, whole, "")
    np.testing.assert_array_equal(np.load(files / "out.npy"), values)


def test_an_error_in_a_later_block_says_where(
    cli: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = np.load(files / "p.npy")
    p[5] *= 2
    np.save(files / "p.npy", p)
    monkeypatch.setattr(kl, "_BLOCK", 8)
    code, _, err = cli("kl", files / "p.npy", files / "q.npy")
    assert code == 2
    assert "in the rows from 4 on, counted from there: rows of p sum to" in err
    assert "--given counts" in err


def test_all_backends_side_by_side(process: Process, tmp_path: Path) -> None:
    argv = ("kl", TEACHER, STUDENT, "--given", "logits", "--backend", "all")
    done = process(*argv, "--out", tmp_path / "out.npz")
    assert (done.returncode, done.stderr) == (0, "")
    values = dict(np.load(tmp_path / "out.npz"))
    assert list(values) == [name for name, each in frameworks.FRAMEWORKS.items() if each.installed]
    for name, value in values.items():
        assert value.dtype == np.float32
        mean = str(value.mean(dtype=np.float64).astype(np.float32))
        assert f"{name} {mean}" in " ".join(done.stdout.split())
        np.testing.assert_allclose(value, values["numpy"], rtol=16 * 2.0**-23)
    assert f"spread between the {len(values)} backends: " in done.stdout


def test_float64_stays_float64_in_every_backend(process: Process, files: Path) -> None:
    argv = ("kl", files / "p.npy", files / "q.npy")
    done = process(*argv, "--backend", "all", "--out", files / "out.npz")
    assert (done.returncode, done.stderr) == (0, "")
    for value in dict(np.load(files / "out.npz")).values():
        np.testing.assert_allclose(value, _expected(files), rtol=16 * 2.0**-52, strict=True)


@pytest.mark.parametrize(
    ("first", "told"), [(np.nan, ": at most inf eps, inf (row 3)"), (0.5, "(row 3)")]
)
def test_the_spread_sees_a_backend_that_differs(
    cli: Run, files: Path, monkeypatch: pytest.MonkeyPatch, first: float, told: str
) -> None:
    def wrong(array: Any) -> Any:
        array[3, 0] = first
        return array

    even = frameworks.Framework("math", np.asarray, lambda: "cpu")
    odd = frameworks.Framework("math", wrong, lambda: "cpu")
    options = "--given counts --no-validate --backend numpy --backend torch --dtype float64"
    argv = ("kl", files / "p.npy", files / "q.npy", *options.split())
    monkeypatch.setitem(frameworks.FRAMEWORKS, "torch", even)
    assert "spread between the 2 backends: 0, the same bits" in cli(*argv)[1]
    monkeypatch.setitem(frameworks.FRAMEWORKS, "torch", odd)
    code, out, _ = cli(*argv)
    assert code == 0
    assert told in out
