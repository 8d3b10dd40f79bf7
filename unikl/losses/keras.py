"""Losses, a regulariser and a metric for Keras 3, on any Keras backend."""

import functools
from typing import Any

import keras
from keras import ops

from ..backends import get_backend
from .distillation import distillation_loss
from .functional import jensen_shannon, kl_loss
from .keras_metric import KLMetric, as_tuple, mask_of, row_weights
from .latent import kl_sparsity
from .reduction import Axis, Forms, Reduction, negative_axes, replace_rows

__all__ = ["DistillationLoss", "JensenShannonLoss", "KLDivLoss", "KLMetric", "KLSparsity"]

_register = keras.saving.register_keras_serializable(package="unikl")
# Keras' name for the mean that divides by the sum of the weights, not by their count.
_KERAS_REDUCTIONS = {"mean": "mean_with_sample_weight", "sum": "sum", "none": "none"}


class _Loss(keras.losses.Loss):  # type: ignore[misc]
    """Masks and sample weights as all of this library has them, under Keras' own reduction."""

    given: Forms = "logits"
    axis: Axis = -1

    def __init__(self, reduction: Reduction, name: str, dtype: str | None) -> None:
        if reduction not in _KERAS_REDUCTIONS:
            raise ValueError(f"reduction must be one of none, sum, mean, got {reduction!r}")
        super().__init__(name=name, reduction=_KERAS_REDUCTIONS[reduction], dtype=dtype)
        self._config = {"reduction": reduction, "name": name, "dtype": dtype}

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss; a mask that came with y_pred counts."""
        weights = [mask_of(y_pred), sample_weight, self._labelled(y_true)]
        if any(weight is not None for weight in weights):
            y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
            sample_weight = row_weights(y_pred, self.axis, weights)
            y_true, y_pred = self._without(y_true, y_pred, sample_weight != 0)
        return super().__call__(y_true, y_pred, sample_weight)

    def _labelled(self, y_true: Any) -> Any:
        """Which rows have a label; None for all."""
        return None

    def _without(self, y_true: Any, y_pred: Any, kept: Any) -> tuple[Any, Any]:
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        room = get_backend(y_pred)
        axis = negative_axes(room, (y_pred,), self.axis)
        return replace_rows(room, (y_true, y_pred), kept, self.given, axis)

    def get_config(self) -> dict[str, Any]:
        """The options, from which `from_config` makes the same loss."""
        return dict(self._config)


class _PairLoss(_Loss):
    """A loss of two distributions, y_true and y_pred."""

    def __init__(
        self,
        given: Forms = "probs",
        *,
        reduction: Reduction = "mean",
        temperature: float = 1.0,
        axis: Axis = -1,
        base: float | None = None,
        name: str,
        dtype: str | None = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.given = as_tuple(given)
        self.axis = as_tuple(axis)
        self.options: dict[str, Any] = {"temperature": temperature, "base": base}

    def get_config(self) -> dict[str, Any]:
        """The options, from which `from_config` makes the same loss."""
        return {**super().get_config(), "given": self.given, "axis": self.axis, **self.options}


@_register
class KLDivLoss(_PairLoss):
    """KL(y_true || y_pred), averaged over the distributions.

    Unlike `keras.losses.KLDivergence` nothing is clipped, logits are taken as they are, and the
    mean is the sum of the weighted divergences over the sum of the weights, under masks too.

    Parameters
    ----------
    given, axis, base
        As in `unikl.kl_divergence`; a pair such as ("probs", "logits") for y_true and y_pred.
    reduction, temperature
        As in `unikl.losses.kl_loss`.
    name, dtype
        As in `keras.losses.Loss`: it computes in Keras' floatx if dtype is None.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses.keras import KLDivLoss
    >>> p, q = np.array([[0.3, 0.3, 0.4]]), np.array([[0.5, 0.5, 0.0]])
    >>> float(KLDivLoss()(p, q)), float(KLDivLoss()(p, q, sample_weight=np.zeros(1)))
    (inf, 0.0)
    """

    def __init__(
        self, given: Forms = "probs", *, name: str = "kl_divergence", **options: Any
    ) -> None:
        super().__init__(given, name=name, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One divergence for each distribution."""
        return kl_loss(
            y_true, y_pred, given=self.given, axis=self.axis, reduction="none", **self.options
        )


