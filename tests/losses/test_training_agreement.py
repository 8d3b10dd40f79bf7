"""The example's autoencoders take the same steps in PyTorch, JAX and Keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
Curves = dict[str, list[float]]


def run(script: str, **environment: str) -> Curves:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), "5"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    curves: Curves = json.loads(done.stdout)
    return curves


@pytest.fixture(scope="module")
def reference() -> Curves:
    return run("autoencoder_torch.py")


def test_the_losses_fall(reference: Curves) -> None:
    for curve in reference.values():
        assert len(curve) == 5
        assert (np.diff(curve) < 0).all()


@pytest.mark.parametrize("framework", ["jax", "keras"])
def test_the_first_steps_agree(framework: str, reference: Curves) -> None:
    got = run(f"autoencoder_{framework}.py", KERAS_BACKEND="tensorflow")
    assert got.keys() == reference.keys()
    for model, curve in got.items():
        np.testing.assert_allclose(curve, reference[model], rtol=1e-12)


def test_float32_would_not_agree(reference: Curves) -> None:
    """The control: the comparison sees one framework in single precision."""
    rounded = [float(np.float32(loss)) for loss in reference["vae"]]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(rounded, reference["vae"], rtol=1e-12)


def test_the_picture_is_there() -> None:
    picture = ROOT / "docs" / "vae_sparse_autoencoder.png"
    assert 10_000 < picture.stat().st_size < 100_000
