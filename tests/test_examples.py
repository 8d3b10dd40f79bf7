"""The examples: the quickstarts print one number, and the data are what their script says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unikl

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("framework", ["numpy", "torch", "tensorflow", "jax", "dask"])
def test_every_quickstart_prints_the_same_numbers(framework: str) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"quickstart_{framework}.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    teacher, student, _ = np.load(EXAMPLES / "digits.npz").values()
    mean = unikl.kl_divergence(teacher, student, given="logits").mean()
    assert done.stdout == f"KL(teacher || student) = {mean:.6f} nats, |gradient| = 0.019510\n"


def test_digits_are_the_held_out_images() -> None:
    from sklearn.datasets import load_digits

    data = np.load(EXAMPLES / "digits.npz")
    assert list(data) == ["teacher_logits", "student_logits", "labels"]
    np.testing.assert_array_equal(data["labels"], load_digits().target[1257:])
    right = {
        name: (data[f"{name}_logits"].argmax(axis=1) == data["labels"]).mean()
        for name in ("teacher", "student")
    }
    assert right["teacher"] > right["student"] > 0.8
    assert all(data[f"{name}_logits"].dtype == np.float32 for name in right)
