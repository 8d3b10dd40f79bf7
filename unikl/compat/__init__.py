"""The divergences of other libraries, as they are, on arrays of any backend.

Each module is named after a library and holds its functions under their own names, with their
signatures, their defaults and their quirks: the argument order, the hidden division, the epsilon,
the NaN at a zero.  They are for code that must keep its number, and for finding out which
convention made one; `unikl.kl_divergence` is what to use otherwise, and every docstring says how.

No module here imports the library that it is named after.

>>> from unikl import compat, kl_divergence
>>> p, q = [0.3, 0.3, 0.4], [0.5, 0.5, 0.0]
>>> round(float(compat.keras.kl_divergence(p, q)), 3), float(kl_divergence(p, q))
(5.774, inf)
"""

from . import jax, keras, optax, pot, scipy, tensorflow, torch, torchmetrics

__all__ = ["jax", "keras", "optax", "pot", "scipy", "tensorflow", "torch", "torchmetrics"]
