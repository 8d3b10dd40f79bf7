"""Train both autoencoders in PyTorch, JAX and Keras, compare the loss curves and draw them.

Each framework runs in a process of its own: they have one setting of float64 each.  The losses
agree to the last digits, because each framework gets its KL terms from the same library.

    python examples/autoencoders.py
"""

import json
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
PICTURE = HERE.parent / "docs" / "vae_sparse_autoencoder.png"
FRAMEWORKS = {"torch": "PyTorch", "jax": "JAX", "keras": "Keras"}
MODELS = {"vae": "Variational autoencoder", "sparse": "Sparse autoencoder"}

Curves = dict[str, dict[str, NDArray[np.float64]]]


def curves(steps: int) -> Curves:
    """The loss of every step, by model and framework."""
    found: Curves = {model: {} for model in MODELS}
    for framework in FRAMEWORKS:
        command = [sys.executable, str(HERE / f"autoencoder_{framework}.py"), str(steps)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        for model, losses in json.loads(done.stdout).items():
            found[model][framework] = np.array(losses)
    return found


def worst_difference(losses: dict[str, NDArray[np.float64]]) -> float:
    """The largest relative difference of two frameworks' losses at one step."""
    stacked = np.stack(list(losses.values()))
    return float((np.ptp(stacked, axis=0) / stacked.min(axis=0)).max())


def draw(found: Curves) -> None:
    """Both loss curves, and below each how far the frameworks are from PyTorch."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, 2, figsize=(9, 5), sharex=True, height_ratios=[2, 1], layout="constrained"
    )
    styles = dict(zip(FRAMEWORKS, ("-", "--", ":"), strict=True))
    for column, (model, title) in enumerate(MODELS.items()):
        above, below = axes[:, column]
        above.set_title(title)
        for framework, name in FRAMEWORKS.items():
            losses, reference = found[model][framework], found[model]["torch"]
            above.plot(losses, styles[framework], label=name, linewidth=2.5)
            below.plot(abs(losses / reference - 1), styles[framework], linewidth=2.5)
        below.set_ylim(0, 1e-15)
        below.set_xlabel("step")
    axes[0, 0].set_ylabel("loss, nats per image")
    axes[0, 1].set_ylabel("squared error + KL")
    axes[1, 0].set_ylabel("relative difference\nfrom PyTorch")
    axes[0, 0].legend()
    figure.savefig(PICTURE, dpi=100)


if __name__ == "__main__":
    found = curves(50)
    for model, losses in found.items():
        first, last = losses["torch"][[0, -1]]
        print(
            f"{MODELS[model]}: loss {first:.4f} at the first step, {last:.4f} at the last; "
            f"the frameworks differ by at most {worst_difference(losses):.1e}"
        )
    draw(found)
