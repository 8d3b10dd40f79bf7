"""The divergence of distributions that are known by samples alone."""

import warnings
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, Literal

from .backends import get_backend
from .core import kl_divergence

__all__ = ["from_samples"]


def from_samples(
    x: Iterable[Hashable],
    y: Iterable[Hashable],
    *,
    smoothing: Literal["additive"] | None = None,
    alpha: float = 1.0,
    categories: Iterable[Hashable] | None = None,
    base: float | None = None,
) -> float:
    """KL(p || q) of the empirical distributions of two samples of discrete values.

    The plug-in estimate: p is how often each value occurs in x, q in y.

    Parameters
    ----------
    x, y : iterable of hashable, or array
        The samples, of any sizes.  An array of any library must have one axis.  Values are the
        same category if they are equal in Python: 1 and 1.0 are, 1 and "1" are not.
    smoothing : {None, "additive"}
        None counts as it is: a value of x that y lacks makes the divergence infinite, with a
        warning that names it.  "additive" adds `alpha` to the count of every category, in both.
    alpha : float
        What "additive" adds: 1 is Laplace's rule, 1/2 Jeffreys' prior.
    categories : iterable of hashable, optional
        All values that could occur; by default, those that do.  Matters to smoothing, which gives
        mass to each of them.
    base : float, optional
        The base of the logarithm: None for nats, 2 for bits.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a sample is empty, holds NaN, or a value that is not among the categories.

    Notes
    -----
    Biased upward for small samples, by about (K - 1)/2 (1/n + 1/m) nats where p = q has K
    categories.

    Examples
    --------
    >>> from unikl.estimators import from_samples
    >>> round(from_samples([1, 1, 2, 2, 3], [1, 1, 1, 1, 1, 2, 3, 3, 3, 3]), 6)
    0.326631
    >>> round(from_samples("aab", "aaac", smoothing="additive", alpha=0.5), 6)
    0.257878
    """
    if smoothing not in (None, "additive"):
        raise ValueError(f"smoothing must be None or 'additive', got {smoothing!r}")
    if smoothing and not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha!r}")
    count_x, count_y = _count("x", x), _count("y", y)
    support = list(dict.fromkeys([*count_x, *count_y] if categories is None else categories))
    for name, count in (("x", count_x), ("y", count_y)):
        strangers = list(count.keys() - set(support))
        if strangers:
            raise ValueError(f"{name} holds {_names(strangers)}, not among the categories")
    unseen = [one for one in count_x if one not in count_y]
    if unseen and not smoothing:
        warnings.warn(
            f"the divergence is infinite: y never takes {_names(unseen)}, and x does; "
            "smoothing='additive' gives every category some mass",
            stacklevel=2,
        )
    extra = alpha if smoothing else 0
    p = [count_x[one] + extra for one in support]
    q = [count_y[one] + extra for one in support]
    return float(kl_divergence(p, q, given="counts", base=base))


def _count(name: str, sample: Any) -> Counter[Any]:
    """How often each value occurs, as Python objects."""
    if hasattr(sample, "dtype") and hasattr(sample, "shape"):
        array = _to_numpy(sample)
        if len(array.shape) != 1:
            raise ValueError(f"{name} must have one axis, got shape {tuple(array.shape)}")
        sample = array.tolist()
    counts = Counter(sample)
    if not counts:
        raise ValueError(f"{name} is empty: there is nothing to estimate from")
    if any(value != value for value in counts):
        raise ValueError(f"{name} holds NaN: drop it, or give it a category of its own")
    return counts


def _to_numpy(sample: Any) -> Any:
    """Frameworks' arrays and Series on the host; other arrays (of strings, say) as they are."""
    room = get_backend(sample)
    return room.to_numpy(room.asarray(sample))


def _names(values: list[Any]) -> str:
    """Categories in words, the first five of them."""
    shown = ", ".join(map(repr, values[:5]))
    more = f" and {len(values) - 5} more" if len(values) > 5 else ""
    return f"{'category' if len(values) == 1 else 'categories'} {shown}{more}"
