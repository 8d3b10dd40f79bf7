"""The mean divergence of a data set that arrives in pieces.

The sum is kept exactly, as one integer: every float64 is an integer multiple of 2^-1126 (as
`frexp` splits it).  So the order of the data, their batches, and how workers' metrics are merged
change no bit of the result, and a metric pickles to a few numbers.
"""

import math
from typing import Any

import numpy as np

from .core import kl_divergence
from .losses.reduction import Axis, Forms, each_distribution

__all__ = ["KLMetric"]

_LOWEST = -1126  # the exponent of the smallest subnormal, as a fraction of 53 bits


class KLMetric:
    """Weighted mean of KL(p || q) over all distributions seen, the same for any split of the data.

    Parameters
    ----------
    given, axis, base, validate
        As in `unikl.kl_divergence`.

    Notes
    -----
    Each divergence is rounded to float64 once, times its weight; from there on everything is exact
    up to the last rounding, in `compute`.  It takes arrays of any library and copies the
    divergences (not the arrays) to host memory.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.metrics import KLMetric
    >>> p, q = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]), np.full((3, 2), 0.5)
    >>> whole = KLMetric().update(p, q)
    >>> first, rest = KLMetric().update(p[:1], q[:1]), KLMetric().update(p[1:], q[1:])
    >>> rest.merge(first).compute() == whole.compute()
    True
    >>> round(whole.compute(), 6)
    0.186936
    """

    def __init__(
        self,
        given: Forms = "probs",
        *,
        axis: Axis = -1,
        base: float | None = None,
        validate: bool | None = None,
    ) -> None:
        self.given = given
        self.axis = axis
        self.base = base
        self.validate = validate
        self.reset()

    def reset(self) -> None:
        """Forget all data."""
        self._total = 0  # in units of 2^_LOWEST, like the weights
        self._weight = 0
        self._special = 0.0  # the infinities and NaNs, added up

    def update(
        self, p: Any, q: Any, *, where: Any = None, mask: Any = None, weight: Any = None
    ) -> "KLMetric":
        """Add distributions; `where`, `mask` and `weight` are as in `unikl.losses.kl_loss`."""
        rows = each_distribution(
            kl_divergence,
            p,
            q,
            given=self.given,
            axis=self.axis,
            where=where,
            mask=mask,
            weight=weight,
            base=self.base,
            validate=self.validate,
        )
        to_numpy = rows.room.to_numpy
        values = np.asarray(to_numpy(rows.values), dtype=np.float64).reshape(-1)
        weights = np.asarray(to_numpy(rows.weights), dtype=np.float64).reshape(-1)
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError("weights must be finite and not negative")
        weighted = values * weights
        finite = np.isfinite(weighted)
        self._special += float(weighted[~finite].sum())
        self._total += _exact_sum(weighted[finite])
        self._weight += _exact_sum(weights)
        return self

    def merge(self, other: "KLMetric") -> "KLMetric":
        """Add all that another metric (of another worker, say) has seen."""
        if self._settings() != other._settings():
            raise ValueError(
                f"these metrics measure different things: {self._settings()} and "
                f"{other._settings()} (given, axis, base)"
            )
        self._total += other._total
        self._weight += other._weight
        self._special += other._special
        return self

    def compute(self) -> float:
        """The mean, sum(weight KL) / sum(weight); NaN if there were no data."""
        if self._weight == 0:
            return math.nan
        if self._special != 0:  # infinity or NaN
            return self._special
        return self._total / self._weight  # of integers: rounded once, correctly

    def sum(self) -> float:
        """The sum of weight KL."""
        return self._special if self._special != 0 else self._total / (1 << -_LOWEST)

    def weight(self) -> float:
        """The sum of the weights: the number of distributions, if none has a weight."""
        return self._weight / (1 << -_LOWEST)

    def _settings(self) -> tuple[Any, ...]:
        forms = (self.given,) * 2 if isinstance(self.given, str) else tuple(self.given)
        return forms, self.axis, self.base

    def __repr__(self) -> str:
        return f"KLMetric(given={self.given!r}, mean={self.compute():.6g} of {self.weight():g})"


def _exact_sum(values: Any) -> int:
    """The sum of finite float64 numbers, in units of 2^_LOWEST, as an integer."""
    fraction, exponent = np.frexp(values)
    mantissa = (fraction * 2.0**53).astype(np.int64)
    places, place = np.unique(exponent, return_inverse=True)
    # In two halves, each with room for 2^36 terms.
    halves = []
    for half in (mantissa >> 27, mantissa & ((1 << 27) - 1)):
        sums = np.zeros(places.size, dtype=np.int64)
        np.add.at(sums, place, half)
        halves.append(sums.tolist())
    return sum(
        [
            ((high << 27) + low) << (int(at) - 53 - _LOWEST)
            for high, low, at in zip(*halves, places, strict=True)
        ]
    )
