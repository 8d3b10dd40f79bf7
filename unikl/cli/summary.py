"""What a file holds, gathered block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

_LOG_FORMS = ("log_probs", "logits")


@dataclass
class Summary:
    """Counts and ranges of the blocks seen so far.

    Attributes
    ----------
    form : str
        ``probs``, ``log_probs``, ``logits`` or ``counts``.
    axes : tuple of int or None
        Negative axes that hold the categories; None for all.
    """

    NAMES: ClassVar = ("values", "row sums", "zeros", "-inf", "NaN")

    form: str
    axes: tuple[int, ...] | None
    zeros: int = 0
    nans: int = 0
    low: float = math.inf
    high: float = -math.inf
    low_sum: float = math.inf
    high_sum: float = -math.inf
    begun: Any = 0.0  # the sums of rows whose categories go on in the next block

    def update(self, block: npt.NDArray[Any], last: bool = True) -> npt.NDArray[Any] | None:
        """Take one more block into account; not `last`: its rows go on in the next one.

        Gives the sums of rows that are complete; logits have none.
        """
        self.nans += int(np.isnan(block).sum())
        self.zeros += int((block == self._zero).sum())
        finite = block[np.isfinite(block)]
        if finite.size:
            self.low = min(self.low, float(finite.min()))
            self.high = max(self.high, float(finite.max()))
        return None if self.form == "logits" else self._update_sums(block, last)

    def _update_sums(self, block: npt.NDArray[Any], last: bool) -> npt.NDArray[Any] | None:
        axes = None if self.axes is None else tuple(a for a in self.axes if -a <= block.ndim)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = np.exp(block.astype(np.float64)) if self.form in _LOG_FORMS else block
            sums = np.asarray(self.begun + weights.sum(axis=axes, dtype=np.float64))
        self.begun = 0.0 if last else sums
        if not last:
            return None
        known = sums[~np.isnan(sums)]
        if known.size:
            self.low_sum = min(self.low_sum, float(known.min()))
            self.high_sum = max(self.high_sum, float(known.max()))
        return sums

    @property
    def _zero(self) -> float:
        return -math.inf if self.form in _LOG_FORMS else 0.0

    def cells(self) -> dict[str, str]:
        """What was found, under `NAMES`; logits have no row sums."""
        logs = self.form in _LOG_FORMS
        return {
            "values": _range(self.low, self.high),
            "row sums": "" if self.form == "logits" else _range(self.low_sum, self.high_sum),
            "-inf" if logs else "zeros": str(self.zeros),
            "NaN": str(self.nans),
        }


def _range(low: float, high: float) -> str:
    if low > high:
        return "none"
    return f"{low:.7g}" if low == high else f"{low:.7g} to {high:.7g}"
