"""The pytest plugin, as a project of its own uses it: in a process, without this one's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "unikl.agreement.pytest_plugin"
TESTS = """
import numpy as np
import pytest
import torch

from unikl.agreement import arrays


@pytest.mark.backends("numpy", "torch")
def test_right(agree):
    outcome = agree(lambda x, xp: xp.sum(xp.exp(x)), arrays(3), examples=2, modes=["eager"])
    assert set(outcome.versions) == {"numpy", "torch"}


def test_wrong(agree):
    variance = {"numpy": lambda x: x.var(), "torch": lambda x: x.var()}
    agree(variance, arrays(4), reference=np.var, examples=2, modes=["eager"])


@pytest.mark.backends("mxnet")
def test_unknown(agree):
    agree(lambda x: x, [1.0])


@pytest.mark.backends("numpy", "jax")
def test_not_installed(agree, monkeypatch):
    from unikl.agreement import runners

    monkeypatch.setattr(runners, "installed", lambda: ("numpy",))
    agree(lambda x: x, [1.0])
"""


def run_pytest(folder: Path, *options: str) -> str:
    """The output of pytest on a project with `TESTS`."""
    (folder / "test_agreement.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -W error\n")
    # By its name, as the package need not be installed here, and then not once more.
    plugins = ["-p", PLUGIN, "-p", "xdist.plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_the_fixture_and_the_marker(tmp_path: Path, workers: list[str]) -> None:
    before = sorted(tmp_path.iterdir())
    out = run_pytest(tmp_path, "-rs", *workers)
    assert "2 failed, 1 passed, 1 skipped" in out, out
    assert not before
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"test_agreement.py", "pytest.ini"}
    # What was called, what came, what should have, who is wrong, and a call that shows it again.
    assert "agree(variance, arrays(4), reference=np.var" in out
    assert "torch is wrong" in out
    assert "got nan, expected 0" in out
    assert "call: agree({...}, [0.0], dtypes=['float64'], modes=['eager'])" in out
    assert "unknown backend 'mxnet'" in out
    assert "the backend jax needs jax: install it first" in out
    assert "pytest_plugin.py" not in out.partition("short test summary")[0]


def test_the_plugin_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        f"import sys, {PLUGIN}\n"
        "heavy = {'torch', 'tensorflow', 'jax', 'mpmath', 'mparray', 'hypothesis', 'scipy'}\n"
        "heavy |= {'keras', 'numba', 'rich', 'matplotlib', 'triton', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    for first, found in (("", "[]\n"), ("import mpmath\n", "['mpmath']\n")):
        done = subprocess.run(
            [sys.executable, "-c", first + code],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == found
