"""The options of `drift`, and which of them are refused."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from .formulas import DIVERGENCES

__all__ = ["BINS", "Bins", "Divergence", "Join", "Nan", "Null", "Options", "Unseen", "check"]

Divergence = Literal["kl", "reverse_kl", "psi", "js", "hellinger", "total_variation", "chi_squared"]
Bins = int | Sequence[float] | None
Nan = Literal["null", "category", "drop", "error"]
Null = Literal["category", "drop", "error"]
Unseen = Literal["keep", "ignore", "error"]
Join = Literal["auto", "host", "engine"]

BINS = 10


class Options(NamedTuple):
    divergence: str
    bins: Bins | Mapping[str, Bins]
    edges: str
    smoothing: float
    nan: str
    null: str
    unseen: str
    join: str
    level: float

    def bins_of(self, name: str) -> Bins:
        return self.bins.get(name, BINS) if isinstance(self.bins, Mapping) else self.bins


def check(options: Options) -> None:
    """Raise for what is no option."""
    choices = {
        "divergence": tuple(DIVERGENCES),
        "edges": ("quantile", "width"),
        "nan": get_args(Nan),
        "null": get_args(Null),
        "unseen": get_args(Unseen),
        "join": get_args(Join),
    }
    for name, known in choices.items():
        if getattr(options, name) not in known:
            raise ValueError(
                f"{name} must be one of {', '.join(known)}, got {getattr(options, name)!r}"
            )
    if not 0 <= options.smoothing < math.inf:
        raise ValueError(f"smoothing must be a number from 0 on, got {options.smoothing}")
    if not 0 < options.level < 1:
        raise ValueError(f"level must be between 0 and 1, got {options.level}")
    bins = options.bins
    for one in bins.values() if isinstance(bins, Mapping) else (bins,):
        _check_bins(one)


def _check_bins(bins: Any) -> None:
    if bins is None:
        return
    if isinstance(bins, int) and not isinstance(bins, bool):
        if bins < 2:
            raise ValueError(f"bins must be 2 or more, got {bins}")
        return
    if isinstance(bins, bool | str | float):
        raise TypeError(f"bins must be an int, a sequence of edges or None, got {bins!r}")
    edges = [float(edge) for edge in bins]
    rising = all(a < b for a, b in itertools.pairwise(edges))
    if not edges or not rising or not all(map(math.isfinite, edges)):
        raise ValueError(f"edges of bins must be finite and increasing, got {edges}")
