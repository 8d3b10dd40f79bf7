"""``unikl check``, ``unikl backends``, and the process around the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import unikl
from unikl import agreement
from unikl.__main__ import main
from unikl.cli import backends, frameworks

Run = Callable[..., tuple[int, str, str]]  # the fixture `cli`
Process = Callable[..., "subprocess.CompletedProcess[str]"]  # the fixture `process`
DIGITS = Path(__file__).parents[2] / "examples" / "digits.npz"
TEACHER, STUDENT = f"{DIGITS}:teacher_logits", f"{DIGITS}:student_logits"


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("as_json", [True, False])
def test_check_reports_and_fails(
    cli: Run, monkeypatch: pytest.MonkeyPatch, ok: bool, code: int, as_json: bool
) -> None:
    asked: list[Any] = []

    def run(*arguments: Any) -> Any:
        *selection, progress = arguments
        asked.extend(selection)
        progress(1, 2, "numpy")
        return SimpleNamespace(ok=ok, to_dict=lambda: {"ok": ok})

    monkeypatch.setattr(agreement, "run", run)
    monkeypatch.setattr(agreement, "render", lambda report, out: out.print("a table", report.ok))
    argv = ["check", "--backend", "numpy", "--dtype", "float32", "--dtype", "float64"]
    got, out, err = cli(*argv, *(["--json"] if as_json else []))
    assert (got, err) == (code, "")
    assert asked == [["numpy"], ["float32", "float64"], None]
    assert json.loads(out) == {"ok": ok} if as_json else out == f"a table {ok}\n"


def test_check_runs_the_real_cases(process: Process) -> None:
    done = process("check", "--backend", "numpy", "--dtype", "float32", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ok"] is True


def test_backends_lists_what_is_there(process: Process) -> None:
    done = process("backends")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert np.__version__ in lines["numpy"]
    assert set(frameworks.FRAMEWORKS) < set(lines)
    assert "array_api_strict" in lines["Array"]


def test_backends_says_how_to_install_and_what_is_broken(
    cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "no_such_part.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    listed = {
        name: frameworks.Framework(name, np.asarray, lambda: "cpu")
        for name in ("no_such_framework", "no_such_part")
    }
    monkeypatch.setattr(backends, "FRAMEWORKS", listed)
    code, out, _ = cli("backends")
    assert code == 0
    assert "pip install 'unikl[no_such_framework]'" in out
    assert "No module named 'no_such_dependency'" in out


@pytest.mark.parametrize("command", [[], ["kl"], ["check"], ["backends"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    assert "usage: unikl" in capsys.readouterr().out


def test_version_and_errors_of_the_process(process: Process) -> None:
    done = process("--version")
    assert (done.returncode, done.stdout) == (0, f"unikl {unikl.__version__}\n")
    done = process("kl", "missing.npy", "missing.npy")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "unikl: error: missing.npy: no such file\n"


def test_an_interrupted_process() -> None:
    code = (
        "import sys, unikl.__main__\nfrom unikl.cli import kl\n"
        "def run(args): raise KeyboardInterrupt\n"
        "kl.run, sys.argv = run, ['unikl', 'kl', 'p.npy', 'q.npy']\nunikl.__main__.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "unikl: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line(process: Process) -> None:
    with open("/dev/full", "w") as full:
        done = process("kl", TEACHER, STUDENT, "--given", "logits", stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith("unikl: error: cannot write the output: ")
    assert done.stderr.count("\n") == 1
