"""The answers of the suite are right: derived here a second time, another way, and as stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from conformance import make_cases
from conformance import reference as ref
from unikl.agreement import generate

FORMS = [(log_p, log_q) for log_p in (False, True) for log_q in (False, True)]
CASES = Path(generate.__file__).with_name("cases.npz")
TINY, SMALL = mpf(2) ** -126, mpf(10) ** -45


@pytest.fixture(autouse=True)
def _digits() -> Any:
    with mp.workdps(60):
        yield


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    with np.load(CASES) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def index(stored: dict[str, Any]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = json.loads(str(stored["index"]))
    return groups


def rows(logs: tuple[bool, bool], near: bool) -> tuple[list[Any], list[Any]]:
    """Two rows of three categories, whose totals are neither 1 nor equal."""
    a = [mpf(x) / 7 for x in (3, -5, 2)]
    b = [x + mpf(d) / (10**6 if near else 3) + 2 for x, d in zip(a, (1, -2, 2), strict=True)]
    written = [x if log else [mp.exp(v) for v in x] for x, log in zip((a, b), logs, strict=True)]
    return written[0], written[1]


def divergence(x: list[Any], logs: tuple[bool, bool]) -> Any:
    """KL of x[:n] and x[n:], without normalising either: sum e^a (a - b) / A - log(A / B)."""
    n = len(x) // 2
    a, b = (
        part if log else [mp.log(v) for v in part]
        for part, log in zip((x[:n], x[n:]), logs, strict=True)
    )
    mass_a, mass_b = (mp.fsum(mp.exp(v) for v in part) for part in (a, b))
    cross = mp.fsum(mp.exp(u) * (u - v) for u, v in zip(a, b, strict=True))
    return cross / mass_a - mp.log(mass_a / mass_b)


def close(got: Any, want: Any, digits: int = 40) -> bool:
    return bool(abs(got - want) <= mpf(10) ** -digits * max(abs(got), abs(want)))


@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("logs", FORMS)
def test_value_is_the_divergence_by_two_other_formulas(logs: tuple[bool, bool], near: bool) -> None:
    p, q = rows(logs, near)
    row = ref.pair(p, q, logs, TINY)
    assert row is not None
    assert close(ref.value(row), divergence(p + q, logs))
    pairs = zip(row.p.weight, row.q.weight, strict=True)
    assert close(ref.value(row), mp.fsum(z - w - w * mp.log(z / w) for w, z in pairs))


@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("logs", FORMS)
def test_gradient_is_the_derivative_of_the_value(logs: tuple[bool, bool], near: bool) -> None:
    p, q = rows(logs, near)
    row = ref.pair(p, q, logs, TINY)
    assert row is not None
    grads = [g for side in ref.gradient(row) for g in side]
    for i, grad in enumerate(grads):
        x = p + q
        slope = mp.diff(lambda v, i=i, x=x: divergence([*x[:i], v, *x[i + 1 :]], logs), x[i])
        assert close(grad, slope, 30), (i, grad, slope)


@pytest.mark.parametrize("logs", FORMS)
def test_second_order_is_the_derivative_of_the_gradient(logs: tuple[bool, bool]) -> None:
    p, q = rows(logs, near=False)
    t_p, t_q = [mpf(1) / 3, mpf(-1) / 7, mpf(2) / 5], [mpf(-1) / 9, mpf(3) / 4, mpf(1) / 8]
    row = ref.pair(p, q, logs, TINY)
    assert row is not None
    hvp = [h for side in ref.gradient_tangent(row, ref.gradient(row), t_p, t_q) for h in side]
    terms = [h for side in ref.hessian_terms(row, ref.gradient(row), t_p, t_q) for h in side]
    x, t = p + q, t_p + t_q

    def gradient(step: Any) -> list[Any]:
        moved = [v + step * d for v, d in zip(x, t, strict=True)]
        at = ref.pair(moved[:3], moved[3:], logs, TINY)
        assert at is not None
        return [g for side in ref.gradient(at) for g in side]

    for i in range(6):
        assert close(hvp[i], mp.diff(lambda s, i=i: gradient(s)[i], 0), 30), i
        total = mpf(0)
        for j in range(6):

            def moved(u: Any, v: Any, i: int = i, j: int = j) -> Any:
                y = list(x)
                y[i] += u
                y[j] += v
                return divergence(y, logs)

            total += abs(mp.diff(moved, (0, 0), (1, 1)) * t[j])
        # The terms bound the sum of |H_ij t_j|, and not from far above.
        assert total * (1 - mpf(10) ** -20) <= terms[i] <= 20 * total, (i, terms[i], total)


def edge(p0: Any, q0: Any, logs: tuple[bool, bool]) -> ref.Pair:
    """A row that starts with these weights, of total 5 + p0 in p and 5 + q0 in q."""
    x, y = [mpf(p0), mpf(2), mpf(3)], [mpf(q0), mpf(1), mpf(4)]
    written = [
        [mp.log(v) if v else -mp.inf for v in row] if log else row
        for row, log in zip((x, y), logs, strict=True)
    ]
    row = ref.pair(written[0], written[1], logs, SMALL)
    assert row is not None
    return row


def near(got: list[Any], want: list[Any]) -> bool:
    return all(abs(g - w) < mpf(10) ** -40 for g, w in zip(got, want, strict=True))


@pytest.mark.parametrize("logs", FORMS)
def test_zero_in_p_is_the_limit_of_small_ones(logs: tuple[bool, bool]) -> None:
    """In probs the log-ratio is that of the smallest normal number, which is SMALL here."""
    at, by = edge(0, 2, logs), edge(SMALL, 2, logs)
    assert near([ref.value(at)], [ref.value(by)])
    for got, want in zip(ref.gradient(at), ref.gradient(by), strict=True):
        assert near(got, want)
    if logs[0]:
        assert ref.gradient(at)[0][0] == 0


@pytest.mark.parametrize("logs", FORMS)
def test_zero_in_both_keeps_one_sided_slopes(logs: tuple[bool, bool]) -> None:
    at = edge(0, 0, logs)
    in_p, in_q = ref.gradient(at)
    assert close(ref.value(at), divergence([mpf(2), 3, 1, 4], (False, False)))
    assert in_p[0] == (0 if logs[0] else -ref.value(at) / 5)  # a log-ratio of 0, by convention
    if logs[1]:
        assert in_q[0] == 0
    else:
        slope = (ref.value(edge(0, SMALL, logs)) - ref.value(at)) / SMALL
        assert abs(in_q[0] - slope) < 1e-9


@pytest.mark.parametrize("logs", FORMS)
def test_zero_in_q_is_infinite_and_finite_elsewhere(logs: tuple[bool, bool]) -> None:
    at, by = edge(2, 0, logs), edge(2, SMALL, logs)
    in_p, in_q = ref.gradient(at)
    assert ref.value(at) == mp.inf
    assert in_p[0] == mp.inf
    if logs[1]:
        assert near(in_q, ref.gradient(by)[1])
        assert close(in_q[0], mpf(-2) / 7)
    else:
        assert in_q[0] == -mp.inf
        assert near(in_q[1:], ref.gradient(by)[1][1:])
    weights, masses = [mpf(2) / 7, mpf(3) / 7], [mpf(1) / 5, mpf(4) / 5]
    ratios = [mp.log(w / z) for w, z in zip(weights, masses, strict=True)]
    finite = ref.dot(weights, ratios)
    factors = weights if logs[0] else [mpf(1) / 7, mpf(1) / 7]
    assert near(in_p[1:], [f * (r - finite) for f, r in zip(factors, ratios, strict=True)])


@pytest.mark.parametrize("bad", [[mp.nan, 1], [mp.inf, 1], [-1, 2], [0, 0], []])
def test_what_is_no_distribution_is_nan(bad: list[Any]) -> None:
    good = [mpf(1)] * len(bad)
    assert ref.pair([mpf(x) for x in bad], good, (False, False), TINY) is None
    assert ref.pair(good, [mpf(x) for x in bad], (True, False), TINY) is None


def test_stored_answers_are_complete(stored: dict[str, Any], index: list[dict[str, Any]]) -> None:
    keys = {"index"}
    for group in index:
        prefix = f"{group['name']}|{group['dtype']}|"
        names = ["value"] + ["grad_p", "grad_q"] * ("gradient" in group["checks"])
        names += ["jvp", "hvp_p", "hvp_q"] * ("second" in group["checks"])
        for name in names:
            hi, scale = stored[f"{prefix}{name}_hi"], stored[f"{prefix}{name}_scale"]
            assert stored[f"{prefix}{name}_lo"].shape == hi.shape
            assert np.isfinite(scale).all()
            # No scale so small that a subnormal, which may be flushed, could decide.
            info = np.finfo("float64" if group["dtype"] == "float64" else "float32")
            least = float(info.smallest_normal)
            assert ((scale == least) | (scale > 2 * least / float(info.eps))).all(), prefix + name
        value = stored[f"{prefix}value_hi"]
        assert value.size == len(group["rows"])
        assert not (value < 0).any()
        keys |= {key for key in stored if key.startswith(prefix)}
    assert keys == set(stored)


def test_stored_gradients_know_that_a_total_does_not_matter(
    stored: dict[str, Any], index: list[dict[str, Any]]
) -> None:
    """Sum x dK/dx = 0 for probs and counts, sum dK/da = 0 for logits and log_probs."""
    checked = 0
    for group in index:
        prefix = f"{group['name']}|{group['dtype']}|"
        if "generate" in group or group["name"].startswith("broadcast"):
            continue
        axis = tuple(group["axis"]) if isinstance(group["axis"], list) else group["axis"]
        finite = np.isfinite(stored[f"{prefix}value_hi"])
        for side, form in zip("pq", group["given"], strict=True):
            grad, x = stored[f"{prefix}grad_{side}_hi"], stored[prefix + side].astype(np.float64)
            factor = np.ones_like(x) if form in ("logits", "log_probs") else x
            counted = np.isfinite(grad) & (grad != 0)
            terms = np.multiply(grad, factor, out=np.zeros_like(grad), where=counted)
            error = abs(terms.sum(axis=axis))[finite]
            assert (error <= 1e-14 * abs(terms).sum(axis=axis)[finite]).all(), prefix
            checked += error.size
    assert checked > 2000


def test_stored_large_answers_belong_to_the_recipes(
    stored: dict[str, Any], index: list[dict[str, Any]]
) -> None:
    groups = [group for group in index if "generate" in group]
    assert len(groups) == 8
    for group in groups:
        p, q = generate.inputs(group["given"][0], group["dtype"], **group["generate"])
        if group["given"][0] == "logits":
            p, q = (np.exp(x.astype(np.longdouble)) for x in (p, q))
        w, z = (x.astype(np.longdouble) / x.sum(dtype=np.longdouble) for x in (p, q))
        prefix = f"{group['name']}|{group['dtype']}|"
        value = (z - w - w * np.log(z / w)).sum()
        np.testing.assert_allclose(value, stored[f"{prefix}value_hi"][0], rtol=1e-7)
        grad = (z - w if group["given"][0] == "logits" else 1 - w / z).ravel()
        grad = grad[stored[f"{prefix}grad_index"]] * stored[f"{prefix}weight"]
        np.testing.assert_allclose(grad, stored[f"{prefix}grad_q_hi"], rtol=1e-7, atol=1e-16)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("edges/logits", "bfloat16"), ("axes/probs-0-2", "float64"), ("extremes/logits", "float64")],
)
def test_the_script_still_makes_what_is_stored(
    name: str, dtype: str, stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, and twice the digits would change nothing."""
    (case,) = (c for c in make_cases.small() if (c.name, c.dtype) == (name, dtype))
    made = make_cases.made(case)
    keys = {key for key in stored if key.startswith(f"{name}|{dtype}|")}
    assert set(made) == keys
    monkeypatch.setattr(make_cases, "digits", lambda case: 2 * make_cases.EXTREME_DIGITS)
    finer = make_cases.made(case)
    for key in keys:
        np.testing.assert_array_equal(made[key], stored[key], err_msg=key, strict=True)
        np.testing.assert_array_equal(finer[key], stored[key], err_msg=key, strict=True)
