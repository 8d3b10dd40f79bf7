"""The PyTorch modules: the functions with options, safe to store, copy and compile."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from unikl.losses import distillation_loss, jensen_shannon, kl_loss
from unikl.losses.torch import DistillationLoss, JensenShannonLoss, KLDivLoss

A, B = torch.randn((2, 4, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.tensor([[0, 1, -100, 3, 4, 0], [-100] * 6, [1] * 6, [2, 2, -100, 2, 2, 2]])
WEIGHT = torch.linspace(0, 2, 24, dtype=torch.float64).reshape(4, 6)
MODULES: list[Any] = [
    KLDivLoss("logits", temperature=2.0, base=2),
    JensenShannonLoss(0.25, given="logits", reduction="sum"),
    DistillationLoss(3.0, alpha=0.25),
]


def call(module: nn.Module, a: torch.Tensor, b: torch.Tensor) -> Any:
    labels = {"labels": LABELS}
    return module(a, b, weight=WEIGHT, **labels)


def test_modules_are_the_functions() -> None:
    options: dict[str, Any] = {"mask": LABELS != -100, "weight": WEIGHT}
    expected = [
        kl_loss(A, B, given="logits", temperature=2.0, base=2, **options),
        jensen_shannon(A, B, beta=0.25, given="logits", reduction="sum", **options),
        distillation_loss(A, B, LABELS, temperature=3.0, alpha=0.25, weight=WEIGHT),
    ]
    for module, value in zip(MODULES, expected, strict=True):
        torch.testing.assert_close(call(module, A, B), value, rtol=0, atol=0)


def test_mask_where_and_plain_calls() -> None:
    p, q = A.softmax(-1), B.softmax(-1)
    mask, where = LABELS != 1, torch.tensor([True, True, True, True, False])
    got = KLDivLoss("counts")(p, q, mask=mask, labels=LABELS, where=where)
    expected = kl_loss(p, q, given="counts", mask=mask & (LABELS != -100), where=where)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    torch.testing.assert_close(KLDivLoss()(p, q), kl_loss(p, q), rtol=0, atol=0)
    assert KLDivLoss(reduction="none")(p, q).shape == (4, 6)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_nothing_to_store_and_nothing_lost(module: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(5, 5), module)
    assert set(model.state_dict()) == {"0.weight", "0.bias"}
    model.load_state_dict(nn.Sequential(nn.Linear(5, 5)).state_dict(), strict=True)
    expected = call(module, A, B)
    copies = (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), module.half().double())
    for twin in copies:
        torch.testing.assert_close(call(twin, A, B), expected, rtol=0, atol=0)
        assert repr(twin) == repr(module)


def test_options_show() -> None:
    assert repr(JensenShannonLoss(0.25)) == (
        "JensenShannonLoss(beta=0.25, given='probs', reduction='mean', temperature=1.0)"
    )
    assert "temperature=3.0, alpha=0.25" in repr(MODULES[2])


@pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_fullgraph_compile(module: nn.Module) -> None:
    """By Inductor, which takes its seconds, for the module that does most."""
    backend = "inductor" if isinstance(module, DistillationLoss) else "aot_eager"

    def gradients(module: Any) -> Any:
        a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
        loss = call(module, a, b)
        return loss.detach(), *torch.autograd.grad(loss, (a, b))

    compiled = torch.compile(module, fullgraph=True, backend=backend)
    for got, expected in zip(gradients(compiled), gradients(module), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("module", "options", "match"),
    [
        (KLDivLoss, {"reduction": "batchmean"}, "batchmean"),
        (KLDivLoss, {"temperature": 0.0}, "temperature must be positive"),
        (JensenShannonLoss, {"beta": 2.0}, "beta must be from 0 to 1"),
        (DistillationLoss, {"reduction": "average"}, "reduction must be one of"),
        (DistillationLoss, {"temperature": -1.0}, "temperature must be positive"),
    ],
)
def test_errors_come_early(module: Any, options: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        module(**options)
