"""Dask arrays: lazy, any chunks, the exact value; what is refused says how to go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import dask
import dask.array as da
import mpmath
import numpy as np
import pytest

import unikl
from unikl.backends import dask as room
from unikl.backends import get_backend
from unikl.losses.functional import jensen_shannon

FORMS = ("probs", "log_probs", "logits", "counts")
# Chunks of p and of q, of a matrix: whole rows, whole columns, both cut, each cut its own way.
CHUNKS = [((3, -1), (3, -1)), ((-1, 5), (-1, 5)), ((3, 5), (2, 7)), ((-1, -1), (1, 4))]


class Computed(Exception):
    """The graph was computed."""


def _refuse(*args: Any, **kwargs: Any) -> Any:
    raise Computed


@pytest.fixture(autouse=True)
def no_scheduler() -> Iterator[None]:
    """Nothing computes but what says so."""
    with dask.config.set(scheduler=_refuse):
        yield


def value(x: Any) -> Any:
    return x.compute(scheduler="sync")


def test_the_scheduler_that_refuses_is_asked() -> None:
    with pytest.raises(Computed):
        bool(da.ones(3).sum() > 2)


def rows(form: str, seed: int, noise: float = 0.0) -> Any:
    """Seven rows of 23 categories; with noise, those of seed 0 and a little more."""
    rng = np.random.default_rng(0 if noise else seed)
    logits = 2 * rng.standard_normal((7, 23))
    if noise:
        logits += noise * np.random.default_rng(seed).standard_normal(logits.shape)
    weights = np.exp(logits)
    probs = weights / weights.sum(-1, keepdims=True)
    logs = {"logits": logits + 3, "log_probs": np.log(probs)}
    return {**logs, "probs": probs, "counts": 9 * weights}[form]


def truth(p: Any, q: Any, given: tuple[str, str]) -> Any:
    """KL of each row, to 50 digits."""
    with mpmath.workdps(50):
        kls = []
        for pair in zip(p, q, strict=True):
            x, y = ([mpmath.mpf(float(v)) for v in row] for row in pair)
            x, y = (
                [mpmath.exp(v) for v in row] if form.startswith("log") else row
                for row, form in zip((x, y), given, strict=True)
            )
            mass_p, mass_q = mpmath.fsum(x), mpmath.fsum(y)
            terms = [a * mpmath.log((a / mass_p) / (b / mass_q)) for a, b in zip(x, y, strict=True)]
            kls.append(mpmath.fsum(terms) / mass_p)
        return kls


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", list(product(FORMS, FORMS)), ids="-".join)
def test_every_form_in_any_chunks(given: Any, dtype: Any) -> None:
    p, q = (rows(form, k).astype(dtype) for k, form in enumerate(given))
    exact = truth(p, q, given)
    for chunks_p, chunks_q in CHUNKS:
        lazy = unikl.kl_divergence(
            da.from_array(p, chunks_p), da.from_array(q, chunks_q), given=given
        )
        kl = value(lazy)
        assert kl.dtype == lazy.dtype == dtype
        assert kl.shape == lazy.shape == (7,)
        for one, true in zip(kl, exact, strict=True):
            assert abs(one - true) <= 8 * np.finfo(dtype).eps * true


@pytest.mark.parametrize("chunks", [(3, -1), (-1, 5), (2, 7)])
@pytest.mark.parametrize("form", ["logits", "counts"])
def test_small_divergences_keep_their_digits_across_chunks(form: Any, chunks: Any) -> None:
    p, q = (rows(form, k, noise).astype(np.float32) for k, noise in ((1, 1e-20), (2, 1e-4)))
    kl = value(unikl.kl_divergence(da.from_array(p, chunks), da.from_array(q, chunks), given=form))
    for one, true in zip(kl, truth(p, q, (form, form)), strict=True):
        assert 1e-10 < true < 1e-7
        assert abs(one - true) <= 8 * np.finfo(np.float32).eps * true


def _options() -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    rng = np.random.default_rng(3)
    p, q = rng.standard_normal((2, 4, 6, 10))
    half, mask = p.astype(np.float16), rng.random((6, 10)) > 0.3
    counts = rng.integers(1, 9, (2, 4, 6, 10))
    return {
        "first axis": ((p, q), {"given": "logits", "axis": 0, "keepdims": True}),
        "two axes": ((p, q), {"given": "logits", "axis": (0, 2), "base": 2}),
        "all axes": ((p, q), {"given": "logits", "axis": None}),
        "where": ((p, q, mask), {"given": "logits"}),
        "broadcast": ((p, q[0, :1]), {"given": "logits"}),
        "one row": ((p[0, 0], q[0, 0]), {"given": "logits"}),
        "half precision": ((half, q.astype(np.float16)), {"given": "logits"}),
        "two dtypes": ((half, q), {"given": "logits"}),
        "integers": ((counts[0], counts[1]), {"given": "counts"}),
        "no rows": ((p[:0], q[:0]), {"given": "logits"}),
        "no categories": ((p[..., :0], q[..., :0]), {"given": "logits", "validate": False}),
    }


@pytest.mark.parametrize("piece", [2**18, 7], ids=["whole", "pieces"])
@pytest.mark.parametrize("chunks", [(9, 9, 99), (2, 3, 4), (1, 9, 5), (2, 3, 99)], ids=str)
@pytest.mark.parametrize("name", _options())
def test_every_option_as_in_numpy(
    name: str, chunks: Any, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PIECE", piece)
    arrays, options = _options()[name]
    expected = unikl.kl_divergence(*arrays[:2], where=(*arrays, None)[2], **options)
    lazy = [da.from_array(x, tuple(map(min, chunks[3 - x.ndim :], x.shape))) for x in arrays]
    kl = unikl.kl_divergence(*lazy[:2], where=(*lazy, None)[2], **options)
    assert (kl.shape, kl.dtype) == (expected.shape, expected.dtype)
    tolerance = 16 * float(np.finfo(expected.dtype).eps)
    np.testing.assert_allclose(value(kl), expected, rtol=tolerance, strict=True)


_NAN, _INF = math.nan, math.inf
EDGES = [  # p, q, KL(p || q)
    ([0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], 0),
    ([0, 0, 0.5, 0.5], [0.5, 0, 0.25, 0.25], math.log(2)),
    ([0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5], _INF),
    ([0.5, 0, 0.5, 0], [0, 1, 0, 0], _INF),
    ([0, 0, 0, 0], [0.5, 0.5, 0, 0], _NAN),
    ([0.5, 0.5, 0, 0], [0, 0, 0, 0], _NAN),
    ([_NAN, 0.5, 0.5, 0], [0.5, 0.5, 0, 0], _NAN),
    ([0.5, 0.5, 0, 0], [0.5, 0.5, 0, _NAN], _NAN),
    ([0.5, 0.5, 0, 0], [0, 0.5, 0, _NAN], _NAN),
]


@pytest.mark.parametrize("form", ["counts", "logits"])
@pytest.mark.parametrize("chunks", [(-1, -1), (2, -1), (-1, 2), (4, 1)])
def test_the_edges_are_the_same_whatever_the_chunks(chunks: Any, form: Any) -> None:
    p, q, exact = (np.asarray(column, np.float64) for column in zip(*EDGES, strict=True))
    if form == "logits":
        with np.errstate(divide="ignore"):
            p, q = np.log(p), np.log(q)
    kl = unikl.kl_divergence(da.from_array(p, chunks), da.from_array(q, chunks), given=form)
    np.testing.assert_allclose(value(kl), exact, rtol=4 * 2.0**-52, atol=0)
    # A category without mass in a chunk of its own leaves no trace.
    assert not np.signbit(value(kl)[0])


def test_blocks_that_cannot_be_written_to() -> None:
    p, q = rows("logits", 1), rows("logits", 2)
    expected = unikl.kl_divergence(p, q, given="logits")
    for x in (p, q):
        x.setflags(write=False)
    lazy = [da.from_array(x, (3, -1), asarray=False) for x in (p, q)]
    np.testing.assert_array_equal(value(unikl.kl_divergence(*lazy, given="logits")), expected)


# -- lengths that are known at run time alone ------------------------------------------------------


def _some_rows(count: int = 3) -> tuple[Any, Any, Any, Any]:
    """p and q with some rows left out, in NumPy and in Dask, where their number is unknown."""
    p, q = rows("logits", 1), rows("logits", 2)
    keep = np.arange(7) % 3 != 1
    lazy = [da.from_array(x, (count, c)) for x, c in ((p, 5), (q, 23))]
    return p[keep], q[keep], *[x[da.from_array(keep, count)] for x in lazy]


@pytest.mark.parametrize("axis", [-1, 0])
def test_unknown_numbers_of_rows(axis: int) -> None:
    p, q, lazy_p, lazy_q = _some_rows()
    assert math.isnan(lazy_p.shape[0])
    kl = unikl.kl_divergence(lazy_p, lazy_q, given="logits", axis=axis)
    expected = unikl.kl_divergence(p, q, given="logits", axis=axis)
    np.testing.assert_allclose(value(kl), expected, rtol=16 * 2.0**-52)


def test_one_known_distribution_against_unknown_rows() -> None:
    p, _, lazy_p, _ = _some_rows()
    q = rows("logits", 2)[0]
    expected = unikl.kl_divergence(p, q, given="logits")
    for one in (da.from_array(q, 4), da.from_array(q[None], (1, 23)), list(q)):
        kl = unikl.kl_divergence(lazy_p, one, given="logits")
        np.testing.assert_allclose(value(kl), expected, rtol=16 * 2.0**-52)


def test_a_mask_of_unknown_rows() -> None:
    p, q, lazy_p, lazy_q = _some_rows()
    kl = unikl.kl_divergence(lazy_p, lazy_q, given="logits", where=lazy_p > 2)
    expected = unikl.kl_divergence(p, q, given="logits", where=p > 2)
    np.testing.assert_allclose(value(kl), expected, rtol=16 * 2.0**-52)


def test_unknown_rows_that_cannot_be_paired() -> None:
    _, _, lazy_p, _ = _some_rows()
    other = _some_rows(7)[3]
    with pytest.raises(ValueError, match=r"3 and 1 chunks there; call compute_chunk_sizes"):
        unikl.kl_divergence(lazy_p, other, given="logits")
    with pytest.raises(ValueError, match=r"compute_chunk_sizes"):
        unikl.kl_divergence(lazy_p, da.from_array(rows("logits", 2), (3, -1)), given="logits")
    # One row in the first chunk, where p has two: it is not repeated.
    fewer = da.from_array(rows("logits", 2), (3, -1))[da.from_array(np.arange(7) % 3 == 0, 3)]
    kl = unikl.kl_divergence(lazy_p, fewer, given="logits")
    with pytest.raises(ValueError, match=r"turn out to differ: .* select the same rows"):
        value(kl)


# -- what is refused, and what is left alone -------------------------------------------------------


def test_numpy_and_dask_do_not_mix() -> None:
    p = rows("probs", 1)
    with pytest.raises(TypeError, match=r"dask.Array and numpy.ndarray; convert one of them"):
        unikl.kl_divergence(da.from_array(p), p)
    with pytest.raises(TypeError, match=r"dask.Array and numpy.ndarray; convert one of them"):
        unikl.kl_divergence(da.from_array(p), da.from_array(p), where=p > 0)


def test_nothing_is_validated_and_saying_so_is_an_error() -> None:
    p = da.from_array(2 * rows("probs", 1), 4)
    assert value(unikl.kl_divergence(p, p)).max() == 0
    with pytest.raises(ValueError, match="validate=True needs values that can be read"):
        unikl.kl_divergence(p, p, validate=True)


def test_the_room_and_its_names() -> None:
    p, q = (da.from_array(rows("logits", k), 4) for k in (1, 2))
    home: Any = get_backend(p, None, [1.0])
    assert home is room
    first, again = (unikl.kl_divergence(p, q, given="logits") for _ in range(2))
    assert first.name == again.name  # so that a scheduler knows it again


def test_other_functions_are_lazy_formulas() -> None:
    p, q = rows("logits", 1), rows("logits", 2)
    lazy = [da.from_array(x, (3, 5)) for x in (p, q)]
    js = jensen_shannon(*lazy, given="logits")
    expected = jensen_shannon(p, q, given="logits")
    np.testing.assert_allclose(value(js), expected, rtol=16 * 2.0**-52)
    state = unikl.KLState.from_arrays(*lazy, given="logits")
    kl = unikl.kl_divergence(p, q, given="logits")
    np.testing.assert_allclose(value(state.result()), kl, rtol=16 * 2.0**-52)


@pytest.mark.parametrize("function", ["sum", "max"])
def test_reductions_of_any_chunks(function: str) -> None:
    reduce: Callable[..., Any] = getattr(room, function)
    x = np.ones((3, 10**6), np.float32) * np.float32(0.1)
    found = reduce(da.from_array(x, (2, 10**6)), (-1,))
    assert found.shape == (3, 1)
    expected = {"sum": 1e6 * float(np.float32(0.1)), "max": float(np.float32(0.1))}[function]
    np.testing.assert_allclose(value(found), expected, rtol=4 * 2.0**-23)  # not straight through
