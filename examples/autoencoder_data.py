"""What the three programs share: images, first weights and noise, as float64 NumPy arrays.

The images are the first 256 of scikit-learn's handwritten digits (8 x 8 pixels).  Every step
takes all of them, so that the loss curves depend on nothing but the models.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Numbers = NDArray[np.float64]
Dense = tuple[Numbers, Numbers]  # a kernel [inputs, outputs] and a bias

LATENT = 4
# Exact in float32, because Keras keeps a learning rate in that.
LEARNING_RATE, MOMENTUM = 2.0**-9, 0.875
SPARSITY_TARGET, SPARSITY_WEIGHT = 0.05, 0.5


class Setting(NamedTuple):
    """All that a training depends on."""

    images: Numbers  # [256, 64], from 0 to 1
    noise: Numbers  # [steps, 256, 4]
    vae: dict[str, Dense]
    sparse: dict[str, Dense]


def setting(steps: int) -> Setting:
    """The same numbers for every framework (and for every number of steps)."""
    images = load_digits().data[:256] / 16
    pixels = images.shape[1]
    rng = np.random.default_rng(0)

    def dense(inputs: int, outputs: int) -> Dense:
        return rng.normal(0, inputs**-0.5, (inputs, outputs)), np.zeros(outputs)

    vae = {
        "hidden": dense(pixels, 24),
        "mean": dense(24, LATENT),
        "log_std": dense(24, LATENT),
        "decode": dense(LATENT, 24),
        "logits": dense(24, pixels),
    }
    sparse = {"hidden": dense(pixels, 32), "image": dense(32, pixels)}
    noise = rng.standard_normal((steps, len(images), LATENT))
    return Setting(images, noise, vae, sparse)


def main(train_vae: Callable[..., Any], train_sparse: Callable[..., Any]) -> None:
    """Print both loss curves; the number of steps is the only argument (50)."""
    now = setting(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
    curves = {"vae": train_vae(now), "sparse": train_sparse(now)}
    print(json.dumps({name: list(map(float, curve)) for name, curve in curves.items()}))
