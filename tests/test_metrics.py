"""KLMetric: no bit depends on how the data are split; and its relatives of other frameworks."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unikl import kl_divergence
from unikl.metrics import KLMetric

RNG = np.random.default_rng(0)
# Divergences from 1e-12 to 1e3, so that every sum rounds.
LOGITS = 10.0 ** RNG.uniform(-6, 2, (257, 1)) * RNG.normal(size=(257, 7))
P, Q = LOGITS, np.roll(LOGITS, 1, axis=-1)
WEIGHT = 10.0 ** RNG.uniform(-3, 3, 257)


def split(seed: int) -> list[Any]:
    """The indices in random order, in pieces of random sizes, some of them empty."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, 258, rng.integers(1, 40)))
    return np.split(rng.permutation(257), cuts)


def metric(rows: Any = slice(None)) -> KLMetric:
    return KLMetric("logits").update(P[rows], Q[rows], weight=WEIGHT[rows])


def test_a_hundred_splits_give_the_same_bits() -> None:
    whole = metric()
    naive = set()
    for seed in range(100):
        pieces = split(seed)
        streamed = KLMetric("logits")
        for rows in pieces:
            streamed.update(P[rows], Q[rows], weight=WEIGHT[rows])
        merged = reduce(KLMetric.merge, map(metric, pieces), KLMetric("logits"))
        for got in (streamed, merged):
            assert (got.compute(), got.sum(), got.weight()) == (
                whole.compute(),
                whole.sum(),
                whole.weight(),
            )
        kl = WEIGHT * kl_divergence(P, Q, given="logits")
        naive.add(sum(float(kl[rows].sum()) for rows in pieces))
    assert len(naive) > 2, "the control: ordinary sums differ between these splits"


def test_the_mean_is_rounded_once() -> None:
    values = (kl_divergence(P, Q, given="logits") * WEIGHT).tolist()
    total, weight = sum(map(Fraction, values)), sum(map(Fraction, WEIGHT.tolist()))
    assert metric().compute() == float(total / weight)
    assert metric().sum() == float(total) == math.fsum(values)
    assert metric().weight() == float(weight)


@pytest.mark.parametrize("exponent", [-1073, -1000, 0, 900])
def test_sums_over_the_whole_range(exponent: int) -> None:
    from unikl.metrics import _LOWEST, _exact_sum

    values = np.ldexp(RNG.uniform(0.5, 1, 1000), RNG.integers(exponent, exponent + 60, 1000))
    assert Fraction(_exact_sum(values), 2**-_LOWEST) == sum(map(Fraction, values.tolist()))
    assert _exact_sum(np.array([])) == 0


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_arrays_of_any_library(library: str) -> None:
    p: Any
    q: Any
    if library == "torch":
        import torch

        p, q = torch.from_numpy(P).requires_grad_(), torch.from_numpy(Q)
    elif library == "jax":
        import jax.numpy as jnp

        p, q = jnp.asarray(P, dtype="float32"), jnp.asarray(Q, dtype="float32")
    else:
        import tensorflow as tf

        p, q = tf.constant(P), tf.constant(Q)
    expected = KLMetric("logits").update(P, Q).compute()
    rel = 1e-5 if library == "jax" else 1e-14
    assert KLMetric("logits").update(p, q).compute() == pytest.approx(expected, rel=rel)


def test_masks_weights_and_options() -> None:
    p, q = RNG.dirichlet(np.ones(3), (2, 4, 5)).transpose(0, 1, 3, 2)  # categories on axis 1
    rows = kl_divergence(p, q, axis=1, base=2)
    mask, weight = rows > np.median(rows), RNG.integers(0, 3, rows.shape)
    got = KLMetric(axis=1, base=2).update(p, q, mask=mask, weight=weight)
    expected = np.average(rows, weights=mask * weight)
    assert got.compute() == pytest.approx(expected, rel=1e-15)
    where = np.array([True, True, False])[:, None]
    got = KLMetric("counts", axis=1).update(p, q, where=where)
    expected = kl_divergence(p[:, :2], q[:, :2], given="counts", axis=1).mean()
    assert got.compute() == pytest.approx(expected, rel=1e-14)


def test_infinite_and_invalid_rows() -> None:
    half, one = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    infinite = KLMetric().update(half, one).update(half, half)
    assert infinite.compute() == infinite.sum() == math.inf
    invalid = KLMetric(validate=False).update(half, half * math.nan)
    assert math.isnan(invalid.compute())
    assert math.isnan(infinite.merge(invalid).compute())
    assert KLMetric().update(half, one, weight=[0.0]).update(half, half).compute() == 0
    assert math.isnan(KLMetric().compute())
    with pytest.raises(ValueError, match="weights must be finite"):
        KLMetric().update(half, half, weight=[-1.0])
    with pytest.raises(ValueError, match="the divergence is NaN"):
        KLMetric().update(half, half * math.nan)


def test_pickle_reset_and_show() -> None:
    here = metric()
    stored = pickle.dumps(here)
    assert len(stored) < 2000
    there = pickle.loads(stored)
    assert there.compute() == here.compute()
    assert there.merge(here).weight() == 2 * here.weight()
    assert there.compute() == here.compute()
    assert "of 257" in repr(KLMetric("logits").update(P, Q))
    here.reset()
    assert math.isnan(here.compute())


def test_different_metrics_do_not_merge() -> None:
    for other in (KLMetric("counts"), KLMetric("logits", base=2), KLMetric("logits", axis=0)):
        with pytest.raises(ValueError, match="measure different things"):
            metric().merge(other)
    metric().merge(KLMetric(("logits", "logits")))


def test_torchmetrics() -> None:
    pytest.importorskip("torchmetrics")
    import torch

    from unikl.losses.torchmetrics import KLMetric as TorchMetric

    p, q, weight = (torch.from_numpy(x) for x in (P, Q, WEIGHT))
    ours = TorchMetric("logits")
    for rows in split(1):
        ours.update(p[rows], q[rows], weight=weight[rows])
    assert ours.compute().item() == pytest.approx(metric().compute(), rel=1e-13)
    assert pickle.loads(pickle.dumps(ours)).compute() == ours.compute()
    ours.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert ours.compute().isnan()
    single = TorchMetric("logits").half()
    assert single(p.half(), q.half()).dtype == torch.float64


_PROCESS = """
import sys
import torch, torch.distributed as dist
from unikl.losses.torchmetrics import KLMetric

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
p, q = torch.load(sys.argv[3])
rows = slice(0, 3) if rank == 0 else slice(3, None)  # uneven
metric = KLMetric("logits")
metric.update(p[rows], q[rows], weight=torch.arange(10.0)[rows])
print(metric.compute().item())
dist.destroy_process_group()
"""


def test_torchmetrics_in_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    import torch

    torch.save((torch.from_numpy(P[:10]), torch.from_numpy(Q[:10])), tmp_path / "data.pt")
    arguments = [f"file://{tmp_path / 'meet'}", str(tmp_path / "data.pt")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(rank), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        for rank in (0, 1)
    ]
    got = [float(process.communicate(timeout=120)[0]) for process in processes]
    expected = KLMetric("logits").update(P[:10], Q[:10], weight=np.arange(10.0)).compute()
    assert got == [pytest.approx(expected, rel=1e-14)] * 2
