"""Other libraries' own closed forms: what they register, and their objects from our parameters.

By the registries themselves, so that a pair which a new release adds does not go unnoticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distributions.densities import FAMILIES, adjust

__all__ = ["LIBRARIES", "Library", "infinite", "is_on_the_line", "referenced", "registered"]

LIBRARIES = ("torch", "TFP", "Distrax", "NumPyro")

_REFERENCES = np.load(Path(__file__).with_name("references.npz"))


# -- what they register ----------------------------------------------------------------------------


def registered(library: str) -> set[tuple[str, str]]:
    """The names of the classes of all pairs that the library registers."""
    keys, root = _registry(library)
    names = {(p.__name__, q.__name__) for p, q in keys if root in (_root(p), _root(q))}
    # A wrapper that TFP registers when another library asks for it, for whatever it wraps.
    return {pair for pair in names if "JitPublicMethods" not in pair}


def _registry(library: str) -> tuple[Any, str]:
    if library == "torch":
        from torch.distributions.kl import _KL_REGISTRY

        return _KL_REGISTRY, "torch"
    if library == "NumPyro":
        return pytest.importorskip("numpyro.distributions.kl").kl_divergence.funcs, "numpyro"
    if library == "Distrax":  # in the registry of TFP on JAX
        pytest.importorskip("distrax")
        from tensorflow_probability.substrates.jax.distributions import kullback_leibler

        return kullback_leibler._DIVERGENCES, "distrax"
    pytest.importorskip("tensorflow_probability")
    from tensorflow_probability.python.distributions import kullback_leibler

    return kullback_leibler._DIVERGENCES, "tensorflow_probability"


def _root(cls: type) -> str:
    return cls.__module__.partition(".")[0]


# -- their objects ---------------------------------------------------------------------------------

# Their names for our parameters, and for our families, where they differ.
_RENAMED = {
    ("TFP", "Pareto"): {"alpha": "concentration"},
    ("Distrax", "Beta"): {"concentration1": "alpha", "concentration0": "beta"},
}
_CLASSES = {("NumPyro", "Categorical"): "CategoricalProbs"}


_MODULES = {"Distrax": "distrax", "NumPyro": "numpyro.distributions"}


class Library:
    """One library, and its own divergence."""

    def __init__(self, name: str, dtype: Any = np.float64) -> None:
        self.name, self.dtype = name, dtype
        self.module: Any
        if name == "torch":
            import torch.distributions as module
        elif name == "TFP":
            module = pytest.importorskip("tensorflow_probability").distributions
        else:
            module = pytest.importorskip(_MODULES[name])
        self.module = module

    def array(self, x: Any) -> Any:
        """An array of the library."""
        x = np.array(x, self.dtype)
        if self.name == "torch":
            import torch

            return torch.from_numpy(x)
        if self.name == "TFP":
            import tensorflow as tf

            return tf.constant(x)
        import jax.numpy as jnp

        return jnp.asarray(x)

    def make(self, family: str, /, **parameters: Any) -> Any:
        """Their object of our family with our parameters."""
        renamed = _RENAMED.get((self.name, family), {})
        given = {renamed.get(name, name): self.array(x) for name, x in parameters.items()}
        cls = getattr(self.module, _CLASSES.get((self.name, family), family))
        return cls(**given)

    def kl(self, p: Any, q: Any) -> Any:
        """The library's own divergence."""
        if self.name in ("TFP", "Distrax"):
            return np.asarray(p.kl_divergence(q))
        value = self.module.kl_divergence(p, q)
        return np.asarray(value.detach() if self.name == "torch" else value)


# -- pairs of families on the line -----------------------------------------------------------------


def referenced(library: Library, p: str, q: str) -> tuple[Any, Any, Any] | None:
    """The stored draws of a pair as objects of the library, and their references."""
    if f"{p}|{q}" not in _REFERENCES.files:
        return None
    rows, names = _REFERENCES[f"{p}|{q}"], _REFERENCES[f"{p}|{q}|names"]
    sides = [{str(n[2:]): rows[:, k] for k, n in enumerate(names) if n[0] == side} for side in "pq"]
    return library.make(p, **sides[0]), library.make(q, **sides[1]), rows[:, -2]


def is_on_the_line(p: str, q: str) -> bool:
    """Is there something from which to draw a pair: stored references, or two infinite families?"""
    return f"{p}|{q}" in _REFERENCES.files or (p in FAMILIES and q in FAMILIES)


def infinite(library: Library, p: str, q: str) -> tuple[Any, Any, Any] | None:
    """Draws of a pair whose supports never nest."""
    if not is_on_the_line(p, q):
        return None
    rng = np.random.default_rng(17)
    draws = [(FAMILIES[p].draw(rng), FAMILIES[q].draw(rng)) for _ in range(3)]
    for of_p, of_q in draws:
        adjust(p, q, of_p, of_q)
    sides = [
        {name: [draw[side][name] for draw in draws] for name in draws[0][side]} for side in (0, 1)
    ]
    return library.make(p, **sides[0]), library.make(q, **sides[1]), np.full(3, np.inf)
