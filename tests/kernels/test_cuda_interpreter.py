"""The CUDA kernels, without a GPU: run in Triton's interpreter, and compiled.

In processes of their own: the interpreter is switched on by the environment, before Triton is
imported, and Triton must not be imported after TensorFlow.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ALLOWED = 8.0  # eps of float32

# A directory with Triton, where it is kept apart from the other packages.
TRITON = os.environ.get("UNIKL_TRITON", "")

pytestmark = pytest.mark.skipif(
    not (TRITON or importlib.util.find_spec("triton")) or importlib.util.find_spec("torch") is None,
    reason="Triton or PyTorch is not installed: pip install 'unikl[cuda]'",
)

CHECKS = (
    *("flat", "flat in parts", "temperature", "zero upstream", "refusals"),
    *(
        f"{kind}: {name}"
        for kind in ("logits", "probs")
        for name in (
            *("sizes", "long", "parts", "strides", "masks", "upstream", "edges"),
            *("without value", "float16", "bfloat16"),
        )
    ),
)


def _lines(script: str, **environment: str) -> list[dict[str, Any]]:
    paths = [
        str(ROOT),
        *filter(None, [TRITON and str(ROOT / TRITON), os.environ.get("PYTHONPATH")]),
    ]
    done = subprocess.run(
        [sys.executable, str(HERE / script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """What the checks found, by name."""
    lines = _lines("triton_checks.py", TRITON_INTERPRET="1")
    return {line["check"]: line for line in lines}


@pytest.mark.parametrize("check", CHECKS)
def test_within_8_eps(check: str, found: dict[str, dict[str, Any]]) -> None:
    assert found[check]["number"] > 0
    assert found[check]["worst"] <= ALLOWED


def test_every_check_is_asked_for(found: dict[str, dict[str, Any]]) -> None:
    assert {*found} == {*CHECKS, "control"}


def test_the_plain_formula_fails(found: dict[str, dict[str, Any]]) -> None:
    """The same measure, of the same rows, on what PyTorch's own functions give."""
    assert found["control"]["worst"] > 1000 * ALLOWED


def test_the_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    lines = _lines("triton_compile.py", TRITON_INTERPRET="0", TRITON_CACHE_DIR=str(tmp_path))
    assert [line["kernel"] for line in lines if not line["wide loads"]] == []
    assert len(lines) == 5
