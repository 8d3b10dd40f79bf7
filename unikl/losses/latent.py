"""KL terms of autoencoders: a normal latent against the standard normal, a mean activation
against its target."""

import math
from typing import Any, NamedTuple

from ..backends import Array, Backend, get_backend
from ..core import kl_divergence
from ..numerics import chi, psi
from .reduction import Axis, negative_axes

__all__ = ["kl_sparsity", "kl_standard_normal"]


def kl_standard_normal(
    mean: Any,
    *,
    log_std: Any = None,
    log_var: Any = None,
    std: Any = None,
    axis: Axis = -1,
    free_bits: float | None = None,
) -> Array:
    r"""KL(N(mean, std^2) || N(0, 1)) summed over the latent axis: the KL term of a VAE, in nats.

    .. math:: \tfrac12 \sum_j (m_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2)

    The same as ``-0.5 sum(1 + 2 log_std - mean^2 - exp(2 log_std))``, whose terms cancel where the
    posterior is close to the prior; here each is non-negative and accurate there too.

    Parameters
    ----------
    mean : array
        Means of the latent normals, of any library.
    log_std, log_var, std : array
        Exactly one of them: the logarithm of the standard deviation, of the variance, or the
        standard deviation itself.  Broadcasts with mean.
    axis : int, tuple of ints or None
        The latent axis or axes, summed; None for all, ``()`` for one value per latent.
    free_bits : float, optional
        A floor, in nats, under each latent's term: below it a latent costs that much and gets no
        gradient (Kingma et al. 2016).  The floor is for each latent of each example.

    Returns
    -------
    array
        One value for each example; float32 for half precision.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling, "Auto-Encoding Variational Bayes" (2014), appendix B.
    .. [2] D. P. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow"
       (2016), section 3 (free bits).

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses import kl_standard_normal
    >>> kl_standard_normal(np.array([[0.0, 0.0], [1.0, -1.0]]), log_std=np.zeros((2, 2)))
    array([0., 1.])
    """
    spreads = {"log_std": log_std, "log_var": log_var, "std": std}
    named = [name for name, value in spreads.items() if value is not None]
    if len(named) != 1:
        raise ValueError(f"give one of log_std, log_var and std, got {' and '.join(named) or None}")
    name, spread = named[0], spreads[named[0]]
    room = get_backend(mean, spread)
    m, s = _floats(room, mean, spread)
    s = 2 * s if name == "log_std" else s
    if name != "std" and free_bits is None and axis != ():
        m, s = room.broadcast((m, s), ())
        latent = LatentNormal(room, negative_axes(room, (m,), axis))
        if latent.axis:
            return room.xp.squeeze(room.kernel(latent)(m, s)[0], axis=latent.axis)
    width = _width_of_std(room, s) if name == "std" else _chi(room, s)
    terms = 0.5 * (m * m + width)
    if free_bits is not None:
        terms = room.xp.where(terms < free_bits, free_bits, terms)
    if axis == ():
        return terms
    axes = negative_axes(room, (terms,), axis)
    return room.xp.squeeze(room.sum(terms, axes), axis=axes) if axes else terms


class LatentNormal(NamedTuple):
    """KL(N(mean, exp(log_var)) || N(0, 1)) summed over `axis`: value, JVP and VJP, for a room."""

    room: Backend
    axis: tuple[int, ...]

    @property
    def fused_kernel(self) -> str:
        """Which function of `unikl.kernels` does the same."""
        return "latents"

    def value(self, mean: Array, log_var: Array) -> tuple[Array, ...]:
        """The divergence."""
        terms = 0.5 * (mean * mean + _chi(self.room, log_var))
        return (self.room.sum(terms, self.axis),)

    def vjp(
        self, g: Array, wanted: tuple[bool, bool], mean: Array, log_var: Array
    ) -> list[Array | None]:
        """The cotangents of the wanted arguments."""
        partials = mean, 0.5 * _expm1(self.room, log_var)
        return [g * d if want else None for d, want in zip(partials, wanted, strict=True)]

    def jvp(
        self, tangents: tuple[Array | None, Array | None], mean: Array, log_var: Array
    ) -> Array:
        """The derivative along the tangents (None: zero)."""
        partials = mean, 0.5 * _expm1(self.room, log_var)
        terms = [t * d for t, d in zip(tangents, partials, strict=True) if t is not None]
        return self.room.sum(terms[0] if len(terms) == 1 else terms[0] + terms[1], self.axis)

    def rows(
        self, mean: Array, log_var: Array, wanted: tuple[bool, bool]
    ) -> tuple[tuple[Array, ...], list[Array | None]]:
        """One distribution in each row of a matrix: value and gradients."""
        latent = LatentNormal(get_backend(mean, log_var), (-1,))
        (kl,) = latent.value(mean, log_var)
        return (kl,), latent.vjp(latent.room.xp.ones_like(kl), wanted, mean, log_var)