@_register
class JensenShannonLoss(_PairLoss):
    """Generalised Jensen-Shannon divergence; see `unikl.losses.jensen_shannon` for its scale.

    Parameters
    ----------
    beta : float
        The weight of y_true in the mixture: 0 gives KL(y_true || y_pred), 1/2 the Jensen-Shannon
        divergence, 1 gives KL(y_pred || y_true).
    given, reduction, temperature, axis, base, name, dtype
        As in `KLDivLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses.keras import JensenShannonLoss
    >>> p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    >>> round(float(JensenShannonLoss()(p, q)), 6)
    0.107881
    """

    def __init__(
        self,
        beta: float = 0.5,
        *,
        given: Forms = "probs",
        name: str = "jensen_shannon",
        **options: Any,
    ) -> None:
        super().__init__(given, name=name, **options)
        if not 0 <= beta <= 1:
            raise ValueError(f"beta must be from 0 to 1, got {beta!r}")
        self.options["beta"] = beta

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One divergence for each distribution."""
        return jensen_shannon(
            y_true, y_pred, given=self.given, axis=self.axis, reduction="none", **self.options
        )


@_register
class DistillationLoss(_Loss):
    """Knowledge distillation with the factor T^2 and a term for the labels, where there are some.

    `y_pred` are the student's logits; `y_true` the teacher's logits, or a tuple of these and the
    integer labels (in a training step of your own: `fit` passes no tuple for one output).  See
    `unikl.losses.distillation_loss`.

    Parameters
    ----------
    temperature, alpha, ignore_index, reduction
        As in `unikl.losses.distillation_loss`.
    name, dtype
        As in `keras.losses.Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses.keras import DistillationLoss
    >>> teacher, student = np.array([[2.0, -1.0, 0.5]]), np.array([[0.3, 1.2, -2.0]])
    >>> round(float(DistillationLoss(temperature=3.0)(teacher, student)), 4)
    1.7477
    """

    def __init__(
        self,
        temperature: float = 2.0,
        *,
        alpha: float = 0.5,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        name: str = "distillation",
        dtype: str | None = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.options: dict[str, Any] = {
            "temperature": temperature,
            "alpha": alpha,
            "ignore_index": ignore_index,
        }

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One loss for each example."""
        teacher, labels = y_true if isinstance(y_true, tuple) else (y_true, None)
        return distillation_loss(y_pred, teacher, labels, reduction="none", **self.options)

    def _labelled(self, y_true: Any) -> Any:
        if not isinstance(y_true, tuple):
            return None
        return ops.not_equal(y_true[1], self.options["ignore_index"])

    def _without(self, y_true: Any, y_pred: Any, kept: Any) -> tuple[Any, Any]:
        if not isinstance(y_true, tuple):
            return super()._without(y_true, y_pred, kept)
        teacher, y_pred = super()._without(y_true[0], y_pred, kept)
        return (teacher, ops.where(kept, y_true[1], self.options["ignore_index"])), y_pred

    def get_config(self) -> dict[str, Any]:
        """The options, from which `from_config` makes the same loss."""
        return {**super().get_config(), **self.options}


@_register
class KLSparsity(keras.regularizers.Regularizer):  # type: ignore[misc]
    """The activity regulariser of a sparse autoencoder, for a layer with activations in [0, 1].

    The layer's loss is ``weight sum_j KL(Bernoulli(target) || Bernoulli(mean activation of j))``
    over the units j, with both terms, for being active and for not (`unikl.losses.kl_sparsity`).

    Keras 3.14 and later divide what an activity regulariser returns by the batch size, which would
    make this penalty, a function of batch means, the weaker the larger the batch.  There, what this
    object returns is multiplied by the batch size, so that the layer's loss is the same in every
    version of Keras and batch size; for the plain number call `unikl.losses.kl_sparsity`.

    Parameters
    ----------
    target : float
        The wanted mean activation of each unit.
    weight : float
        The weight of the penalty.

    Examples
    --------
    >>> import keras
    >>> from unikl.losses.keras import KLSparsity
    >>> layer = keras.layers.Activation("linear", activity_regularizer=KLSparsity(0.2, weight=1.0))
    >>> _ = layer(keras.ops.convert_to_tensor([[0.1, 0.9], [0.3, 0.5]]))
    >>> round(float(layer.losses[0]), 5)
    0.53411
    """

    def __init__(self, target: float = 0.05, weight: float = 0.01) -> None:
        self.target = float(target)
        self.weight = float(weight)
        self._times_batch = _layers_divide_by_batch_size()

    def __call__(self, x: Any) -> Any:
        """What Keras makes the layer's loss of."""
        loss = self.weight * kl_sparsity(x, target=self.target)
        return loss * ops.cast(ops.shape(x)[0], loss.dtype) if self._times_batch else loss

    def get_config(self) -> dict[str, Any]:
        """The options, from which `from_config` makes the same regulariser."""
        return {"target": self.target, "weight": self.weight}


@functools.cache
def _layers_divide_by_batch_size() -> bool:
    """Does this version of Keras divide an activity regulariser's value?  Asked of a layer."""
    layer = keras.layers.Activation(
        "linear", activity_regularizer=lambda x: ops.sum(ops.ones_like(x))
    )
    layer(ops.ones((2, 1)))
    return float(layer.losses[0]) < 1.5
