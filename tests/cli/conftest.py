"""A way to run the command line here, and one in a process; files to run it on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import unikl
from unikl.__main__ import main

Process = Callable[..., "subprocess.CompletedProcess[str]"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line here: exit code, stdout, stderr."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # main sets it: undo that afterwards
    monkeypatch.delenv("COLUMNS", raising=False)  # a test runner's, not a user's

    def run(*argv: object) -> tuple[int, str, str]:
        code = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the same p and q in every format."""
    rng = np.random.default_rng(0)
    p, q = (rng.dirichlet(np.ones(4), size=7) for _ in "pq")
    for name, array in (("p", p), ("q", q)):
        np.save(tmp_path / f"{name}.npy", array)
        np.save(tmp_path / f"{name}_big_endian.npy", array.astype(">f8"))
        np.savez(tmp_path / f"{name}.npz", array)
        np.savetxt(tmp_path / f"{name}.csv", array, delimiter=",", fmt="%.17g")
        header = "red,green,blue,black"
        np.savetxt(tmp_path / f"{name}_header.csv", array, "%.17g", ",", header=header, comments="")
        save_file({name: array}, tmp_path / f"{name}.safetensors")
    np.savez(tmp_path / "both.npz", p=p, q=q)
    save_file({"p": p, "q": q}, tmp_path / "both.safetensors")
    np.save(tmp_path / "three.npy", np.ones((7, 3)))
    np.save(tmp_path / "nan.npy", np.where(np.eye(7, 4) > 0, np.nan, p))
    np.save(tmp_path / "complex.npy", p + 1j)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "words.csv").write_text("0.5,0.5\n0.5,half\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "p.npy").read_bytes()[:150])
    (tmp_path / "cut.npz").write_bytes((tmp_path / "p.npz").read_bytes()[:150])
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "p.safetensors").read_bytes()[:150])
    (tmp_path / "p.txt").write_text("1")
    (tmp_path / "folder.npy").mkdir()
    return tmp_path


@pytest.fixture
def process() -> Process:
    """Run ``python -m unikl`` in a process of its own."""

    def run(*argv: object, stdout: int | IO[str] = subprocess.PIPE) -> Any:
        env = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
        return subprocess.run(
            [sys.executable, "-m", "unikl", *map(str, argv)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env={**env, "PYTHONPATH": str(Path(unikl.__file__).parents[1])},
            check=False,
        )

    return run
