"""Any distribution as three functions: log-density, support, samples.

For those without a counterpart here, by the methods that their own library gives them.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends import Array, Backend, get_backend
from .adapters import library_of
from .base import Support, resolve
from .densities import event_rank_of, log_density
from .mixtures import MATRICES
from .structure import Independent, MixtureSameFamily

__all__ = ["Opaque", "opaque"]


class Opaque(NamedTuple):
    """What can be asked of a distribution without knowing its family."""

    room: Backend
    like: Array  # zeros in the batch shape
    log_density: Callable[[Array], Array]
    support: Support | None
    sample: Callable[[int, int], Array] | None  # (how many, seed)


def opaque(x: Any) -> Opaque:
    """The distribution by its functions.

    Raises
    ------
    NotImplementedError
        If it has no log-density.
    """
    library = library_of(x)
    if library == "unikl":
        return _ours(x)
    if library == "scipy":
        return _scipy(x)
    if library == "torch":
        return _torch(x)
    return _jax_or_tensorflow(x, str(library))


def _ours(x: Any) -> Opaque:
    room, (d,) = resolve(x)

    def log_p(at: Array) -> Array:
        return log_density(room, d, at)

    support = None if event_rank_of(d) else d.support(room)
    return Opaque(room, _batch(d), log_p, support, None)


def _batch(d: Any) -> Array:
    """Zeros in the batch shape."""
    if isinstance(d, MixtureSameFamily):
        return _batch(d.components)[..., 0]
    if isinstance(d, Independent):
        return _batch(d.base)[(..., *[0] * d.reinterpreted_batch_ndims)]
    zero: Any = 0.0
    for name in d.__match_args__:
        x = getattr(d, name)
        if x is not None and name not in d.static:
            rank = 2 if name in MATRICES else d.event_rank
            zero = zero + 0 * (x[(..., *[0] * rank)] if rank else x)
    return zero


def _scipy(x: Any) -> Opaque:
    log_p = x.logpmf if hasattr(x, "logpmf") and _is_lattice(x) else x.logpdf
    support = None
    if hasattr(x, "support"):
        lower, upper = (_bound(b) for b in x.support())
        support = Support(lower, upper, _is_lattice(x))

    def sample(n: int, seed: int) -> Array:
        shape = (n, *np.shape(x.mean())) if support is not None else n
        return np.asarray(x.rvs(size=shape, random_state=seed))

    like = np.zeros(np.shape(x.mean()) if support is not None else ())
    return Opaque(get_backend(like), like, log_p, support, sample)


def _is_lattice(x: Any) -> bool:
    return type(x).__name__ == "rv_discrete_frozen"


def _bound(x: Any) -> Any:
    """A number where there is one, an array otherwise."""
    return float(x) if np.ndim(x) == 0 else np.asarray(x)


def _torch(x: Any) -> Opaque:
    import torch

    def sample(n: int, seed: int) -> Array:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            return x.sample((n,))

    def log_p(at: Array) -> Array:
        return unchecked.log_prob(at)

    unchecked = _unchecked(x)
    like = torch.zeros(x.batch_shape, dtype=_floating(torch, x))
    support = _constraint(x.support) if not x.event_shape else None
    return Opaque(get_backend(like), like, log_p, support, sample)


def _unchecked(x: Any) -> Any:
    """A shallow copy that does not check its arguments, which lie inside the support anyway."""
    new = object.__new__(type(x))
    new.__dict__.update(vars(x))
    new._validate_args = False
    return new


def _floating(torch: Any, x: Any) -> Any:
    tensors = [v for v in vars(x).values() if isinstance(v, torch.Tensor)]
    floats = [v.dtype for v in tensors if v.is_floating_point()]
    return floats[0] if floats else torch.get_default_dtype()


def _constraint(support: Any) -> Support | None:
    """The bounds of a torch or NumPyro constraint."""
    name = type(support).__name__.lower()
    lattice = "integer" in name or "boolean" in name
    if "boolean" in name:
        return Support(0.0, 1.0, True)
    lower = getattr(support, "lower_bound", None)
    upper = getattr(support, "upper_bound", None)
    if lower is None and upper is None and "real" not in name:
        return None
    return Support(
        -math.inf if lower is None else lower, math.inf if upper is None else upper, lattice
    )


def _jax_or_tensorflow(x: Any, library: str) -> Opaque:
    tensorflow = library == "tensorflow_probability" and ".substrates." not in type(x).__module__
    if tensorflow:
        import tensorflow as tf

        like, key = tf.zeros(x.batch_shape, x.dtype), None
    else:
        import jax

        dtype = getattr(x, "dtype", None)
        like, key = jax.numpy.zeros(tuple(x.batch_shape), dtype), jax.random.PRNGKey

    def sample(n: int, seed: int) -> Array:
        if library == "numpyro":
            return x.sample(key(seed), (n,))  # type: ignore[misc]
        if library == "distrax":
            return x.sample(seed=key(seed), sample_shape=n)  # type: ignore[misc]
        return x.sample(n, seed=seed if key is None else key(seed))

    support = None
    if library == "numpyro" and not x.event_shape:
        support = _constraint(x.support)
    return Opaque(get_backend(like), like, x.log_prob, support, sample)
