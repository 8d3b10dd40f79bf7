"""Other libraries' distribution objects, as they are: the same family with the same parameters.

An object is known by the names of its class and base classes, so nothing is imported for it.  Its
parameters stay the arrays that they are, with their device, dtype and gradients.
"""

from typing import Any

from .. import moyal, multivariate_normal, structure, wishart  # noqa: F401  (their families)
from ..base import Distribution

__all__ = ["adapt", "adapt_pair", "families", "is_distribution", "library_of"]

# By the top-level module of their root class.
_ROOTS = {
    "torch": ("Distribution",),
    "tensorflow_probability": ("Distribution",),
    "numpyro": ("Distribution",),
    "distrax": ("Distribution",),
    "scipy": ("rv_frozen", "multi_rv_frozen"),
}


def library_of(x: Any) -> str | None:
    """The library whose distribution `x` is: "unikl", another one's name, or None."""
    if isinstance(x, Distribution):
        return "unikl"
    for cls in type(x).__mro__:
        root = cls.__module__.partition(".")[0]
        if cls.__name__ in _ROOTS.get(root, ()):
            return root
    return None


def is_distribution(x: Any) -> bool:
    """Is x a distribution object, ours or another library's?"""
    return library_of(x) is not None


def adapt(x: Any) -> Distribution:
    """The distribution `x` as one of ours.

    Raises
    ------
    TypeError
        If x is no distribution of a known library.
    NotImplementedError
        If its family, or a parameter of it, has no counterpart here.

    Examples
    --------
    >>> import scipy.stats
    >>> from unikl.distributions.adapters import adapt
    >>> type(adapt(scipy.stats.norm(0.0, 1.0))).__name__
    'Normal'
    """
    library = library_of(x)
    if library == "unikl":
        return x  # type: ignore[no-any-return]
    if library == "torch":
        from . import torch

        return torch.adapt(x)
    if library == "tensorflow_probability":
        from . import tfp

        return tfp.adapt(x)
    if library == "numpyro":
        from . import numpyro

        return numpyro.adapt(x)
    if library == "distrax":
        from . import distrax

        return distrax.adapt(x)
    if library == "scipy":
        from . import scipy

        return scipy.adapt(x)
    raise TypeError(
        f"not a distribution: {type(x).__module__}.{type(x).__name__} (known: unikl.distributions, "
        "torch.distributions, TensorFlow Probability, NumPyro, Distrax and frozen scipy.stats)"
    )


def adapt_pair(p: Any, q: Any) -> tuple[Distribution, Distribution]:
    """Both as ours; ours go with any library, two other libraries do not go together.

    Raises
    ------
    TypeError
        If p and q are objects of two other libraries.
    """
    libraries = [library_of(x) for x in (p, q)]
    foreign = sorted({name for name in libraries if name not in ("unikl", None)}, key=str)
    if len(foreign) > 1:
        raise TypeError(
            f"p and q must come from one library, got {libraries[0]} and {libraries[1]}; make one "
            "of them again in the other's library, or in unikl.distributions"
        )
    return adapt(p), adapt(q)


def families() -> dict[str, type[Distribution]]:
    """The families of unikl by name."""
    found: dict[str, type[Distribution]] = {}
    pending = list(Distribution.__subclasses__())
    for cls in pending:
        pending.extend(cls.__subclasses__())
        if cls.__module__.startswith("unikl.") and not cls.__name__.startswith("_"):
            found[cls.__name__] = cls
    return found
