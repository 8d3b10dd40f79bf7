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

    def update(self, block: npt.NDArray[Any]) -> None:
        """Take one more block into account."""
        self.nans += int(np.isnan(block).sum())
        self.zeros += int((block == self._zero).sum())
        finite = block[np.isfinite(block)]
        if finite.size:
            self.low = min(self.low, float(finite.min()))
            self.high = max(self.high, float(finite.max()))
        if self.form != "logits":
            self._update_sums(block)

    def _update_sums(self, block: npt.NDArray[Any]) -> None:
        axes = None if self.axes is None else tuple(a for a in self.axes if -a <= block.ndim)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = np.exp(block.astype(np.float64)) if self.form in _LOG_FORMS else block
            sums = weights.sum(axis=axes, dtype=np.float64)
        sums = sums[~np.isnan(sums)]
        if sums.size:
            self.low_sum = min(self.low_sum, float(sums.min()))
            self.high_sum = max(self.high_sum, float(sums.max()))

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
