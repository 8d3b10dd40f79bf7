"""unikl: the Kullback-Leibler divergence on the arrays you already have.

One algorithm, written once against the Array API, on NumPy, PyTorch, TensorFlow and JAX arrays
and on those of any other Array API library.

>>> from unikl import kl_divergence
>>> float(kl_divergence([0.5, 0.5, 0.0], [0.25, 0.5, 0.25]))
0.34657359027997264
"""

from typing import Any

from .core import kl_divergence
from .explain import explain
from .identify import identify
from .metrics import KLMetric
from .state import KLState

__all__ = ["KLMetric", "KLState", "explain", "explain_kl", "identify", "kl_divergence"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "explain_kl":  # late: it brings the families of distributions
        from .distributions.fallback import explain_kl

        return explain_kl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
