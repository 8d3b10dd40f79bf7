"""Losses as PyTorch modules.  They hold options and no state, and compile with fullgraph=True."""

import math
from typing import Any

import torch

from .distillation import distillation_loss
from .functional import jensen_shannon, kl_loss
from .reduction import Axis, Forms, Reduction

__all__ = ["DistillationLoss", "JensenShannonLoss", "KLDivLoss"]


class _PairLoss(torch.nn.Module):
    """What the losses of two distributions have in common: the options."""

    def __init__(
        self,
        given: Forms = "probs",
        *,
        reduction: Reduction = "mean",
        temperature: float = 1.0,
        axis: Axis = -1,
        ignore_index: int = -100,
        base: float | None = None,
        validate: bool | None = None,
    ) -> None:
        super().__init__()
        self.given = given
        self.reduction = _checked(reduction)
        self.temperature = _positive(temperature)
        self.axis = axis
        self.ignore_index = ignore_index
        self.base = base
        self.validate = validate

    def extra_repr(self) -> str:
        """The options, as they show when the module is printed."""
        return f"given={self.given!r}, reduction={self.reduction!r}, temperature={self.temperature}"

    def _options(self, labels: torch.Tensor | None, mask: torch.Tensor | None) -> dict[str, Any]:
        return {
            "given": self.given,
            "reduction": self.reduction,
            "temperature": self.temperature,
            "axis": self.axis,
            "base": self.base,
            "validate": self.validate,
            "mask": _labelled(labels, self.ignore_index, mask),
        }


class KLDivLoss(_PairLoss):
    """KL(p || q), p the target and q the prediction, averaged over the distributions.

    Unlike `torch.nn.KLDivLoss` it takes (p, q) in this order, both in the form that `given` says,
    and its "mean" is over distributions, whatever the number of batch axes.

    Parameters
    ----------
    given, axis, base, validate
        As in `unikl.kl_divergence`; a pair such as ("probs", "logits") for p and q.
    reduction, temperature
        As in `unikl.losses.kl_loss`.
    ignore_index : int
        Where `labels` hold it, the distribution does not count.

    Examples
    --------
    >>> import torch
    >>> from unikl.losses.torch import KLDivLoss
    >>> teacher, student = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 1.0]])
    >>> KLDivLoss(given=("probs", "logits"))(teacher, student)
    tensor(0.1201)
    """

    def forward(
        self,
        p: torch.Tensor,
        q: torch.Tensor,
        *,
        labels: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
        where: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss; labels, mask and weight have one entry for each distribution."""
        options = self._options(labels, mask)
        loss: torch.Tensor = kl_loss(p, q, weight=weight, where=where, **options)
        return loss


class JensenShannonLoss(_PairLoss):
    """Generalised Jensen-Shannon divergence; see `unikl.losses.jensen_shannon` for its scale.

    Parameters
    ----------
    beta : float
        The weight of p in the mixture: 0 gives KL(p || q), 1/2 the Jensen-Shannon divergence,
        1 gives KL(q || p), and the values between go over into these.
    given, reduction, temperature, axis, ignore_index, base, validate
        As in `KLDivLoss`.

    Examples
    --------
    >>> import torch
    >>> from unikl.losses.torch import JensenShannonLoss
    >>> p, q = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[0.25, 0.5, 0.25]])
    >>> JensenShannonLoss()(p, q)
    tensor(0.1079)
    """

    def __init__(self, beta: float = 0.5, *, given: Forms = "probs", **options: Any) -> None:
        super().__init__(given, **options)
        if not 0 <= beta <= 1:
            raise ValueError(f"beta must be from 0 to 1, got {beta!r}")
        self.beta = float(beta)

    def extra_repr(self) -> str:
        """The options, as they show when the module is printed."""
        return f"beta={self.beta}, {super().extra_repr()}"

    def forward(
        self,
        p: torch.Tensor,
        q: torch.Tensor,
        *,
        labels: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
        where: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss; labels, mask and weight have one entry for each distribution."""
        options = self._options(labels, mask)
        loss: torch.Tensor = jensen_shannon(
            p, q, beta=self.beta, weight=weight, where=where, **options
        )
        return loss


class DistillationLoss(torch.nn.Module):
    """Knowledge distillation with the factor T^2 and a term for the labels, where there are some.

    Parameters
    ----------
    temperature, alpha, ignore_index, reduction, validate
        As in `unikl.losses.distillation_loss`.

    Examples
    --------
    >>> import torch
    >>> from unikl.losses.torch import DistillationLoss
    >>> teacher, student = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([[0.3, 1.2, -2.0]])
    >>> DistillationLoss(temperature=3.0)(student, teacher)
    tensor(1.7477)
    """

    def __init__(
        self,
        temperature: float = 2.0,
        *,
        alpha: float = 0.5,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate: bool | None = None,
    ) -> None:
        super().__init__()
        self.temperature = _positive(temperature)
        self.alpha = alpha
        self.ignore_index = ignore_index
        self.reduction = _checked(reduction)
        self.validate = validate

    def extra_repr(self) -> str:
        """The options, as they show when the module is printed."""
        return f"temperature={self.temperature}, alpha={self.alpha}, reduction={self.reduction!r}"

    def forward(
        self,
        student_logits: torch.Tensor,
        teacher_logits: torch.Tensor,
        labels: torch.Tensor | None = None,
        *,
        mask: torch.Tensor | None = None,
        weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss; labels, mask and weight have one entry for each distribution."""
        loss: torch.Tensor = distillation_loss(
            student_logits,
            teacher_logits,
            labels,
            temperature=self.temperature,
            alpha=self.alpha,
            ignore_index=self.ignore_index,
            mask=mask,
            weight=weight,
            reduction=self.reduction,
            validate=self.validate,
        )
        return loss


def _labelled(
    labels: torch.Tensor | None, ignore_index: int, mask: torch.Tensor | None
) -> torch.Tensor | None:
    if labels is None:
        return mask
    labelled = labels != ignore_index
    return labelled if mask is None else labelled & mask


def _checked(reduction: Reduction) -> Reduction:
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(
            f"reduction must be one of none, sum, mean (over distributions, which is what "
            f"'batchmean' meant to be), got {reduction!r}"
        )
    return reduction


def _positive(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    return float(temperature)
