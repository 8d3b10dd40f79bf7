"""Bad input: one line on stderr and exit code 2, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unikl.cli import frameworks, kl

Run = Callable[..., tuple[int, str, str]]  # the fixture `cli`


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "COMMAND"),
        (["divergence"], "invalid choice"),
        (["kl"], "P, Q"),
        (["kl", "p.npy"], "Q"),
        (["kl", "p.npy", "missing.npy"], "missing.npy: no such file"),
        (["kl", "p.npy", "missing.npz:key"], "missing.npz: no such file"),
        (["kl", "p.npy", "folder.npy"], "is a directory"),
        (["kl", "p.npy", "p.txt"], "unknown file type"),
        (["kl", "p.npy", "both.npz"], "choose one as both.npz:KEY from p, q"),
        (["kl", "p.npy", "both.safetensors"], "from p, q"),
        (["kl", "p.npy", "both.npz:r"], "no array 'r'; it holds p, q"),
        (["kl", "p.npy", "both.safetensors:r"], "no array 'r'; it holds p, q"),
        (["kl", "p.npy", "q.npy:q"], "has no keys"),
        (["kl", "p.npy", "q.csv:q"], "has no keys"),
        (["kl", "p.npy", "complex.npy"], "complex128"),
        (["kl", "p.npy", "objects.npy"], "cannot read objects.npy"),
        (["kl", "p.npy", "cut.npy"], "cannot read cut.npy"),
        (["kl", "p.npy", "cut.npz"], "cannot read cut.npz"),
        (["kl", "p.npy", "cut.safetensors"], "cannot read cut.safetensors"),
        (["kl", "p.npy", "words.csv"], "half"),
        (["kl", "p.npy", "empty.csv"], "no numbers"),
        (["kl", "p.npy", "three.npy"], "they do not broadcast"),
        (["kl", "p.npy", "nan.npy"], "q holds NaN"),
        (["kl", "three.npy", "three.npy"], "rows of p sum to between 3 and 3"),
        (["kl", "p.npy", "q.npy", "--given", "chances"], "given must be one of"),
        (["kl", "p.npy", "q.npy", "--given", "probs,probs,probs"], "want one form, or two"),
        (["kl", "p.npy", "q.npy", "--axis", "2"], "out of range"),
        (["kl", "p.npy", "q.npy", "--axis", "last"], "want a number"),
        (["kl", "p.npy", "q.npy", "--axis", "1,1"], "twice"),
        (["kl", "p.npy", "q.npy", "--base", "1"], "base"),
        (["kl", "p.npy", "q.npy", "--base", "-2"], "base"),
        (["kl", "p.npy", "q.npy", "--base", "two"], "invalid float value"),
        (["kl", "p.npy", "q.npy", "--dtype", "int8"], "invalid choice"),
        (["kl", "p.npy", "q.npy", "--top", "-1"], "want a number of rows"),
        (["kl", "p.npy", "q.npy", "--backend", "mxnet"], "invalid choice: 'mxnet'"),
        (["kl", "p.npy", "q.npy", "--out", "out.txt"], ".npy"),
        (["kl", "p.npy", "q.npy", "--out", "nowhere/out.npy"], "there is no folder nowhere"),
        (["kl", "p.npy", "q.npy", "--out", "folder.npy"], "cannot write folder.npy"),
        (
            ["kl", "p.npy", "q.npy", "--backend", "numpy", "--backend", "torch", "--out", "o.npy"],
            "several backends need a name that ends in .npz",
        ),
        (["check", "--backend", "mxnet"], "invalid choice: 'mxnet'"),
        (["check", "--dtype", "int8"], "invalid choice"),
        (["check", "--backend", "numpy", "--mode", "upside-down"], "unknown mode 'upside-down'"),
        (["backends", "--loud"], "unrecognized arguments: --loud"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    cli: Run, files: Path, monkeypatch: pytest.MonkeyPatch, argv: Sequence[str], told: str
) -> None:
    monkeypatch.chdir(files)
    code, _, err = cli(*argv)
    assert code == 2
    assert err.startswith("unikl: error: ")
    assert err.count("\n") == 1
    assert told in err


@pytest.mark.parametrize("command", [["kl", "p.npy", "q.npy"], ["check"]])
def test_a_backend_that_is_not_installed(
    cli: Run, files: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(files)
    absent = frameworks.Framework("no_such_framework", np.asarray, lambda: "cpu")
    monkeypatch.setitem(frameworks.FRAMEWORKS, "torch", absent)
    code, _, err = cli(*command, "--backend", "torch")
    assert code == 2
    assert "not installed: pip install 'unikl[no_such_framework]'" in err


@pytest.mark.parametrize(
    ("missing", "argv"),
    [
        ("rich", ["kl", "p.npy", "q.npy"]),
        ("rich", ["check"]),
        ("rich", ["backends"]),
        ("safetensors", ["kl", "p.safetensors", "q.npy"]),
    ],
)
def test_without_the_extra_one_line_says_how_to_get_it(
    cli: Run, files: Path, monkeypatch: pytest.MonkeyPatch, missing: str, argv: list[str]
) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setitem(sys.modules, missing, None)
    code, _, err = cli(*argv)
    assert code == 2
    assert "needs unikl[cli]: pip install 'unikl[cli]'" in err
    assert err.count("\n") == 1


def test_interrupted(cli: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(kl, "_divergence", interrupt)
    assert cli("kl", files / "p.npy", files / "q.npy") == (130, "", "unikl: interrupted\n")
