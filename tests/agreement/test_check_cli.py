"""``unikl check module:function``: what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from unikl.__main__ import main

MODULE = """
import numpy as np

def softplus(x, xp):
    return xp.log1p(xp.exp(x))

right = {"numpy": np.var, "torch": lambda x: x.var(correction=0)}
wrong = {"numpy": np.var, "torch": lambda x: x.var()}
number = 3
"""
BACKENDS = ("--backends", "numpy,torch", "--mode", "eager")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with functions and inputs, where the command runs."""
    (tmp_path / "checked_functions.py").write_text(MODULE)
    (tmp_path / "broken_functions.py").write_text("import no_such_module")
    np.savez(tmp_path / "inputs.npz", x=np.linspace(-2, 2, 6).reshape(2, 3))
    np.savez(tmp_path / "words.npz", x=np.array(["a"]))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "inputs.npz").read_bytes()[:40])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = main(["check", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(("name", "code"), [("right", 0), ("softplus", 0), ("wrong", 1)])
def test_exit_codes(folder: Path, capsys: pytest.CaptureFixture[str], name: str, code: int) -> None:
    argv = (f"checked_functions:{name}", "--inputs", "inputs.npz", *BACKENDS)
    got, out, err = check(capsys, *argv)
    assert (got, err) == (code, "")
    assert f"checked_functions:{name}" in out
    assert ("all agree" in out) is (code == 0)


def test_a_reference_blames_and_the_limit_forgives(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("checked_functions:wrong", "--shape", "9", "--examples", "2", *BACKENDS)
    code, out, _ = check(capsys, *argv, "--reference", "numpy:var")
    assert code == 1
    assert "torch is wrong" in out
    assert "smallest failing input" in out
    # n / (n - 1) off: 12.5 %, of either number
    assert check(capsys, *argv, "--fail-over", "1e16", "--dtype", "float64")[0] == 0


def test_every_report_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["checked_functions:wrong", "--inputs", "inputs.npz", *BACKENDS, "--json"]
    argv += ["--html", "r.html", "--junit", "r.xml", "--store", "failing.npz"]
    code, out, _ = check(capsys, *argv)
    assert code == 1
    whole: dict[str, Any] = json.loads(out)
    assert (whole["schema"], whole["ok"]) == (1, False)
    assert "<html" in (folder / "r.html").read_text()
    cases = list(ElementTree.parse(folder / "r.xml").iter("testcase"))
    assert len(cases) == len(whole["rows"])
    # What was stored fails again.
    again = check(capsys, "checked_functions:wrong", "--inputs", "failing.npz", *BACKENDS)
    assert again[0] == 1


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["checked_functions"], "want native, or module:function"),
        (["no_such_module:f", "--shape", "3"], "ModuleNotFoundError"),
        (["broken_functions:f", "--shape", "3"], "No module named 'no_such_module'"),
        (["checked_functions:missing", "--shape", "3"], "has no attribute 'missing'"),
        (["checked_functions:number", "--shape", "3"], "is int; want a function"),
        (["checked_functions:right"], "give the inputs as --inputs FILE"),
        (["checked_functions:right", "--inputs", "inputs.npz", "--shape", "3"], "--shape 4x5"),
        (["checked_functions:right", "--inputs", "missing.npz"], "No such file"),
        (["checked_functions:right", "--inputs", "cut.npz"], "error: "),
        (["checked_functions:right", "--inputs", "words.npz"], "arrays of real numbers"),
        (["checked_functions:right", "--shape", "3by4"], "want lengths as 4x5"),
        (["checked_functions:right", "--shape", "3", "--range", "1", "0"], "low <= high"),
        (["checked_functions:right", "--shape", "3", "--examples", "0"], "nothing to run"),
        (["checked_functions:right", "--shape", "3", "--seed", "-1"], "error: "),
        (["checked_functions:right", "--shape", "3", "--backends", "mxnet"], "want names of"),
        (["checked_functions:right", "--shape", "3", "--mode", "jit"], "unknown mode 'jit'"),
        (["checked_functions:right", "--shape", "3", "--html", "no/r.html"], "cannot write"),
    ],
)
def test_usage_errors_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str], told: str
) -> None:
    backend = () if "--backends" in argv else ("--backend", "numpy")
    mode = () if "--mode" in argv else ("--mode", "eager")
    code, _, err = check(capsys, *argv, *backend, *mode)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
