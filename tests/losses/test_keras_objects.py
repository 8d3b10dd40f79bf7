"""Losses, regulariser and metric in Keras, on the backend of this process and on the other ones.

Keras takes one backend for each process, TensorFlow if KERAS_BACKEND does not say otherwise; the
last test here runs all the other ones in processes with each of the other backends.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.backend import set_keras_mask

from unikl.losses import distillation_loss, jensen_shannon, kl_loss, kl_sparsity
from unikl.losses.keras import DistillationLoss, JensenShannonLoss, KLDivLoss, KLMetric, KLSparsity

# Keras' own: how its TensorFlow backend copies a variable, how its numpy backend divides by zero.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*encountered in divide:RuntimeWarning"),
]

HERE = Path(__file__)
BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
P, Q = RNG.dirichlet(np.ones(4), (2, 3, 5)).astype(np.float32)  # [3, 5, 4]
A, B = np.log(P), np.log(Q)
LABELS = RNG.integers(0, 4, (3, 5))
MASK = RNG.random((3, 5)) < 0.6
WEIGHT = RNG.uniform(0.5, 2, (3, 5)).astype(np.float32)
REL = 1e-5
LOSSES: list[Any] = [
    KLDivLoss(("probs", "logits"), reduction="sum", name="mine"),
    KLDivLoss("logits", temperature=2.0, base=2, axis=(-2, -1)),
    JensenShannonLoss(0.25, given="counts", dtype="float32"),
    DistillationLoss(3.0, alpha=0.25, ignore_index=-1, reduction="none"),
]


def tensor(x: Any, mask: Any = None) -> Any:
    made = ops.convert_to_tensor(x)
    if mask is not None:
        set_keras_mask(made, ops.convert_to_tensor(mask))
    return made


def test_losses_are_the_functions() -> None:
    p, q, a, b = map(tensor, (P, Q, A, B))
    assert float(KLDivLoss()(p, q)) == pytest.approx(kl_loss(P, Q), rel=REL)
    assert float(KLDivLoss(reduction="sum")(p, q)) == pytest.approx(15 * kl_loss(P, Q), rel=REL)
    assert KLDivLoss(reduction="none")(p, q).shape == (3, 5)
    mixed = KLDivLoss(("probs", "logits"), base=2)(p, b)
    assert float(mixed) == pytest.approx(kl_loss(P, Q, base=2), rel=REL)
    got = JensenShannonLoss(0.25, given="logits", temperature=2.0)(a, b)
    expected = jensen_shannon(A, B, given="logits", beta=0.25, temperature=2.0)
    assert float(got) == pytest.approx(expected, rel=REL)
    got = DistillationLoss(3.0)(a, b)
    assert float(got) == pytest.approx(distillation_loss(B, A, temperature=3.0), rel=REL)


def test_clipping_is_gone() -> None:
    """Keras' own loss says 5.774 for the first and -1.6e-06 for the second."""
    p, q = tensor([[0.3, 0.3, 0.4]]), tensor([[0.5, 0.5, 0.0]])
    assert float(KLDivLoss()(p, q)) == math.inf
    counts = float(KLDivLoss("counts")(tensor([[2.0, 2.0, 0.0]]), tensor([[1.0, 2.0, 1.0]])))
    assert counts == pytest.approx(0.346574, abs=1e-6)


@pytest.mark.parametrize("weight", [None, WEIGHT, WEIGHT[..., None], WEIGHT[:, 0]])
@pytest.mark.parametrize("masked", [False, True])
def test_weights_sum_and_masks_hide_anything(masked: bool, weight: Any) -> None:
    mask = MASK if masked else np.ones((3, 5), bool)
    full = np.ones((3, 5)) if weight is None else weight[:, None] if weight.ndim == 1 else WEIGHT
    expected = kl_loss(P[mask], Q[mask], weight=np.broadcast_to(full, (3, 5))[mask])
    for junk in (0.0, math.nan, 1.0):
        q = np.where(mask[..., None], Q, np.float32(junk))
        y_pred = tensor(q, mask if masked else None)
        got = KLDivLoss()(tensor(P), y_pred, sample_weight=weight)
        assert float(got) == pytest.approx(expected, rel=REL)


def test_weights_of_zero_hide_anything_too() -> None:
    q = np.where(MASK[..., None], Q, np.float32(math.nan))
    got = KLDivLoss()(tensor(P), tensor(q), sample_weight=MASK * WEIGHT)
    assert float(got) == pytest.approx(kl_loss(P[MASK], Q[MASK], weight=WEIGHT[MASK]), rel=REL)


def test_distillation_with_labels() -> None:
    labels = np.where(MASK, LABELS, -100)
    expected = distillation_loss(B, A, labels, temperature=3.0, weight=WEIGHT)
    pair = (tensor(A), tensor(labels))
    got = DistillationLoss(3.0)(pair, tensor(B), sample_weight=WEIGHT)
    assert float(got) == pytest.approx(float(expected), rel=REL)
    got = DistillationLoss(3.0)(pair, tensor(np.where(MASK[..., None], B, np.float32(math.nan))))
    expected = distillation_loss(B, A, labels, temperature=3.0)
    assert float(got) == pytest.approx(float(expected), rel=REL)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_losses_serialise(loss: Any) -> None:
    stored = keras.saving.serialize_keras_object(loss)
    twin = keras.saving.deserialize_keras_object(stored)
    assert type(twin) is type(loss)
    assert twin.get_config() == loss.get_config()
    assert (twin.name, twin.dtype, twin.reduction) == (loss.name, loss.dtype, loss.reduction)
    y_true, y_pred = (P, Q) if isinstance(loss, JensenShannonLoss) else (P, B)
    if loss is not LOSSES[0]:
        y_true = P if isinstance(loss, JensenShannonLoss) else A
    got, expected = (
        ops.convert_to_numpy(one(tensor(y_true), tensor(y_pred))) for one in (twin, loss)
    )
    np.testing.assert_array_equal(got, expected)
    assert keras.losses.deserialize(keras.losses.serialize(loss)).get_config() == loss.get_config()


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match="reduction must be one of"):
        KLDivLoss(reduction="sum_over_batch_size")
    with pytest.raises(ValueError, match="beta must be from 0 to 1"):
        JensenShannonLoss(-1)


