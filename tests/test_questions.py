"""The questions of examples/questions: every file runs, and asserts the numbers stated."""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "questions"
FILES = sorted(path.name for path in FOLDER.glob("*.py"))

# All in one process, because importing the four frameworks takes longer than everything else; not
# this one, because Keras and TensorFlow have to be as they come.
_RUN = """
import contextlib, io, json, runpy, sys, traceback
found = {}
for file in sys.argv[1:]:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_path(file, run_name="__main__")
        error = ""
    except BaseException:
        error = traceback.format_exc()
    found[file] = {"out": out.getvalue(), "error": error}
print(json.dumps(found))
"""

Outcomes = dict[str, dict[str, str]]


def run(files: list[Path]) -> Outcomes:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    env.pop("KERAS_BACKEND", None)
    command = [sys.executable, "-c", _RUN, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    outcomes: Outcomes = json.loads(done.stdout.splitlines()[-1])
    return {Path(file).name: outcome for file, outcome in outcomes.items()}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Of every file, and of one that must fail."""
    wrong = tmp_path_factory.mktemp("questions") / "wrong.py"
    wrong.write_text("import unikl\nassert unikl.kl_divergence([1.0, 0.0], [0.5, 0.5]) < 0.69\n")
    return run([*(FOLDER / name for name in FILES), wrong])


@pytest.mark.parametrize("name", FILES)
def test_question(outcomes: Outcomes, name: str) -> None:
    assert not outcomes[name]["error"], outcomes[name]["error"]
    assert outcomes[name]["out"], "it prints its results"


def test_a_wrong_number_fails(outcomes: Outcomes) -> None:
    assert "AssertionError" in outcomes["wrong.py"]["error"]


@pytest.mark.parametrize("name", FILES)
def test_a_question_asks_every_backend(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert "for array in (np.asarray, torch.tensor, tf.constant, jnp.asarray):" in text
    assert "assert_allclose" in text


def test_the_readme_lists_every_question() -> None:
    text = (FOLDER / "README.md").read_text()
    assert re.findall(r"`(\w+\.py)`", text) == sorted(
        FILES, key=lambda name: text.index(f"`{name}`")
    )


def test_the_page_that_explains_the_differences() -> None:
    page = ROOT / "docs" / "why-frameworks-differ.md"
    outcome = doctest.testfile(str(page), module_relative=False)
    assert outcome.attempted > 30
    assert outcome.failed == 0


def test_the_page_links_to_what_is_there() -> None:
    page = ROOT / "docs" / "why-frameworks-differ.md"
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
    assert len(links) >= 2
    assert all((page.parent / link).is_file() for link in links)
