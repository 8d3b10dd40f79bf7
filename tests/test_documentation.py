"""The examples of the docstrings and of the README run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import unikl

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "unikl"


def _modules_with_examples() -> list[str]:
    files = sorted(path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text())
    names = [file.relative_to(ROOT).with_suffix("").as_posix() for file in files]
    return [name.removesuffix("/__init__").replace("/", ".") for name in names]


@pytest.mark.parametrize("name", _modules_with_examples())
def test_docstring_examples(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize("name", unikl.__all__)
def test_public_functions_have_an_example(name: str) -> None:
    assert ">>> " in (getattr(unikl, name).__doc__ or "")


def _python_blocks(markdown: str) -> list[str]:
    return re.findall(r"^```py(?:thon|con)?\n(.*?)^```", markdown, re.M | re.S)


# One namespace from block to block, as the reader's own session would have; a process of its own,
# as the blocks may load every framework.
_RUN_BLOCKS = """
import doctest, sys
names, failed = {}, 0
for number, block in enumerate(sys.argv[1:], 1):
    if ">>> " in block:
        test = doctest.DocTestParser().get_doctest(block, names, f"block {number}", None, 0)
        failed += doctest.DocTestRunner().run(test, clear_globs=False).failed
        names = test.globs
    else:
        exec(compile(block, f"block {number}", "exec"), names)
sys.exit(failed)
"""


def _run_blocks(blocks: list[str]) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _RUN_BLOCKS, *blocks]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)


def test_readme_examples() -> None:
    blocks = _python_blocks((ROOT / "README.md").read_text())
    assert any("unikl" in block for block in blocks), "the README shows no Python"
    assert any(">>> " in block for block in blocks), "the README shows no result"
    done = _run_blocks(blocks)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", ["x = 1\nraise ValueError", ">>> 1 + 1\n3\n"])
def test_a_wrong_example_fails(block: str) -> None:
    assert _run_blocks(["x = 0", block]).returncode != 0


def test_examples_share_their_names() -> None:
    assert _run_blocks(["x = 1\n", ">>> y = x + 1\n>>> y\n2\n", "assert y == 2\n"]).returncode == 0
