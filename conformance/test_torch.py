"""PyTorch on every case, by autograd, torch.func and vmap; and what else goes in as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from conformance.grid import assert_agrees, assert_meets, case
from unikl.agreement.runners import divergence
from unikl.agreement.runners import torch as runner
from unikl.agreement.suite import Work

BACKEND = "torch"
MODES = ("eager", "func", "vmap")


def test_agrees_with_the_reference(work: Work) -> None:
    assert_agrees(work)


class Labelled(torch.Tensor):
    """A subclass that adds nothing to what a tensor does."""


@pytest.mark.parametrize("kind", [torch.nn.Parameter, lambda x: x.as_subclass(Labelled)])
def test_parameters_and_subclasses_go_in_as_they_are(kind: Any) -> None:
    of = case("regimes/probs-logits", "float32")
    x = runner.inputs(of)
    p, q = kind(x.p).requires_grad_(), kind(x.q).requires_grad_()
    value = divergence(of.call)(p, q, None)
    assert not isinstance(value, torch.nn.Parameter)
    assert_meets(of, "value", "", runner.to_numpy(value))
    (value * x.weight).sum().backward()
    for name, leaf in (("p", p), ("q", q)):
        assert_meets(of, "gradient", name, runner.to_numpy(leaf.grad))


@pytest.mark.parametrize("name", ["regimes/logits", "regimes/probs", "regimes/probs-logits"])
def test_jacobians_by_both_modes(name: str) -> None:
    of = case(name, "float64")
    x = runner.inputs(of)
    kl = divergence(of.call)
    every_row = torch.arange(len(of.rows))
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        full = jacobian(lambda p, q: kl(p, q, None), argnums=(0, 1))(x.p, x.q)
        for argument, each in zip("pq", full, strict=True):
            own = x.weight[:, None] * each[every_row, every_row]
            assert_meets(of, "gradient", argument, runner.to_numpy(own))


@pytest.mark.parametrize("name", ["regimes/logits", "regimes/probs", "regimes/probs-logits"])
@pytest.mark.parametrize("by", ["torch.func", "autograd.functional"])
def test_hessians(name: str, by: str) -> None:
    of = case(name, "float64")
    x = runner.inputs(of)
    kl = divergence(of.call)
    products: dict[str, list[Any]] = {"p": [], "q": []}
    for i in range(len(of.rows)):
        if by == "torch.func":
            blocks = torch.func.hessian(lambda p, q: kl(p, q, None), (0, 1))(x.p[i], x.q[i])
        else:
            blocks = torch.autograd.functional.hessian(
                lambda p, q: kl(p, q, None), (x.p[i], x.q[i])
            )
        for argument, (by_p, by_q) in zip("pq", blocks, strict=True):
            along = by_p @ x.tangent_p[i] + by_q @ x.tangent_q[i]
            products[argument].append(runner.to_numpy(x.weight[i] * along))
    for argument, rows in products.items():
        assert_meets(of, "hvp", argument, np.stack(rows))
