"""The truth: 60 digits, derivatives from difference quotients, kinks; and the measure of errors."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from unikl import kl_divergence
from unikl.agreement import arrays, check
from unikl.agreement.consensus import majority
from unikl.agreement.judge import judge
from unikl.agreement.structure import Leaf, Traits, bind, flatten, weights
from unikl.agreement.truth import NotExact, Target, exact

TRAITS = Traits("torch", "float32", (1,), "cpu")


def softmax(x: Any, xp: Any) -> Any:
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def test_values_have_thirty_digits_and_gradients_eighteen() -> None:
    x = np.array([0.3, -1.7, 2.9])
    truth = exact(softmax, [x], [0])
    with mpmath.mp.workdps(50):
        e = [mpmath.exp(mpmath.mpf(float(n))) for n in x]
        y = [n / sum(e) for n in e]
        w = [mpmath.mpf(float(n)) for n in weights((3,), 0)]
        mean = sum(a * b for a, b in zip(w, y, strict=True))
        gradient = [b * (a - mean) for a, b in zip(w, y, strict=True)]
        for name, right, off in (("value", y, 1e-30), ("gradient of input 0", gradient, 1e-18)):
            target = truth.targets[name]
            for hi, lo, n in zip(target.hi, target.lo, right, strict=True):
                assert abs(mpmath.mpf(float(hi)) + mpmath.mpf(float(lo)) - n) < off * abs(n)


def slopes(fn: Any, x: list[float]) -> tuple[Any, Any]:
    target = exact(fn, [np.array(x)], [0]).targets["gradient of input 0"]
    w = weights((len(x),), 0)
    above = target.hi if target.above is None else target.above
    ends = np.sort([target.hi / w, above / w], axis=0)
    return ends[0].tolist(), ends[1].tolist()


def test_at_a_kink_both_slopes_are_ends() -> None:
    low, high = slopes(lambda x: abs(x), [-2.0, 0.0, 3.0])
    assert low == [-1, -1, 1]
    assert high == [-1, 1, 1]


def test_kinks_that_cancel_are_seen() -> None:
    def difference(x: Any, xp: Any) -> Any:
        on = xp.where(x > 0, x, 0.0)
        return on[:1] / weights((1,), 0).item() - on[1:] / weights((1,), 0).item()

    target = exact(difference, [np.zeros(2)], [0]).targets["gradient of input 0"]
    assert target.hi.tolist() == [0, -1]
    assert target.above is not None
    assert target.above.tolist() == [1, 0]


def test_a_slope_without_bound_is_infinite() -> None:
    def x_log_x(x: Any, xp: Any) -> Any:
        on = x > 0
        return xp.where(on, x * xp.log(xp.where(on, x, 1.0)), 0.0)

    low, high = slopes(x_log_x, [0.0, 1.0])
    assert low == [-np.inf, 1]
    assert high == [0, 1]


def test_outside_of_the_domain_nothing_is_said() -> None:
    low, _ = slopes(lambda x, xp: xp.sqrt(x), [0.0, 4.0])
    assert np.isnan(low[0])
    assert low[1] == 0.25


def test_a_function_for_other_arrays_is_not_exact() -> None:
    for fn in (np.exp, lambda x: x.detach(), lambda x: [1.0]):
        with pytest.raises(NotExact):
            exact(fn, [np.ones(2)], [])


def test_a_reference_of_numpy_arrays_is_taken_in_float64() -> None:
    def through_numpy(x: Any) -> Any:
        return np.asarray(x, np.float64).sum()

    options: dict[str, Any] = {"backends": ["numpy", "torch"], "modes": ["eager"]}
    outcome = check(lambda x, xp: xp.sum(x), arrays(5), reference=through_numpy, **options)
    assert outcome.ok
    assert outcome.truth == "given"
    assert any(row.quantity == "gradient of input 0" for row in outcome.rows)


def test_each_backend_has_its_own_error() -> None:
    def cancelling(x: Any, xp: Any) -> Any:
        return xp.log(xp.sum(xp.exp(x), axis=-1))

    outcome = check(cancelling, [[80.0, 89.0]], backends=["numpy", "torch"], shrink=False)
    assert outcome.truth == "mpmath, 60 digits"
    wrong = {(row.backend, row.dtype) for row in outcome.rows if row.wrong}
    assert wrong == {("numpy", "float32"), ("torch", "float32")}
    assert outcome.blamed == ("numpy", "torch")
    errors = [row.error for row in outcome.rows if row.dtype == "float64"]
    assert all(error is not None and error < 4 for error in errors)


def test_the_library_itself_agrees() -> None:
    def kl(p: Any, q: Any) -> Any:
        return kl_divergence(p, q, given="counts")

    options: dict[str, Any] = {"backends": ["numpy", "torch"], "modes": ["eager"], "limit": 8}
    outcome = check(kl, arrays(2, 0.1, 1), arrays(2, 0.1, 1), examples=1, **options)
    assert outcome.ok, str(outcome)
    assert outcome.truth == "mpmath, 60 digits"


def test_a_function_that_numpy_misreads_is_not_taken_for_exact() -> None:
    def shares(x: Any) -> Any:
        return x / np.sum(x)  # of an array of 60 digits the sum is that array

    truth = exact(shares, [np.array([1.0, 3.0])], [])
    assert truth.targets["value"].hi.tolist() == [1, 1]
    outcome = check(shares, [1.0, 3.0], backends=["numpy"], reference=shares, gradients=False)
    assert outcome.ok
    assert outcome.rows[0].expected in ("0.25", "0.75")


def test_the_namespace_is_given_or_not() -> None:
    def through_namespace(x: Any) -> Any:
        import array_api_compat

        return array_api_compat.array_namespace(x).exp(x)

    outcome = check(through_namespace, [1.0, 2.0], modes=["eager"])
    assert outcome.ok, str(outcome)
    skipped = {row.backend: row.what for row in outcome.rows if row.status == "skipped"}
    assert list(skipped) == ["tensorflow"]
    assert "give the function a parameter xp" in skipped["tensorflow"]
    outcome = check(lambda x, xp: xp.cumulative_sum(x), [1.0, 2.0], modes=["eager"])
    assert "tensorflow: unikl's Array API namespace for it has no cumulative_sum" in str(outcome)
    assert bind(np.exp, None) is np.exp


@pytest.mark.parametrize(
    ("got", "expected", "error", "ulp"),
    [
        (1 + 2.0**-23, 1.0, 1.0, 1.0),
        (1 - 2.0**-23, 1.0, 1.0, 1.0),
        (1.5 + 2.0**-23, 1.5, 2 / 3, 1.0),
        (np.inf, 3.5e38, 0.0, 0.0),  # the truth is beyond float32
        (0.0, 1e-40, 1e-40 / 2.0**-126, None),  # below its smallest normal number
    ],
)
def test_errors_in_eps_and_ulp(
    got: float, expected: float, error: float, ulp: float | None
) -> None:
    target = Target(np.array([expected]), np.zeros(1))
    verdict = judge(Leaf(TRAITS, np.array([got])), TRAITS, target, None, 1.0, False)
    assert verdict.status == "agrees"
    assert verdict.error == pytest.approx(error)
    assert ulp is None or verdict.ulp == pytest.approx(ulp)


def test_a_sum_that_cancels_is_held_to_the_digits_of_its_inputs() -> None:
    off = Leaf(TRAITS, np.array([1e-3 + 1e-6]))
    target = Target(np.array([1e-3]), np.zeros(1))
    alone = judge(off, TRAITS, target, None, 16.0, False)
    swayed = judge(off, TRAITS, target, np.array([1.0]), 16.0, False)
    assert alone.status == "differs"
    assert swayed.status == "agrees"


def test_between_the_slopes_of_a_kink_all_is_right() -> None:
    target = Target(np.array([-1.0]), np.zeros(1), above=np.array([1.0]), open=True)
    for got, status in ((-1.0, "agrees"), (0.3, "agrees"), (1.1, "differs"), (np.nan, "differs")):
        verdict = judge(Leaf(TRAITS, np.array([got])), TRAITS, target, None, 16.0, True)
        assert verdict.status == status


def test_structures_are_told_apart() -> None:
    texts = [flatten(x)[0] for x in (1, (1,), [1], {"a": 1}, (1, None), ((1,), 1))]
    assert len(set(texts)) == len(texts)
    assert flatten({"b": 1, "a": 2}) == flatten({"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("values", "expected", "certain"),
    [
        ({"a": 1.0}, {"a": 1.0}, True),
        ({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}, True),
        ({"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 1.0}, False),
        ({"a": 2.0, "b": 1.0, "c": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}, True),
        ({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 2.0, "b": 1.0, "c": 1.0}, False),
        ({"a": 1.0, "b": 2.0, "c": 1.0, "d": 2.0}, {"a": 2.0, "b": 1.0, "c": 2.0, "d": 1.0}, False),
        ({"a": np.nan, "b": 1.0, "c": np.nan}, {"a": np.nan, "b": np.nan, "c": np.nan}, True),
    ],
)
def test_the_largest_party_is_right_if_it_is_alone_in_that(
    values: dict[str, float], expected: dict[str, float], certain: bool
) -> None:
    leaves = {name: Leaf(TRAITS, np.array([value])) for name, value in values.items()}
    targets, sure = majority(leaves, None, 4.0, False)
    assert sure is certain
    assert {name: target.hi.item() for name, target in targets.items()} == pytest.approx(
        expected, nan_ok=True
    )
