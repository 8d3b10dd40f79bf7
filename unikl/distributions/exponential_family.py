r"""Exponential families by their log-normaliser alone.

.. math:: \mathrm{KL}(p \| q) = A(\eta_q) - A(\eta_p) - \nabla A(\eta_p) \cdot (\eta_q - \eta_p)

with the gradient from the library's own autodiff, kept differentiable, so that the divergence has
derivatives in both distributions.

Reference: S. Amari and H. Nagaoka, "Methods of Information Geometry" (2000), section 3.5.
"""

from typing import Any

from ..backends import Array, Backend, get_backend
from .adapters import library_of
from .base import resolve
from .quadrature import Estimate

__all__ = ["bregman_of_log_normalizer"]


def bregman_of_log_normalizer(p: Any, q: Any) -> Estimate:
    """KL(p || q) of two members of one exponential family.

    Ours take part by the methods ``natural_parameters(room)``, a tuple of arrays, and
    ``log_normalizer(room, *eta)``; torch's by being `torch.distributions.ExponentialFamily`.

    Raises
    ------
    NotImplementedError
        If they are no such family, not the same one, or of a library without autodiff.
    """
    if type(p) is not type(q):
        raise NotImplementedError("p and q are not of one family")
    if library_of(p) == "unikl" and hasattr(p, "log_normalizer"):
        room, (p, q) = resolve(p, q)
        eta_p, eta_q = p.natural_parameters(room), q.natural_parameters(room)

        def normalizer(*eta: Array) -> Array:
            return p.log_normalizer(room, *eta)
    elif library_of(p) == "torch" and hasattr(p, "_natural_params"):
        eta_p, eta_q = tuple(p._natural_params), tuple(q._natural_params)
        room, normalizer = get_backend(*eta_p), p._log_normalizer
    else:
        raise NotImplementedError(f"{type(p).__name__} does not say its log-normaliser")
    means = _gradient(room, normalizer, eta_p)
    at_p, at_q = normalizer(*eta_p), normalizer(*eta_q)
    linear: Any = 0.0
    size: Any = room.xp.abs(at_p) + room.xp.abs(at_q)
    for a, b, mean in zip(eta_p, eta_q, means, strict=True):
        event = tuple(range(-(len(mean.shape) - len(at_p.shape)), 0))
        term = (b - a) * mean
        term = room.xp.sum(term, axis=event) if event else term
        linear, size = linear + term, size + room.xp.abs(term)
    value = at_q - at_p - linear
    return Estimate(value, room.stop_gradient(8 * room.eps(value.dtype) * size))


def _gradient(room: Backend, function: Any, xs: tuple[Array, ...]) -> tuple[Array, ...]:
    """The derivatives of sum(function(*xs)), differentiable once more."""
    library = room.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    if library == "torch":
        import torch

        with torch.enable_grad():
            xs = tuple(x if x.requires_grad else x.detach().requires_grad_() for x in xs)
            total = function(*xs).sum()
            return torch.autograd.grad(total, xs, create_graph=True)
    if library == "jax":
        import jax

        def total_of(*args: Array) -> Array:
            return function(*args).sum()

        gradients: tuple[Array, ...] = jax.grad(total_of, tuple(range(len(xs))))(*xs)
        return gradients
    if library == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(xs)
            total = tf.reduce_sum(function(*xs))
        return tuple(tape.gradient(total, xs))
    raise NotImplementedError(f"{library} arrays have no automatic differentiation")
