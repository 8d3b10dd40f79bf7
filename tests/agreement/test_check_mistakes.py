"""What a new user does: port a loss or a layer to four frameworks, and make one mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.agreement.check_functions import Function, focal_loss, layer_norm, log_sum_exp
from unikl.agreement import Outcome, arrays, check, integers

Maker = Callable[..., dict[str, Function]]
INPUTS: dict[Maker, tuple[Any, ...]] = {
    layer_norm: (arrays((3, 4)),),
    log_sum_exp: (arrays((3, 4)),),
    focal_loss: (arrays((3, 4)), integers(3, high=3)),
}
MISTAKES = [
    (layer_norm, "axis", "numpy"),
    (layer_norm, "epsilon", "torch"),
    (layer_norm, "ddof", "tensorflow"),
    (log_sum_exp, "axis", "jax"),
    (focal_loss, "axis", "torch"),
    (focal_loss, "epsilon", "jax"),
]


def numbers(outcome: Outcome) -> int:
    """How many numbers the smallest failing input has."""
    assert outcome.minimal is not None
    return sum(np.size(x) for x in outcome.minimal["inputs"])


@pytest.mark.parametrize("maker", INPUTS)
def test_right_functions_agree(maker: Maker) -> None:
    outcome = check(maker(), *INPUTS[maker], examples=4)
    assert outcome.ok, str(outcome)
    assert outcome.blamed == ()
    assert outcome.minimal is None
    seen = {(row.backend, row.mode, row.quantity) for row in outcome.rows}
    assert ("numpy", "eager", "value") in seen
    for backend in ("torch", "jax", "tensorflow"):
        for mode in ("eager", "compiled"):
            for quantity in ("value", "gradient of input 0"):
                assert (backend, mode, quantity) in seen


@pytest.mark.parametrize(("maker", "mistake", "wrong"), MISTAKES)
def test_a_mistake_is_found_and_named(maker: Maker, mistake: str, wrong: str) -> None:
    outcome = check(maker(wrong, mistake), *INPUTS[maker], examples=4, modes=["eager"])
    assert not outcome.ok
    assert outcome.blamed == (wrong,)
    assert numbers(outcome) <= 4
    assert outcome.minimal is not None
    assert outcome.minimal["backend"] == wrong
    # The smallest input is one: it fails again, alone, and in the same backend only.
    again = check(
        maker(wrong, mistake),
        *(np.array(x) for x in outcome.minimal["inputs"]),
        dtypes=[outcome.minimal["dtype"]],
        modes=["eager"],
        gradients=False,
        shrink=False,
    )
    assert again.blamed == (wrong,)
    assert f"{wrong} is wrong" in str(again)


def test_a_mistake_of_large_numbers_only() -> None:
    functions = log_sum_exp("tensorflow", "overflow")
    options: dict[str, Any] = {"examples": 2, "modes": ["eager"], "gradients": False}
    assert check(functions, arrays((2, 3)), **options).ok
    outcome = check(functions, arrays((2, 3), 800, 900), **options)
    assert outcome.blamed == ("tensorflow",)
    assert numbers(outcome) <= 4
    assert "+inf where a finite number is expected" in str(outcome)


def test_of_two_that_differ_none_is_blamed() -> None:
    functions = layer_norm("torch", "epsilon")
    two = {name: functions[name] for name in ("numpy", "torch")}
    outcome = check(two, arrays((3, 4)), examples=2, modes=["eager"])
    assert not outcome.ok
    assert outcome.blamed == ()
    assert {row.backend for row in outcome.rows if row.wrong} == {"numpy", "torch"}
    assert "cannot be told who is wrong" in str(outcome)


def test_a_reference_tells_who_of_two_is_wrong() -> None:
    functions = layer_norm("torch", "epsilon")
    two = {name: functions[name] for name in ("numpy", "torch")}
    right = layer_norm()["numpy"]
    outcome = check(two, arrays((3, 4)), examples=2, modes=["eager"], reference=right)
    assert outcome.truth == "given"
    assert outcome.blamed == ("torch",)
