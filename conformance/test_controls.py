"""Negative controls: errors made on purpose, each of which the suite must see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import unikl.backends.numpy as numpy_room
from conformance.grid import case
from unikl.agreement import compare, run
from unikl.agreement.report import Result
from unikl.agreement.runners import Checks, Inputs
from unikl.agreement.runners import torch as runner
from unikl.agreement.suite import check, checks_of
from unikl.kernels import host

CASES = ("regimes/logits", "regimes/probs", "regimes/counts", "axes/logits-0-2")
Got = dict[str, Any]


def corrupted(change: Callable[[Inputs, Got], Got | None], name: str, dtype: str) -> Result:
    """The result of torch on a case, after a change to what its eager mode gave."""
    of = case(name, dtype)
    eager = runner.MODES["eager"]

    def run(of: Any, x: Inputs, wanted: Checks) -> Got:
        got = dict(eager.run(of, x, wanted))
        return {**got, **(change(x, got) or {})}

    fake: Any = SimpleNamespace(**vars(runner))
    fake.MODES = {"eager": replace(eager, run=run)}
    return check(fake, "eager", of)[0]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nothing_changed_is_nothing_seen(name: str, dtype: str) -> None:
    assert not corrupted(lambda x, got: None, name, dtype).failures


def _numpy(x: Inputs, got: Got) -> Got:
    return {k: _each(lambda y: y.detach().numpy(), got[k]) for k in ("value", "gradient")}


def _wider(x: Inputs, got: Got) -> Got:
    return {k: _each(lambda y: y.to(torch.float64), got[k]) for k in ("value", "gradient")}


def _flat(x: Inputs, got: Got) -> Got:
    return {k: _each(lambda y: y[None], got[k]) for k in ("value", "gradient")}


def _each(change: Callable[[Any], Any], x: Any) -> Any:
    return tuple(map(change, x)) if isinstance(x, tuple) else change(x)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (_numpy, "library is numpy, expected torch"),
        (_wider, "dtype is float64, expected float32"),
        (_flat, "shape is (1, "),
    ],
)
def test_what_an_array_is(change: Any, seen: str, name: str) -> None:
    result = corrupted(change, name, "float32")
    assert set(result.failures) == {"value", "gradient"}
    assert all(seen in message for messages in result.failures.values() for message in messages)


def _scaled(what: str) -> Callable[[Inputs, Got], Got]:
    return lambda x, got: {what: _each(lambda y: y * 1.0001, got[what])}


def _upstream_ignored(x: Inputs, got: Got) -> Got:
    """The gradient of the sum of the values, whatever is asked for."""
    weight = x.weight.reshape(*x.weight.shape, 1) if x.p.ndim == 2 else x.weight[None, :, None]
    return {"gradient": tuple((g / weight).to(g.dtype) for g in got["gradient"])}


def _swapped(x: Inputs, got: Got) -> Got:
    return {"gradient": got["gradient"][::-1]}


def _one_is_zero(x: Inputs, got: Got) -> Got:
    return {"gradient": (got["gradient"][0], torch.zeros_like(got["gradient"][1]))}


def _none(x: Inputs, got: Got) -> Got:
    return {"gradient": (got["gradient"][0], None)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("change", "seen"),
    [
        *((_scaled(what), what) for what in ("value", "gradient", "jvp", "hvp")),
        (_upstream_ignored, "gradient"),
        (_swapped, "gradient"),
        (_one_is_zero, "gradient"),
        (_none, "gradient"),
    ],
)
def test_wrong_numbers(change: Any, seen: str, dtype: str, name: str) -> None:
    assert set(corrupted(change, name, dtype).failures) == {seen}


def test_an_upstream_gradient_ignored_in_half_precision() -> None:
    assert set(corrupted(_upstream_ignored, "regimes/probs", "float16").failures) == {"gradient"}


def test_an_exception_is_the_failure_of_its_check_alone() -> None:
    of = case("regimes/logits", "float64")
    eager = runner.MODES["eager"]

    def run(of: Any, x: Inputs, wanted: Checks) -> Got:
        if "hvp" in wanted:
            raise NotImplementedError("no second order")
        return dict(eager.run(of, x, wanted))

    fake: Any = SimpleNamespace(**vars(runner))
    fake.MODES = {"eager": replace(eager, run=run)}
    result = check(fake, "eager", of)[0]
    assert set(result.errors) == set(checks_of(eager, of))
    assert set(result.failures) == {"hvp"}
    assert "NotImplementedError: no second order" in result.failures["hvp"][0]


def _rounded(x: Any) -> Any:
    """With the digits of float32 alone."""
    return x if x.dtype == bool else np.asarray(x, np.float32).astype(x.dtype)


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [
        (numpy_room.xp, "exp", _rounded),
        (numpy_room.xp, "log", _rounded),
        (numpy_room.xp, "where", _rounded),
        (numpy_room.xp, "log1p", lambda x: x / 2),
        (numpy_room, "sum", _rounded),
        (numpy_room, "max", lambda x: x + 1e3),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_corrupted_room(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, wrong: Any
) -> None:
    right = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args, **words: wrong(right(*args, **words)))
    with host.using("off"), np.errstate(all="ignore"):
        report = run(backends=["numpy"], dtypes=["float64"])
    assert not report.ok
    assert report.failures
    assert not report.problems


@pytest.mark.parametrize(
    ("name", "blind"),
    [
        ("numbers", lambda *args: compare.Checked(0.0)),
        ("traits", lambda *args: ()),
        ("ALLOWED", np.inf),
    ],
)
def test_a_comparison_switched_off(monkeypatch: pytest.MonkeyPatch, name: str, blind: Any) -> None:
    monkeypatch.setattr(compare, name, blind)
    report = run(backends=["numpy"], dtypes=["float64"])
    assert not report.failures
    assert not report.ok
    assert any("went unseen" in problem for problem in report.problems)