def test_the_penalty_does_not_depend_on_the_batch_size() -> None:
    x = RNG.uniform(0, 1, (6, 4)).astype(np.float32)
    layer = keras.layers.Activation("linear", activity_regularizer=KLSparsity(0.1, weight=0.5))
    expected = 0.5 * kl_sparsity(x, target=0.1)
    for batch in (x, np.concatenate([x] * 3)):
        layer(tensor(batch))
        assert float(layer.losses[0]) == pytest.approx(float(expected), rel=REL)


def test_the_regulariser_serialises() -> None:
    regularizer = KLSparsity(0.1, weight=0.5)
    twin = keras.regularizers.deserialize(keras.regularizers.serialize(regularizer))
    assert isinstance(twin, KLSparsity)
    assert twin.get_config() == {"target": 0.1, "weight": 0.5}
    assert KLSparsity().get_config() == {"target": 0.05, "weight": 0.01}


@pytest.mark.skipif(BACKEND == "numpy", reason="Keras' numpy backend adds no penalty to a loss")
def test_a_model_keeps_its_loss_and_regulariser(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, "sigmoid", activity_regularizer=KLSparsity(0.1, 0.5))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    loss = KLDivLoss(("probs", "logits"))
    metric = KLMetric(("probs", "logits"))
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, loss=loss, weighted_metrics=[metric], jit_compile=False)
    x, y, weight = A[0], P[0], WEIGHT[0]
    logits = ops.convert_to_numpy(model(tensor(x)))
    active = ops.convert_to_numpy(keras.Model(inputs, hidden)(tensor(x)))
    kl = kl_loss(y, logits, given=("probs", "logits"), weight=weight)
    expected = kl + 0.5 * kl_sparsity(active, target=0.1)
    before = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    assert before["loss"] == pytest.approx(float(expected), rel=1e-4)
    assert before["kl_divergence"] == pytest.approx(float(kl), rel=1e-4)

    model.fit(x, y, sample_weight=weight, epochs=3, verbose=0)
    after = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == loss.get_config()
    assert loaded.layers[1].activity_regularizer.get_config() == {"target": 0.1, "weight": 0.5}
    here, there = (
        one.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
        for one in (model, loaded)
    )
    assert there == pytest.approx(here)


def test_masks_come_through_a_model() -> None:
    inputs = keras.Input((5, 4))
    masked = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, keras.layers.Activation("linear")(masked))
    model.compile(loss=KLDivLoss(("probs", "logits")), jit_compile=False)
    x, y = B.copy(), P.copy()
    x[~MASK], y[~MASK] = 0, 0
    loss = model.evaluate(x, y, verbose=0)
    expected = kl_loss(P[MASK], Q[MASK])
    assert loss == pytest.approx(float(expected), rel=1e-4)


def test_metric() -> None:
    metric = KLMetric("logits", base=2)
    assert float(metric.result()) == 0
    for k in range(3):
        metric.update_state(tensor(A[k]), tensor(B[k], MASK[k]), sample_weight=WEIGHT[k])
    expected = kl_loss(A, B, given="logits", base=2, mask=MASK, weight=WEIGHT)
    assert float(metric.result()) == pytest.approx(float(expected), rel=REL)
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert twin.get_config() == metric.get_config()
    metric.reset_state()
    assert float(metric.result()) == 0


_REPLICAS = """
import numpy as np, tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
import keras
from unikl.losses.keras import KLDivLoss, KLMetric

given = ("probs", "logits")
with tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Activation("linear")])
    model.compile(loss=KLDivLoss(given, reduction="sum"), weighted_metrics=[KLMetric(given)])
rng = np.random.default_rng(0)
p, q, weight = rng.dirichlet(np.ones(4), 8), rng.normal(size=(8, 4)), np.arange(8.0)
print(*model.evaluate(q, p, sample_weight=weight, batch_size=8, verbose=0))
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the strategies are TensorFlow's")
def test_two_replicas() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _REPLICAS],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    rng = np.random.default_rng(0)
    p, q, weight = rng.dirichlet(np.ones(4), 8), rng.normal(size=(8, 4)), np.arange(8.0)
    mean = float(kl_loss(p, q, given=("probs", "logits"), weight=weight))
    loss, metric = map(float, done.stdout.split()[-2:])
    assert loss == pytest.approx(28 * mean, rel=REL)
    assert metric == pytest.approx(mean, rel=REL)


@pytest.mark.parametrize("backend", sorted({"tensorflow", "torch", "jax", "numpy"} - {BACKEND}))
def test_on_the_other_backends(backend: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE)]
    done = subprocess.run(
        [*command, "-k", "not other_backends"],
        cwd=HERE.parents[2],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
