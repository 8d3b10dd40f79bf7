"""The public function on NumPy: what goes in, what comes out, what is refused."""

import importlib
import math
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unikl import kl_divergence

P = np.array([0.5, 0.5, 0.0])
Q = np.array([0.25, 0.5, 0.25])


def exact(p: Any, q: Any) -> Any:
    """The definition, on weights, at 50 digits."""
    with mpmath.workdps(50):
        w, z = ([mpmath.mpf(float(x)) for x in v] for v in (p, q))
        w, z = [x / sum(w) for x in w], [x / sum(z) for x in z]
        return sum(x * mpmath.log(x / y) for x, y in zip(w, z, strict=True) if x)


def test_order_is_p_then_q() -> None:
    assert kl_divergence(P, Q) == pytest.approx(0.5 * math.log(2), rel=1e-15)
    assert kl_divergence(Q, P) == math.inf


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.int32, np.float64),
        (np.uint8, np.float64),
        (np.bool_, np.float64),
    ],
)
def test_result_dtype(dtype: Any, expected: Any) -> None:
    x = np.array([1, 1, 0]).astype(dtype)
    assert kl_divergence(x, x, given="counts").dtype == expected


def test_mixed_dtypes_take_the_wider_float() -> None:
    p, q = P.astype(np.float32), Q.astype(np.float16)
    assert kl_divergence(p, q).dtype == np.float32
    assert kl_divergence(P, q).dtype == np.float64
    assert kl_divergence(np.array([1, 1, 0]), p, given="counts").dtype == np.float32


def test_bfloat16_of_ml_dtypes() -> None:
    p = P.astype(ml_dtypes.bfloat16)
    assert kl_divergence(p, p).dtype == np.float32


def test_lists_and_numbers_are_numpy() -> None:
    result = kl_divergence([0.5, 0.5], [0.25, 0.75])
    assert isinstance(result, np.generic | np.ndarray)
    assert result.dtype == np.float64


def test_integers_may_be_probabilities() -> None:
    assert kl_divergence([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2), rel=1e-15)
    assert kl_divergence(np.array([True, False]), np.array([0, 1])) == math.inf


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_series_are_numpy(library: str) -> None:
    series = importlib.import_module(library).Series
    assert kl_divergence(series([2, 2]), series([1, 3]), given="counts") == kl_divergence(
        [0.5, 0.5], [0.25, 0.75]
    )


def test_axes_keepdims_and_base() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.uniform(0.1, 1, (2, 2, 3, 4))
    rows = kl_divergence(p, q, given="counts", axis=(0, 2))
    assert rows.shape == (3,)
    flat = [v.transpose(1, 0, 2).reshape(3, 8) for v in (p, q)]
    np.testing.assert_array_max_ulp(rows, kl_divergence(*flat, given="counts"), 8)
    assert kl_divergence(p, q, given="counts", axis=None).shape == ()
    assert kl_divergence(p, q, given="counts", axis=1, keepdims=True).shape == (2, 1, 4)
    bits = kl_divergence(p, q, given="counts", base=2)
    np.testing.assert_array_max_ulp(bits * math.log(2), kl_divergence(p, q, given="counts"), 4)


def test_masked_categories_do_not_exist() -> None:
    p = np.array([0.5, 0.5, math.nan])
    q = np.array([0.25, 0.25, 0.5])
    assert kl_divergence(p, q, where=np.array([True, True, False]), given="counts") == 0
    with pytest.raises(TypeError, match="boolean"):
        kl_divergence(P, Q, where=np.array([1, 1, 0]))


def test_a_read_only_input_is_neither_needed_nor_changed() -> None:
    p = P.copy()
    p.flags.writeable = False
    assert kl_divergence(p, p) == 0
    np.testing.assert_array_equal(p, P)


def test_empty_axes() -> None:
    empty = np.zeros((2, 0))
    assert np.isnan(kl_divergence(empty, empty, validate=False)).all()
    assert kl_divergence(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0,)
    with pytest.raises(ValueError, match="has no categories"):
        kl_divergence(empty, empty, given="counts")


@pytest.mark.parametrize(
    ("error", "message", "p", "q", "options"),
    [
        (ValueError, "sum to between 1.1 and 1.1, not 1", [0.5, 0.6], [0.5, 0.5], {}),
        (
            ValueError,
            "rows of q .*row 0.* for float64.*given='counts'",
            np.eye(2),
            2 * np.eye(2),
            {},
        ),
        (ValueError, "rows of p sum", [-1.0, 2.0], [-1.0, 2.0], {"given": "log_probs"}),
        (ValueError, "p holds NaN", [math.nan, 1], [0.5, 0.5], {}),
        (ValueError, "q holds a negative number", [0.5, 0.5], [-0.5, 1.5], {}),
        (ValueError, "p holds .inf", [math.inf, 1], [0.5, 0.5], {"given": "logits"}),
        (ValueError, "q has no mass", [1, 1], [0, 0], {"given": "counts"}),
        (ValueError, "given must be one of", [1.0], [1.0], {"given": "prob"}),
        (ValueError, "2 and 1 categories", [0.5, 0.5], [1.0], {}),
        (ValueError, "out of bounds", [0.5, 0.5], [0.5, 0.5], {"axis": 1}),
        (ValueError, "twice", [[1.0]], [[1.0]], {"axis": (1, -1)}),
        (ValueError, "category axis", 1.0, 1.0, {}),
        (ValueError, "base must be", [1.0], [1.0], {"base": 1}),
        (ValueError, "base must be", [1.0], [1.0], {"base": -2.0}),
        (TypeError, "real", [1j], [1.0], {}),
        (TypeError, "known library: builtins.str", "ab", [1.0], {}),
    ],
)
def test_refusals(error: Any, message: str, p: Any, q: Any, options: Any) -> None:
    with pytest.raises(error, match=message):
        kl_divergence(p, q, **options)


def test_validation_can_be_switched_off() -> None:
    assert math.isnan(kl_divergence([math.nan, 1], [0.5, 0.5], validate=False))
    assert kl_divergence([1.0, 1.0], [0.5, 0.5], validate=False) == 0


weights = arrays(np.float64, 5, elements=st.floats(1e-6, 1e6, allow_subnormal=False))


@settings(deadline=None)
@given(weights, weights)
def test_eight_eps_of_the_definition(p: Any, q: Any) -> None:
    got = float(kl_divergence(p, q, given="counts"))
    want = exact(p, q)
    assert got >= 0
    # Proportional weights are the one case where the exact value is 0 and the rounded ratio of
    # the totals may leave its square.
    eps = np.finfo(np.float64).eps
    assert abs(got - want) <= (8 * eps * want if want else eps**2)


@settings(deadline=None)
@given(weights, st.floats(1e-3, 1e3, allow_subnormal=False))
def test_proportional_weights_are_the_same_distribution(p: Any, factor: float) -> None:
    # The product is rounded, so the two differ by half an eps: the divergence by its square.
    assert 0 <= kl_divergence(p, p * factor, given="counts") <= np.finfo(np.float64).eps ** 2


@settings(deadline=None)
@given(weights, weights, st.permutations(range(5)))
def test_order_of_the_categories_is_immaterial(p: Any, q: Any, order: list[int]) -> None:
    one = kl_divergence(p, q, given="counts")
    other = kl_divergence(p[order], q[order], given="counts")
    assert abs(one - other) <= 8 * np.finfo(np.float64).eps * one
