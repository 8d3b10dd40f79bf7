"""Losses and regularisers, as pure functions on arrays of any library (JAX users stay here).

Importing this loads no framework.  `unikl.losses.torch` has the same as modules,
`unikl.losses.keras` as Keras 3 losses, regularisers and metrics on any Keras backend, and
`unikl.losses.torchmetrics` a metric.
"""

from .distillation import distillation_loss
from .functional import jensen_shannon, kl_loss
from .latent import kl_sparsity, kl_standard_normal

__all__ = [
    "distillation_loss",
    "jensen_shannon",
    "kl_loss",
    "kl_sparsity",
    "kl_standard_normal",
]
