"""KL(p || q) of any two distributions, by the best method there is, which it says.

Exact formulas first; then the log-normaliser of an exponential family; then one-dimensional
quadrature, or a sum; then Monte Carlo.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ..backends import Array, get_backend
from ..core import log_of_base
from . import registry
from .adapters import adapt_pair, families, library_of
from .base import Support, resolve
from .densities import log_density, log_weights
from .exponential_family import bregman_of_log_normalizer
from .mixtures import one_more_axis, sampled_mixture
from .opaque import opaque
from .quadrature import Estimate, quadrature, summation
from .structure import MixtureSameFamily

__all__ = ["Explanation", "explain_kl", "kl_divergence"]

Method = Literal["auto", "exact", "exponential_family", "quadrature", "sum", "monte_carlo"]


class Explanation(NamedTuple):
    """A divergence, the method that gave it, and an estimate of its absolute error."""

    value: Array
    method: str
    error: Array


def kl_divergence(
    p: Any,
    q: Any,
    /,
    *,
    method: Method = "auto",
    base: float | None = None,
    validate: bool | None = None,
    samples: int = 4096,
    seed: int = 0,
) -> Array:
    """Kullback-Leibler divergence KL(p || q) of two distribution objects.

    The value of `explain_kl`, which has the parameters and what they mean.

    Examples
    --------
    >>> import scipy.stats
    >>> from unikl.distributions.fallback import kl_divergence
    >>> round(float(kl_divergence(scipy.stats.norm(0, 1), scipy.stats.norm(1, 2))), 8)
    0.44314718
    """
    options = {"base": base, "validate": validate, "samples": samples, "seed": seed}
    return explain_kl(p, q, method=method, **options).value  # type: ignore[arg-type]


def explain_kl(
    p: Any,
    q: Any,
    /,
    *,
    method: Method = "auto",
    base: float | None = None,
    validate: bool | None = None,
    samples: int = 4096,
    seed: int = 0,
) -> Explanation:
    """KL(p || q) of two distribution objects, with the method used and its error.

    Parameters
    ----------
    p, q : distribution
        Of unikl.distributions, torch.distributions, TensorFlow Probability, NumPyro, Distrax, or
        frozen of scipy.stats.  Ours go with any of them, two other libraries not together.
    method : {"auto", "exact", "exponential_family", "quadrature", "sum", "monte_carlo"}
        "auto" takes the first of the others that there is.
    base : float, optional
        The base of the logarithm: None for nats, 2 for bits.
    validate : bool, optional
        As in `unikl.kl_divergence`; the exact formulas alone check parameters.
    samples, seed : int
        For Monte Carlo: how many (of each component, for a mixture), and from which seed.

    Returns
    -------
    Explanation
        With the fields `value`, `method` and `error`.  The error is a bound of the rounding error
        for an exact formula, the difference to half the nodes for a quadrature (a kink, such as
        that of a Laplace density, costs it digits), and one standard error for Monte Carlo.

    Raises
    ------
    TypeError
        If p or q is no distribution, or they come from two libraries.
    NotImplementedError
        If the method does not apply.  "exact" names the closed forms nearest to the pair.

    Examples
    --------
    >>> from unikl.distributions import Logistic, StudentT
    >>> from unikl.distributions.fallback import explain_kl
    >>> found = explain_kl(Logistic(0.0, 1.0), StudentT(4.0, 0.0, 1.0))
    >>> found.method, round(float(found.value), 6)
    ('quadrature', 0.086315)
    """
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, got {method!r}")
    log_base = 1.0 if base is None else log_of_base(base)
    options = _Options(validate, samples, seed)
    _check(p, q)
    refusals = []
    for name in _METHODS if method == "auto" else (method,):
        try:
            value, error = _METHODS[name](p, q, options)
        except NotImplementedError as refusal:
            refusals.append(f"{name}: {refusal}")
            continue
        return Explanation(value / log_base, name, error / log_base)
    raise NotImplementedError("; ".join(refusals))


class _Options(NamedTuple):
    validate: bool | None
    samples: int
    seed: int


def _check(p: Any, q: Any) -> None:
    """TypeError where p and q are no distributions or do not go together."""
    try:
        adapt_pair(p, q)
    except NotImplementedError:
        return  # a family without a counterpart may still have a density


def _exact(p: Any, q: Any, options: _Options) -> Estimate:
    p, q = adapt_pair(p, q)
    try:
        value = registry.kl(p, q, validate=options.validate)
    except NotImplementedError as refusal:
        raise NotImplementedError(f"{refusal}{_nearest(type(p), type(q))}") from None
    room = get_backend(value)
    return Estimate(value, room.stop_gradient(16 * room.eps(value.dtype) * room.xp.abs(value)))


def _nearest(p: type, q: type) -> str:
    """The closed forms that share a family with the pair."""
    known = sorted(families().items())
    known = [(name, cls) for name, cls in known if not cls.__module__.endswith("structure")]
    near_p = [name for name, cls in known if cls is not q and registry.find(p, cls)]
    near_q = [name for name, cls in known if cls is not p and registry.find(cls, q)]
    return (
        f"; closed forms from {p.__name__}: to {', '.join(near_p) or 'none'}"
        f"; to {q.__name__}: from {', '.join(near_q) or 'none'}"
    )


def _exponential_family(p: Any, q: Any, options: _Options) -> Estimate:
    return bregman_of_log_normalizer(p, q)


def _quadrature(p: Any, q: Any, options: _Options) -> Estimate:
    return _integral(p, q, False)


def _sum(p: Any, q: Any, options: _Options) -> Estimate:
    return _integral(p, q, True)


def _integral(p: Any, q: Any, lattice: bool) -> Estimate:
    with np.errstate(all="ignore"):  # far out in the tails there are infinities
        mixture = _ours(p, q)
        if mixture is not None and isinstance(mixture[0], MixtureSameFamily):
            return _integral_of_parts(*mixture, lattice)
        p, q = _same_room(p, q)
        support = _of_kind(p.support, lattice)

        def log_ratio(x: Array) -> Array:
            return p.log_density(x) - inside(p.room, q.support, q.log_density(x), x)

        rule = summation if lattice else quadrature
        return rule(p.room, p.log_density, log_ratio, support, p.like + q.like)


def _integral_of_parts(p: MixtureSameFamily, q: Any, lattice: bool) -> Estimate:
    """Each component of p by itself, as they may lie far from one another."""
    room, (p, q) = resolve(p, q)
    parts = opaque(p.components)
    support = _of_kind(parts.support, lattice)
    wide_p, wide_q = one_more_axis(p), opaque(one_more_axis(q))

    def log_ratio(x: Array) -> Array:
        log_q = inside(room, wide_q.support, wide_q.log_density(x), x)
        return log_density(room, wide_p, x) - log_q

    rule = summation if lattice else quadrature
    value, error = rule(room, parts.log_density, log_ratio, support, parts.like)
    weight = room.xp.exp(log_weights(room, p.mixture))
    return Estimate(*[room.xp.sum(weight * each, axis=-1) for each in (value, error)])


def inside(room: Any, support: Support | None, log_q: Array, x: Array) -> Array:
    """log q, -inf outside of its support."""
    if support is None:
        return log_q
    return room.xp.where((x < support.lower) | (x > support.upper), -math.inf, log_q)


def _of_kind(support: Support | None, lattice: bool) -> Support:
    if support is None or support.lattice != lattice:
        raise NotImplementedError(
            f"the outcomes of p are not {'integers' if lattice else 'real numbers'}"
        )
    return support


def _ours(p: Any, q: Any) -> tuple[Any, Any] | None:
    """Both as ours, where both have a counterpart."""
    try:
        return adapt_pair(p, q)
    except NotImplementedError:
        return None


def _monte_carlo(p: Any, q: Any, options: _Options) -> Estimate:
    """The mean of log p - log q over samples of p.

    The samples are constants; their dependence on p's parameters comes in by the factor
    exp(log p(x) - log p(x)), which is 1 and has the score as its derivative.
    """
    ours = _ours(p, q)
    if ours is not None and isinstance(ours[0], MixtureSameFamily):
        return sampled_mixture(*ours, samples=options.samples, seed=options.seed)
    p, q = _same_room(p, q)
    if p.sample is None:
        raise NotImplementedError("p cannot be sampled")
    room, n = p.room, options.samples
    x = room.stop_gradient(p.sample(n, options.seed))
    with np.errstate(all="ignore"):
        log_p = p.log_density(x)
        ratio = log_p - q.log_density(x)
    score = room.xp.exp(log_p - room.stop_gradient(log_p))
    mean = room.xp.sum(ratio * score, axis=0) / n
    variance = room.xp.sum((ratio - mean) ** 2, axis=0) / (n - 1)
    return Estimate(mean, room.stop_gradient(room.xp.sqrt(variance / n)))


def _same_room(p: Any, q: Any) -> tuple[Any, Any]:
    """Both by their functions, in one library."""
    if library_of(p) == library_of(q) == "unikl":
        _, (p, q) = resolve(p, q)
    p, q = opaque(p), opaque(q)
    get_backend(p.like, q.like)
    return p, q


_METHODS: dict[str, Callable[[Any, Any, _Options], Estimate]] = {
    "exact": _exact,
    "exponential_family": _exponential_family,
    "quadrature": _quadrature,
    "sum": _sum,
    "monte_carlo": _monte_carlo,
}
