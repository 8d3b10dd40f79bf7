"""KLState: blocks merged in any order are the whole, to the last digits and at every edge."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest
import tensorflow as tf
import torch

import unikl
from unikl import KLState
from unikl.state import merge_numbers

Array = Any


def _reference(p: Array, q: Array, given: Any) -> Any:
    """KL(p || q) at 50 digits."""
    with mp.workdps(50):
        p, q = ([mp.mpf(float(x)) for x in row] for row in (p, q))
        if given == "logits":
            p, q = ([mp.exp(x) for x in row] for row in (p, q))
        mass_p, mass_q = mp.fsum(p), mp.fsum(q)
        return mp.fsum(
            x / mass_p * mp.log(x / mass_p / (y / mass_q)) for x, y in zip(p, q, strict=True)
        )


def _blocks(p: Array, q: Array, given: Any, cuts: Array) -> list[KLState]:
    pieces = zip(np.split(p, cuts, axis=-1), np.split(q, cuts, axis=-1), strict=True)
    return [KLState.from_arrays(x, y, given=given) for x, y in pieces]


def _in_pairs(states: list[KLState], rng: Any) -> KLState:
    """Merged two by two, in a random order."""
    states = list(states)
    while len(states) > 1:
        first, second = (states.pop(int(rng.integers(len(states)))) for _ in range(2))
        states.append(first.merge(second))
    return states[0]


@pytest.mark.parametrize("given", ["logits", "counts"])
@pytest.mark.parametrize("shift", [0.0, 77.7, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_keep_the_digits(given: str, shift: float, dtype: Any) -> None:
    rng = np.random.default_rng(7)
    noise = np.array([30, 3, 1, 1e-2, 1e-4, 1e-6, 1e-8])[:, None]
    a = 3 * rng.standard_normal((len(noise), 200))
    b = a + np.minimum(noise, 30 if given == "logits" else 3) * rng.standard_normal(a.shape)
    if given == "logits":
        p, q = a.astype(dtype), (b + shift).astype(dtype)
    else:
        p, q = np.exp(a).astype(dtype), ((1 + shift) * np.exp(b)).astype(dtype)
    exact = [_reference(x, y, given) for x, y in zip(p, q, strict=True)]
    for cuts in ([], [1], [100], list(range(20, 200, 20)), sorted(rng.permutation(199)[:60] + 1)):
        states = _blocks(p, q, given, cuts)
        for merged in (states[0].merge(*states[1:]), _in_pairs(states, rng)):
            found = merged.result()
            assert found.dtype == dtype
            for value, true in zip(found, exact, strict=True):
                off = 0.0 if true == value else abs(mp.mpf(float(value)) - true) / true
                assert off <= 8 * np.finfo(dtype).eps


def test_the_naive_merge_of_rounded_masses_would_fail() -> None:
    # The control: block masses in one number each have lost what p and q differ by.
    rng = np.random.default_rng(8)
    p = np.exp(rng.standard_normal(1000)).astype(np.float32)
    q = (p * (1 + 1e-4 * np.sign(np.arange(1000) - 500))).astype(np.float32)
    states = _blocks(p, q, "counts", [500])
    masses = [np.array([x[:500].sum(), x[500:].sum()], np.float32) for x in (p, q)]
    inside = np.array([s.result() for s in states])
    naive = unikl.kl_divergence(*masses, given="counts") + inside @ masses[0] / masses[0].sum()
    exact = float(_reference(p, q, "counts"))
    eps = 2.0**-23
    assert abs(states[0].merge(states[1]).result() - exact) <= 8 * eps * exact
    assert abs(naive - exact) > 30 * eps * exact


@pytest.mark.parametrize("given", ["probs", "logits", ("probs", "logits")])
def test_every_edge_is_that_of_the_whole(given: Any) -> None:
    # All rows of four categories from a few values, cut in the middle and everywhere.
    values = [0.0, 1.0, 3.0, np.nan] if given == "probs" else [0.0, 1.0, 3.0]
    rows = np.array(list(itertools.product(values, repeat=4)), dtype=np.float64)
    p, q = (rows[i.ravel()] for i in np.indices((len(rows), len(rows))))
    forms = (given, given) if isinstance(given, str) else given
    with np.errstate(divide="ignore"):
        p, q = (np.log(x) if form == "logits" else x for x, form in zip((p, q), forms, strict=True))
    counts: Any = tuple(["counts" if form == "probs" else form for form in forms])
    whole = unikl.kl_divergence(p, q, given=counts, validate=False)
    assert np.isnan(whole).any()
    assert np.isinf(whole).any()
    for cuts in ([2], [1, 2, 3]):
        pieces = zip(np.split(p, cuts, axis=-1), np.split(q, cuts, axis=-1), strict=True)
        states = [KLState.from_arrays(x, y, given=given) for x, y in pieces]
        for order in (states, states[::-1]):
            found = order[0].merge(*order[1:]).result()
            np.testing.assert_allclose(found, whole, rtol=8 * 2.0**-52, atol=1e-60)
            assert not (found < 0).any()


@pytest.mark.parametrize("to", [torch.asarray, jax.numpy.asarray, tf.constant])
def test_other_libraries_have_the_same_state(to: Any) -> None:
    rng = np.random.default_rng(9)
    p, q = rng.standard_normal((2, 5, 30)).astype(np.float32)
    ours = KLState.from_arrays(p, q, given="logits")
    theirs = KLState.from_arrays(to(p), to(q), given="logits")
    assert type(theirs.numbers) is type(to(p))
    np.testing.assert_allclose(
        np.asarray(theirs.result()), ours.result(), rtol=8 * 2.0**-23, strict=True
    )
    halves = [KLState.from_arrays(to(p[:, s]), to(q[:, s]), given="logits") for s in _HALVES]
    np.testing.assert_allclose(
        np.asarray(halves[0].merge(halves[1]).result()), ours.result(), rtol=8 * 2.0**-23
    )


_HALVES = (slice(0, 11), slice(11, None))


def test_in_the_strict_namespace_under_jit_and_in_tf_function() -> None:
    strict = pytest.importorskip("array_api_strict")
    rng = np.random.default_rng(10)
    p, q = rng.random((2, 3, 8))
    whole = unikl.kl_divergence(p, q, given="counts")

    def halves(p: Array, q: Array) -> Array:
        states = [KLState.from_arrays(p[:, s], q[:, s]) for s in (slice(0, 3), slice(3, None))]
        return states[0].merge(states[1]).numbers

    runs = {
        "strict": (strict.asarray, halves),
        "jit": (jax.numpy.asarray, jax.jit(halves)),
        "graph": (tf.constant, tf.function(halves)),
        "compile": (torch.asarray, torch.compile(halves, backend="aot_eager", fullgraph=True)),
    }
    for name, (to, function) in runs.items():
        with jax.enable_x64(True):
            with np.errstate(all="ignore"):  # of the strict namespace, whose arrays are NumPy's
                numbers = function(to(p), to(q))
            found = np.asarray(KLState(numbers).result())
        np.testing.assert_allclose(found, whole, rtol=8 * 2.0**-52, err_msg=name)


def test_pickles_and_comes_back_from_its_numbers() -> None:
    p, q = np.random.default_rng(11).random((2, 4, 6))
    for convert in (np.asarray, torch.asarray, jax.numpy.asarray, tf.constant):
        state = KLState.from_arrays(convert(p), convert(q))
        again = pickle.loads(pickle.dumps(state))
        assert (np.asarray(again.result()) == np.asarray(state.result())).all()
        assert (np.asarray(KLState(state.numbers).numbers) == np.asarray(again.numbers)).all()
    assert len(pickle.dumps(KLState.from_arrays(p[0], q[0]))) < 400
    assert repr(state) == "KLState(distributions=(4,))"


def test_states_in_one_array_merge_along_an_axis() -> None:
    p, q = np.random.default_rng(12).random((2, 4, 5, 6))
    each = KLState.from_arrays(p, q)
    merged = KLState(merge_numbers(each.numbers, axis=-1))
    whole = unikl.kl_divergence(p, q, given="counts", axis=(-2, -1))
    np.testing.assert_allclose(merged.result(), whole, rtol=8 * 2.0**-52)
    other = KLState(merge_numbers(each.numbers, axis=-2))
    whole = unikl.kl_divergence(p, q, given="counts", axis=(0, 2))
    np.testing.assert_allclose(other.result(), whole, rtol=8 * 2.0**-52)


def test_options() -> None:
    p, q = np.random.default_rng(13).random((2, 6, 4))
    where = np.arange(6)[:, None] != 2
    state = KLState.from_arrays(p, q, given="counts", axis=0, where=where)
    whole = unikl.kl_divergence(p, q, given="counts", axis=0, where=where)
    np.testing.assert_allclose(state.result(), whole, rtol=8 * 2.0**-52)
    np.testing.assert_allclose(state.result(base=2), whole / np.log(2), rtol=8 * 2.0**-52)
    assert state.merge() is state
    half = KLState.from_arrays(p.astype(np.float16), q.astype(np.float16))
    assert half.result().dtype == np.float32


def test_errors_say_what_was_wrong() -> None:
    p = np.ones((3, 4))
    state = KLState.from_arrays(p, p)
    with pytest.raises(ValueError, match=r"shape \(6, \.\.\.\), got \(3, 4\)"):
        KLState(p)
    with pytest.raises(ValueError, match="different distributions"):
        state.merge(KLState.from_arrays(p[:2], p[:2]))
    with pytest.raises(ValueError, match=r"rows and categories, got shape \(3, 0\)"):
        KLState.from_arrays(p[:, :0], p[:, :0])
    with pytest.raises(TypeError, match="one library"):
        state.merge(KLState.from_arrays(torch.ones(3, 4), torch.ones(3, 4)))
    with pytest.raises(ValueError, match="base"):
        state.result(base=1)


def test_a_gradient_is_refused() -> None:
    x = torch.ones(3, 4, requires_grad=True)
    state = KLState.from_arrays(x, torch.ones(3, 4))
    with pytest.raises(TypeError, match="has no gradient"):
        state.result().sum().backward()
    y = jax.numpy.ones((3, 4))
    with pytest.raises(TypeError, match="has no gradient"):
        jax.grad(lambda x: KLState.from_arrays(x, y).result().sum())(y)
