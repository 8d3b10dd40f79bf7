"""Reductions, weights and masks: right for any batch axes, blind to what is masked out."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unikl import kl_divergence
from unikl.losses import jensen_shannon, kl_loss

if TYPE_CHECKING:
    from tests.losses.conftest import Framework

RNG = np.random.default_rng(0)
P, Q = RNG.dirichlet(np.ones(5), (2, 2, 3))  # [2, 3, 5] each
WEIGHT = RNG.uniform(0.5, 2, (2, 3))
MASK = np.array([[True, True, False], [False, True, True]])
JUNK = (np.nan, -1.0, np.inf, 0.0)


def test_the_mean_is_over_distributions(framework: Framework) -> None:
    rows = kl_divergence(P, Q)
    p, q = framework.array(P), framework.array(Q)
    each = framework.numpy(kl_loss(p, q, reduction="none"))
    np.testing.assert_allclose(each, rows, rtol=1e-14)
    assert float(kl_loss(p, q, reduction="sum")) == pytest.approx(rows.sum(), rel=1e-14)
    assert float(kl_loss(p, q)) == pytest.approx(rows.sum() / 6, rel=1e-14)


def test_torch_divides_by_something_else() -> None:
    import torch
    import torch.nn.functional as F

    p, q = torch.from_numpy(P), torch.from_numpy(Q)
    ours = kl_loss(p, q).item()
    assert F.kl_div(q.log(), p, reduction="batchmean").item() == pytest.approx(3 * ours)
    with pytest.warns(UserWarning, match="mean"):
        assert F.kl_div(q.log(), p, reduction="mean").item() == pytest.approx(ours / 5)


def test_weights_sum(framework: Framework) -> None:
    rows = kl_divergence(P, Q)
    p, q, weight = framework.array(P), framework.array(Q), framework.array(WEIGHT)
    mean = float(kl_loss(p, q, weight=weight))
    assert mean == pytest.approx((WEIGHT * rows).sum() / WEIGHT.sum(), rel=1e-14)
    assert float(kl_loss(p, q, weight=10 * weight)) == pytest.approx(mean, rel=1e-14)
    total = float(kl_loss(p, q, weight=weight, reduction="sum"))
    assert total == pytest.approx((WEIGHT * rows).sum(), rel=1e-14)
    each = framework.numpy(kl_loss(p, q, weight=weight, reduction="none"))
    np.testing.assert_allclose(each, WEIGHT * rows, rtol=1e-14)


@pytest.mark.parametrize("loss", [kl_loss, jensen_shannon])
@pytest.mark.parametrize("given", ["probs", "counts", "logits", "log_probs", ("probs", "logits")])
@pytest.mark.parametrize("by", ["mask", "weight"])
def test_what_does_not_count_may_hold_anything(
    loss: Any, given: Any, by: str, autodiff: Framework
) -> None:
    forms = (given, given) if isinstance(given, str) else given
    p, q = (
        np.log(x) if form in ("logits", "log_probs") else x
        for x, form in zip((P, Q), forms, strict=True)
    )
    option = {by: autodiff.array(MASK, bool if by == "mask" else float)}

    def mean(p: Any, q: Any) -> Any:
        return loss(p, q, given=given, **option)

    clean = autodiff.gradients(mean, autodiff.array(p), autodiff.array(q))
    value = float(loss(p[MASK], q[MASK], given=given))
    for junk in JUNK:
        spoilt = [np.where(MASK[..., None], x, junk) for x in (p, q)]
        arrays = [autodiff.array(x) for x in spoilt]
        assert float(mean(*arrays)) == pytest.approx(value, rel=1e-14)
        for got, expected in zip(autodiff.gradients(mean, *arrays), clean, strict=True):
            np.testing.assert_array_equal(got, expected)
            assert not got[~MASK].any()


def test_masking_the_sum_alone_would_not_do(autodiff: Framework) -> None:
    """The control: a row that is left out only after it was computed leaves NaN behind."""
    p, q = autodiff.array(np.where(MASK[..., None], P, np.nan)), autodiff.array(Q)

    def dropped(p: Any) -> Any:
        return (kl_divergence(p, q, validate=False)[0, 2]) * 0

    assert np.isnan(autodiff.gradients(dropped, p)[0][0, 2]).all()


def test_nothing_left_is_zero(autodiff: Framework) -> None:
    p, q = autodiff.array(P), autodiff.array(Q)
    none = autodiff.array(np.zeros((2, 3)), bool)
    assert float(kl_loss(p, q, mask=none)) == 0
    (gradient,) = autodiff.gradients(lambda q: kl_loss(p, q, mask=none), q)
    assert not gradient.any()
    assert kl_loss(np.ones((0, 3)), np.ones((0, 3))) == 0


AXES = [-1, 0, (0, 2), (-2, -1), 1, None]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("given", ["counts", "logits"])
def test_masks_follow_the_axis(axis: Any, given: Any) -> None:
    p, q = P + 0.5, Q + 0.5
    rows = kl_divergence(p, q, given=given, axis=axis)
    assert np.ndim(rows) == 3 - len(np.atleast_1d(axis if axis is not None else (0, 1, 2)))
    for bits in itertools.islice(itertools.product([True, False], repeat=rows.size), 0, 64, 7):
        mask = np.array(bits).reshape(np.shape(rows))
        each = kl_loss(p, q, given=given, axis=axis, mask=mask, reduction="none")
        np.testing.assert_allclose(each, np.where(mask, rows, 0), rtol=1e-13)


def test_masks_broadcast() -> None:
    rows = kl_divergence(P, Q)
    mask = np.array([True, False, True])
    each = kl_loss(P, Q, mask=mask, reduction="none")
    np.testing.assert_array_equal(each, np.where(mask, rows, 0))
    assert kl_loss(P, Q, mask=mask) == pytest.approx(rows[:, mask].mean(), rel=1e-14)
    p, q, mask = P.transpose(2, 0, 1), Q.transpose(2, 0, 1), np.array([True, False, True])
    assert kl_loss(p, q, axis=0, mask=mask) == pytest.approx(rows[:, mask].mean(), rel=1e-14)


def test_where_masks_categories(framework: Framework) -> None:
    where = np.ones(P.shape, bool)
    where[..., 4] = False
    where[0, 2] = False  # a padded row has no category at all
    mask = where.any(-1)
    p, q = (x / x.sum(-1, where=where, keepdims=True, initial=1e-300) for x in (P, Q))
    expected = kl_divergence(p[mask][:, :4], q[mask][:, :4]).mean()
    arrays = [framework.array(x) for x in (p, q)]
    masks = [framework.array(x, bool) for x in (where, mask)]
    got = float(kl_loss(*arrays, where=masks[0], mask=masks[1]))
    assert got == pytest.approx(expected, rel=1e-14)


def test_temperature(framework: Framework) -> None:
    a, b = np.log(P), np.log(Q)
    for temperature in (0.5, 1.0, 3.0):
        expected = kl_divergence(a / temperature, b / temperature, given="logits").mean()
        for given in ("logits", "log_probs", ("log_probs", "logits")):
            got = kl_loss(
                framework.array(a), framework.array(b), given=given, temperature=temperature
            )
            assert float(got) == pytest.approx(expected, rel=1e-14)


def test_graphs_of_unknown_shape(framework: Framework) -> None:
    mean = framework.compiled(lambda p, q, w: kl_loss(p, q, weight=w))
    arrays = [framework.array(x) for x in (P, Q, WEIGHT * MASK)]
    assert float(mean(*arrays)) == pytest.approx(float(kl_loss(*arrays[:2], weight=arrays[2])))


def test_graphs_of_unknown_rank() -> None:
    import tensorflow as tf

    specs = [tf.TensorSpec(None, dtype) for dtype in (tf.float64, tf.float64, tf.bool)]
    mean = tf.function(lambda p, q, mask: kl_loss(p, q, mask=mask), input_signature=specs)
    arrays = tf.constant(P), tf.constant(Q), tf.constant(MASK)
    assert float(mean(*arrays)) == pytest.approx(float(kl_loss(P, Q, mask=MASK)), rel=1e-14)
    first = tf.function(lambda p, q, mask: kl_loss(p, q, mask=mask, axis=0), input_signature=specs)
    with pytest.raises(ValueError, match="count axis 0 from the end"):
        first(*arrays)


def test_integers_and_half_precision() -> None:
    p, q = np.array([[1, 0], [7, 7]]), np.array([[0.5, 0.5], [0.5, 0.5]])
    assert kl_loss(p, q, weight=[1, 0]) == pytest.approx(np.log(2))
    assert kl_loss(p.astype(np.float16), q.astype(np.float16), weight=[1, 0]).dtype == np.float32


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (ValueError, "reduction must be one of", {"reduction": "batchmean"}),
        (ValueError, r"weight has shape \(2, 1, 3\)", {"weight": np.ones((2, 1, 3))}),
        (ValueError, r"weight has shape \(6,\)", {"weight": np.ones(6)}),
        (ValueError, "does not fit", {"mask": np.ones((3, 2), bool)}),
        (TypeError, "mask must be a boolean", {"mask": np.ones((2, 3))}),
        (ValueError, "temperature needs logits", {"temperature": 2.0}),
        (ValueError, "temperature must be positive", {"temperature": 0.0, "given": "logits"}),
        (ValueError, "rows of q sum", {"mask": None}),
    ],
)
def test_errors(error: type[Exception], match: str, options: dict[str, Any]) -> None:
    q = 2 * Q if "mask" in options and options["mask"] is None else Q
    with pytest.raises(error, match=match):
        kl_loss(P, q, **options)


def test_no_framework_is_imported() -> None:
    code = "import sys, unikl.losses, unikl.metrics, unikl.estimators; print(*sys.modules)"
    for extra, found in (("", False), ("import torch\n", True)):
        done = subprocess.run(
            [sys.executable, "-c", extra + code], capture_output=True, text=True, check=True
        )
        modules = set(done.stdout.split())
        assert bool(modules & {"torch", "tensorflow", "jax", "keras", "torchmetrics"}) is found
