"""Knowledge distillation: a teacher's distributions, and labels."""

from typing import Any

from ..backends import Array, get_backend
from .functional import kl_loss
from .reduction import Reduction

__all__ = ["distillation_loss"]


def distillation_loss(
    student_logits: Any,
    teacher_logits: Any,
    labels: Any = None,
    *,
    temperature: float = 2.0,
    alpha: float = 0.5,
    ignore_index: int = -100,
    mask: Any = None,
    weight: Any = None,
    reduction: Reduction = "mean",
    validate: bool | None = None,
) -> Array:
    """Knowledge distillation: the teacher's distribution, and the labels where there are some.

    ``alpha T^2 KL(softmax(teacher/T) || softmax(student/T)) + (1 - alpha) (-log student[label])``,
    or the first term alone, without alpha, if there are no labels.

    Parameters
    ----------
    student_logits, teacher_logits : array
        Logits, categories last.
    labels : array of int, optional
        The right category of each distribution.
    temperature : float
        T.  Its square keeps the size of the gradient, which falls as 1/T^2.
    alpha : float
        The weight of the teacher.
    ignore_index : int
        Where the label is this, the distribution counts in neither term (padding, prompts).
    mask, weight, reduction, validate
        As in `kl_loss`.

    Returns
    -------
    array
        A scalar; with "none", one value for each distribution.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network" (2015).

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.losses import distillation_loss
    >>> teacher, student = np.array([[2.0, -1.0, 0.5]]), np.array([[0.3, 1.2, -2.0]])
    >>> round(float(distillation_loss(student, teacher, temperature=3.0)), 5)
    1.74765
    >>> round(float(distillation_loss(student, teacher, np.array([0]), temperature=3.0)), 5)
    1.50869
    """
    if labels is not None:
        mask = _with_labels(student_logits, labels, ignore_index, mask)
    options: Any = {"mask": mask, "weight": weight, "reduction": reduction, "validate": validate}
    soft = temperature**2 * kl_loss(
        teacher_logits, student_logits, given="logits", temperature=temperature, **options
    )
    if labels is None:
        return soft
    hard = kl_loss(
        _one_hot(student_logits, labels), student_logits, given=("counts", "logits"), **options
    )
    return alpha * soft + (1 - alpha) * hard


def _with_labels(logits: Any, labels: Any, ignore_index: int, mask: Any) -> Array:
    room = get_backend(logits, labels, mask)
    labelled = room.asarray(labels, logits) != ignore_index
    return labelled if mask is None else labelled & room.asarray(mask, logits)


def _one_hot(logits: Any, labels: Any) -> Array:
    """The labels as weights: 1 at the label, 0 elsewhere (everywhere, for no such category)."""
    room = get_backend(logits, labels)
    xp = room.xp
    labels = room.asarray(labels, logits)
    length = (room.shape(logits) or (None,))[-1]
    if length is None:
        raise ValueError("the number of categories must be known to read labels")
    categories = xp.astype(room.asarray(list(range(length)), labels), labels.dtype)
    hot = xp.expand_dims(labels, axis=-1) == categories
    return xp.where(hot, xp.ones_like(logits), xp.zeros_like(logits))
