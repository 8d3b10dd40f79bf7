"""Negative controls: what a checker must see, planted, and a checker that sees nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from unikl.agreement import Outcome, arrays, check, checker, controls
from unikl.agreement.judge import Verdict, judge

Function = Callable[..., Any]


def compared(wrong: Function, right: Function | None = None, **options: Any) -> Outcome:
    """Torch's `wrong` against NumPy's sum of squares of each row, and the truth of it."""
    functions = {"numpy": right or (lambda x: (x * x).sum(-1)), "torch": wrong}
    keywords = {"examples": 3, "modes": ["eager"], "reference": squares, "shrink": False}
    return check(functions, arrays((2, 3)), **{**keywords, **options})


def squares(x: Any) -> Any:
    return (x * x).__array_namespace__().sum(x * x, axis=-1)


def what(outcome: Outcome) -> str:
    """What is wrong, and only of torch."""
    assert not outcome.ok
    assert outcome.blamed == ("torch",)
    return "; ".join(sorted({row.what for row in outcome.rows if row.wrong}))


def test_the_right_function_agrees() -> None:
    assert compared(lambda x: (x * x).sum(-1)).ok


def test_a_backend_that_returns_numpy_is_seen() -> None:
    outcome = compared(lambda x: (x * x).sum(-1).detach().numpy())
    assert "library numpy instead of torch" in what(outcome)


def test_a_backend_that_returns_python_is_seen() -> None:
    outcome = compared(lambda x: (x * x).sum(-1).tolist())
    assert "structure [array, array] instead of array" in what(outcome)


class _Scaled(torch.autograd.Function):
    """The sum of squares with a gradient that is off by a factor."""

    factor = 2.2

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return (x * x).sum(-1)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g[..., None] * _Scaled.factor * ctx.saved_tensors[0]


class _Alone(_Scaled):
    """A gradient that ignores what comes from above."""

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 2 * ctx.saved_tensors[0]


@pytest.mark.parametrize("rule", [_Scaled, _Alone])
def test_a_wrong_gradient_is_seen(rule: Any) -> None:
    outcome = compared(rule.apply)
    assert "eps" in what(outcome)
    assert {row.quantity for row in outcome.rows if row.wrong} == {"gradient of input 0"}
    assert compared(rule.apply, gradients=False).ok


def test_a_gradient_that_is_cut_off_is_seen() -> None:
    assert "no gradient came back" in what(compared(lambda x: (x.detach() ** 2).sum(-1)))


def test_a_gradient_that_raises_is_seen() -> None:
    def raising(x: Any) -> Any:
        y = (x * x).sum(-1)
        if y.requires_grad:
            y.register_hook(lambda g: 1 / 0)
        return y

    outcome = compared(raising)
    assert "ZeroDivisionError" in what(outcome)
    assert {row.status for row in outcome.rows if row.quantity == "value"} == {"agrees"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda y: y.double(), "dtype float64 instead of float32"),
        (lambda y: y[:, None], "shape (2, 1) instead of (2,)"),
        (lambda y: (y, y), "structure (array, array) instead of array"),
        (lambda y: torch.where(y == y.max(), torch.nan, y), "NaN where a finite number"),
        (lambda y: torch.where(y == y.max(), torch.inf, y), "+inf where a finite number"),
        (lambda y: y * (1 + 2e-5), "eps"),
        (lambda y: y.no_such_method(), "AttributeError"),
    ],
)
def test_a_wrong_value_is_seen(change: Function, told: str) -> None:
    outcome = compared(lambda x: change((x * x).sum(-1)), dtypes=["float32"], gradients=False)
    assert told in what(outcome)


def test_the_limit_is_in_eps() -> None:
    def off(x: Any) -> Any:
        return x * (1 + 100 * torch.finfo(x.dtype).eps)

    functions: dict[str, Function] = {"torch": off}
    options: dict[str, Any] = {"reference": lambda x: x * 1, "modes": ["eager"], "gradients": False}
    assert check(functions, arrays(9), limit=102, **options).ok
    outcome = check(functions, arrays(9), limit=98, **options)
    assert outcome.blamed == ("torch",)
    assert 98 < max(row.error or 0 for row in outcome.rows) < 102
    assert 98 < max(row.ulp or 0 for row in outcome.rows) < 202


def test_a_finite_number_for_nan_is_seen() -> None:
    functions: dict[str, Function] = {"numpy": np.log, "torch": lambda x: torch.log(x.abs())}
    outcome = check(functions, [-1.0, 2.0], reference=np.log, modes=["eager"], gradients=False)
    assert "a finite number where NaN is expected" in what(outcome)


@pytest.mark.parametrize("backends", [["numpy"], ["numpy", "torch"]])
def test_a_disabled_comparison_is_an_error(
    monkeypatch: pytest.MonkeyPatch, backends: list[str]
) -> None:
    def blind(*arguments: Any) -> Verdict:
        return Verdict("agrees", 0.0, 0.0)

    monkeypatch.setattr(checker, "judge", blind)
    monkeypatch.setattr(controls, "judge", blind)
    with pytest.raises(RuntimeError, match="blind: an array of another library went unseen"):
        check(squares, arrays(3), backends=backends, examples=1, modes=["eager"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"what": "", "status": "agrees"}, "an error of twice the limit went unseen"),
        ({"status": "differs"}, "the target itself was called wrong"),
    ],
)
def test_the_controls_see_each_way_to_be_blind(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(controls, "judge", lambda *xs: replace(judge(*xs), **change))
    assert told in controls.unseen_by_judge(16.0)


def test_the_controls_are_silent_on_the_real_comparison() -> None:
    for limit in (0.0, 1.0, 16.0, 1e4):
        assert controls.unseen_by_judge(limit) == ()


def test_nothing_compared_is_not_agreement() -> None:
    outcome = check(lambda x: x + 1, [1.0], backends=["numpy"], modes=["compiled"])
    assert not outcome.ok
    assert "nothing could be compared" in str(outcome)