def kl_sparsity(activations: Any, *, target: float = 0.05, axis: Axis = None) -> Array:
    """Sum over units of KL(Bernoulli(target) || Bernoulli(mean activation)), in nats.

    The sparsity penalty of a sparse autoencoder, with both terms: for being active and for not.

    Parameters
    ----------
    activations : array
        Activations in [0, 1], those of a sigmoid say; the units on the last axis.
    target : float
        The wanted mean activation of each unit, between 0 and 1.
    axis : int, tuple of ints or None
        What to average over; None for all axes but the last.

    Returns
    -------
    array
        One number.  It is +inf where a unit never is active at all, NaN (or, where the values can
        be looked at, a ValueError) where a mean activation is outside [0, 1].

    References
    ----------
    .. [1] A. Ng, "Sparse autoencoder", CS294A lecture notes (2011).

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses import kl_sparsity
    >>> round(float(kl_sparsity(np.array([[0.1, 0.9], [0.3, 0.5]]), target=0.2)), 6)
    0.534111
    """
    if not 0 < target < 1:
        raise ValueError(f"target must be between 0 and 1, got {target!r}")
    room = get_backend(activations)
    (x,) = _floats(room, activations)
    xp = room.xp
    axes = negative_axes(room, (x,), axis)
    if axis is None:
        axes = axes[:-1]
    active = xp.mean(x, axis=axes) if axes else x
    wanted = xp.zeros_like(active) + target
    p = xp.stack([wanted, 1 - wanted], axis=-1)
    q = xp.stack([active, 1 - active], axis=-1)
    return xp.sum(kl_divergence(p, q))


def _floats(room: Backend, *xs: Any) -> list[Array]:
    """Arrays in the dtype to compute in; Python numbers take that of the arrays."""
    arrays = [x for x in xs if hasattr(x, "dtype")] or [room.asarray(x) for x in xs]
    dtype = room.float_dtype(tuple(arrays))
    zero = room.xp.zeros_like(room.xp.astype(arrays[0], dtype))
    return [
        zero + x if isinstance(x, int | float) else room.xp.astype(room.asarray(x, zero), dtype)
        for x in xs
    ]


def _chi(room: Backend, d: Array) -> Array:
    """``exp(d) - 1 - d`` for any d."""
    xp = room.xp
    near = xp.abs(d) < 1.4
    far = xp.where(near, 0.0, d)
    return xp.where(near, chi(room, xp.where(near, d, 0.0)), xp.expm1(far) - far)


def _expm1(room: Backend, d: Array) -> Array:
    """``exp(d) - 1``, consistent with `_chi`."""
    xp = room.xp
    near = xp.abs(d) < 1.4
    small = xp.where(near, d, 0.0)
    return xp.where(near, small + chi(room, small), xp.expm1(xp.where(near, 0.0, d)))


def _width_of_std(room: Backend, std: Array) -> Array:
    """``std^2 - 1 - log std^2``, NaN for a negative standard deviation."""
    xp = room.xp
    u = (std - 1) * (std + 1)  # the first factor is exact where it is small
    near = (u > -0.5) & (u < 1) & (std > 0)
    log_far = xp.log(xp.where(near, 1.0, xp.where(std < 0, math.nan, std)))
    return xp.where(near, psi(room, xp.where(near, u, 0.0))[0], u - 2 * log_far)
