"""The metric of `unikl.losses.keras`, and how masks and sample weights become weights of rows."""

from typing import Any

import keras
from keras import ops
from keras.src.backend import get_keras_mask

from ..core import kl_divergence
from .reduction import Axis, Forms, each_distribution

__all__ = ["KLMetric", "as_tuple", "mask_of", "row_weights"]


@keras.saving.register_keras_serializable(package="unikl")
class KLMetric(keras.metrics.Metric):  # type: ignore[misc]
    """Weighted mean of KL(y_true || y_pred) over all distributions seen.

    The state is `unikl.KLMetric`'s, the sum of weight KL and that of the weights, in variables that
    Keras adds up over replicas; in floatx, or in `dtype`: "float64" for long runs.

    Parameters
    ----------
    given, axis, base
        As in `unikl.kl_divergence`.
    name, dtype
        As in `keras.metrics.Metric`.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses.keras import KLMetric
    >>> metric = KLMetric(given=("probs", "logits"))
    >>> metric.update_state(np.array([[0.5, 0.5], [0.9, 0.1]]), np.zeros((2, 2)))
    >>> round(float(metric.result()), 5)
    0.18403
    """

    def __init__(
        self,
        given: Forms = "probs",
        *,
        axis: Axis = -1,
        base: float | None = None,
        name: str = "kl_divergence",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.options: dict[str, Any] = {
            "given": as_tuple(given),
            "axis": as_tuple(axis),
            "base": base,
        }
        self.total = self.add_variable(shape=(), initializer="zeros", name="total")
        self.weight = self.add_variable(shape=(), initializer="zeros", name="weight")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add distributions; a mask that came with y_pred counts."""
        weights = [mask_of(y_pred), sample_weight]
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        weight = row_weights(y_pred, self.options["axis"], weights)
        rows = each_distribution(
            kl_divergence, y_true, y_pred, where=None, mask=None, weight=weight, **self.options
        )
        self.total.assign_add(ops.sum(rows.values * rows.weights))
        self.weight.assign_add(ops.sum(rows.weights))

    def result(self) -> Any:
        """The mean, 0 if there were no data (as in Keras' own metrics)."""
        return ops.divide_no_nan(ops.convert_to_tensor(self.total), self.weight)

    def get_config(self) -> dict[str, Any]:
        """The options, from which `from_config` makes the same metric."""
        return {**super().get_config(), **self.options}


def mask_of(y_pred: Any) -> Any:
    """The mask that Keras keeps with a tensor.

    It has no public name: an attribute for some backends, a table by identity for the other ones.
    """
    return get_keras_mask(y_pred)


def row_weights(y_pred: Any, axis: Axis, weights: list[Any]) -> Any:
    """The product of the weights and masks that there are, one for each distribution."""
    product = ops.sum(ops.zeros_like(y_pred), axis=axis) + 1
    for weight in weights:
        if weight is not None:
            weight = ops.convert_to_tensor(weight, dtype=product.dtype)
            if len(weight.shape) == len(product.shape) + 1 and weight.shape[-1] == 1:
                weight = ops.squeeze(weight, axis=-1)
            while len(weight.shape) < len(product.shape):
                weight = ops.expand_dims(weight, axis=-1)
            product = product * weight
    return product


def as_tuple(value: Any) -> Any:
    """Lists, which tuples come back as from JSON, as tuples."""
    return tuple(value) if isinstance(value, list) else value
