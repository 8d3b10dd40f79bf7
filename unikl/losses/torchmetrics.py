"""The metric for torchmetrics: the same mean as `unikl.KLMetric`, synchronised over processes."""

from typing import Any

import torch
import torchmetrics

from ..core import kl_divergence
from .reduction import Axis, Forms, each_distribution

__all__ = ["KLMetric"]


class KLMetric(torchmetrics.Metric):
    """Weighted mean of KL(p || q) over all distributions of all processes.

    Its states are the sum of weight KL and the sum of weights, in float64 (float32 on devices
    without it) and added over processes: so uneven batches and weights come out right.

    Parameters
    ----------
    given, axis, base, validate
        As in `unikl.kl_divergence`.
    **options
        Those of `torchmetrics.Metric`.

    Examples
    --------
    >>> import torch
    >>> from unikl.losses.torchmetrics import KLMetric
    >>> metric = KLMetric(given=("probs", "logits"))
    >>> metric.update(torch.tensor([[0.5, 0.5], [0.9, 0.1]]), torch.zeros(2, 2))
    >>> round(metric.compute().item(), 6)
    0.184032
    """

    is_differentiable = True
    higher_is_better = False
    full_state_update = False
    total: torch.Tensor
    weight: torch.Tensor

    def __init__(
        self,
        given: Forms = "probs",
        *,
        axis: Axis = -1,
        base: float | None = None,
        validate: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.given = given
        self.axis = axis
        self.base = base
        self.check_values = validate
        for name in ("total", "weight"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        p: torch.Tensor,
        q: torch.Tensor,
        *,
        where: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
    ) -> None:
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
            validate=self.check_values,
        )
        dtype = self.total.dtype
        weights = rows.weights.to(dtype)
        self.total = self.total + (rows.values.to(dtype) * weights).sum()
        self.weight = self.weight + weights.sum()

    def compute(self) -> torch.Tensor:
        """The mean; NaN if there were no data."""
        return self.total / self.weight
