"""Distillation: the factor T^2, the labels, and what is ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unikl import kl_divergence
from unikl.losses import distillation_loss

if TYPE_CHECKING:
    from tests.losses.conftest import Framework

RNG = np.random.default_rng(0)
STUDENT, TEACHER = 3 * RNG.normal(size=(2, 2, 4, 10))
LABELS = RNG.integers(0, 10, (2, 4))


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_the_number_that_keras_misses(framework: Framework) -> None:
    """Keras' own LogitsDistillation() gives 3.6525 here, as it leaves out the softmax."""
    teacher, student = framework.array([[2.0, -1.0, 0.5]]), framework.array([[0.3, 1.2, -2.0]])
    loss = float(distillation_loss(student, teacher, temperature=3.0))
    assert loss == pytest.approx(1.74765, abs=5e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_both_terms(temperature: float, framework: Framework) -> None:
    soft = temperature**2 * kl_divergence(
        TEACHER / temperature, STUDENT / temperature, given="logits"
    )
    hard = -np.take_along_axis(log_softmax(STUDENT), LABELS[..., None], -1)[..., 0]
    student, teacher = framework.array(STUDENT), framework.array(TEACHER)
    labels = framework.array(LABELS, np.int32)
    for alpha in (0.0, 0.3, 1.0):
        got = distillation_loss(
            student, teacher, labels, temperature=temperature, alpha=alpha, reduction="none"
        )
        expected = alpha * soft + (1 - alpha) * hard
        np.testing.assert_allclose(framework.numpy(got), expected, rtol=1e-13)
    alone = distillation_loss(student, teacher, temperature=temperature, alpha=0.3)
    assert float(alone) == pytest.approx(soft.mean(), rel=1e-13)


def test_torch_cross_entropy_agrees() -> None:
    import torch
    import torch.nn.functional as F

    student, teacher = torch.from_numpy(STUDENT), torch.from_numpy(TEACHER)
    labels = torch.from_numpy(LABELS).clone()
    labels[0, 1] = -100
    hard = distillation_loss(student, teacher, labels, alpha=0.0)
    native = F.cross_entropy(student.reshape(-1, 10), labels.reshape(-1))
    torch.testing.assert_close(hard, native, rtol=1e-14, atol=0)


def test_the_square_keeps_the_gradient(autodiff: Framework) -> None:
    """As T grows, T^2 KL goes to half the squared distance of the centred logits, over K."""
    student, teacher = autodiff.array(STUDENT), autodiff.array(TEACHER)
    (gradient,) = autodiff.gradients(
        lambda student: distillation_loss(student, teacher, temperature=1024.0, reduction="sum"),
        student,
    )
    centred = [x - x.mean(-1, keepdims=True) for x in (STUDENT, TEACHER)]
    np.testing.assert_allclose(gradient, (centred[0] - centred[1]) / 10, atol=0.01)


def test_ignored_labels_count_nowhere(autodiff: Framework) -> None:
    kept = np.array([[True, False, True, True], [False, True, True, False]])
    labels = np.where(kept, LABELS, -1)
    expected = distillation_loss(STUDENT[kept], TEACHER[kept], LABELS[kept])
    student = autodiff.array(np.where(kept[..., None], STUDENT, np.nan))
    teacher, labels = autodiff.array(TEACHER), autodiff.array(labels, np.int64)
    loss = distillation_loss(student, teacher, labels, ignore_index=-1)
    assert float(loss) == pytest.approx(float(expected), rel=1e-14)
    (gradient,) = autodiff.gradients(
        lambda student: distillation_loss(student, teacher, labels, ignore_index=-1), student
    )
    assert not gradient[~kept].any()
    assert gradient[kept].all()


def test_masks_and_weights_join_the_labels() -> None:
    mask = np.array([[True, True, False, True]] * 2)
    weight = np.arange(8.0).reshape(2, 4)
    each = distillation_loss(STUDENT, TEACHER, LABELS, reduction="none")
    labels = np.where(np.arange(8).reshape(2, 4) == 5, -100, LABELS)
    counts = weight * mask * (labels >= 0)
    got = distillation_loss(STUDENT, TEACHER, labels, mask=mask, weight=weight)
    assert got == pytest.approx((counts * each).sum() / counts.sum(), rel=1e-14)


def test_a_label_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="p has no mass"):
        distillation_loss(STUDENT, TEACHER, LABELS + 10)
