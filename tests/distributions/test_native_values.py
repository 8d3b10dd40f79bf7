"""Every pair that torch, TFP, Distrax or NumPyro register: theirs, ours, and the reference.

The same objects go to the library's own divergence and, through the adapter, to ours; both have
to be what mpmath says.  Where a library is wrong, `test_native_defects` says how; where a family
has no counterpart here, a row of `ABSENT`.  A pair that is in none of them fails.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from tests.distributions import native_cases
from tests.distributions.native_cases import (
    LIBRARIES,
    Library,
    infinite,
    is_on_the_line,
    referenced,
    registered,
)
from tests.distributions.native_structures import BY_HAND
from unikl.distributions import kl
from unikl.distributions.adapters import adapt_pair

EPS = 2.0**-52
OURS, THEIRS = 16, 128  # eps of 1 + KL: theirs sum terms of that size, which they do not cancel

# Pairs that are looser than that in float64, in eps, and why.
LOOSE = {
    # Its series around probs = 1/2 is cut for float32.
    ("TFP", "ContinuousBernoulli", "ContinuousBernoulli"): 1e9,
    # A Taylor series, cut after ten terms.
    ("NumPyro", "Kumaraswamy", "Beta"): 1e16,
}

# Registered, but between families without a counterpart here, or between two libraries.
ABSENT = {
    "torch": set[tuple[str, str]](),
    "TFP": {
        ("MatrixNormalLinearOperator", "MatrixNormalLinearOperator"),
        ("_Blockwise", "_Blockwise"),
        ("_NonCompositeTensorCast", "_NonCompositeTensorCast"),
        ("_Sample", "_Sample"),
    },
    "Distrax": set[tuple[str, str]](),
    "NumPyro": set[tuple[str, str]](),
}
# What TFP registers to take its own wrappers off.
WRAPPERS = {
    "torch": set[tuple[str, str]](),
    "TFP": {("Distribution", "_TensorCoercible"), ("_TensorCoercible", "Distribution")},
    "Distrax": {  # with TFP's: `adapt_pair` takes no objects of two libraries
        ("MultivariateNormalFromBijector", "MultivariateNormalLinearOperator"),
        ("MultivariateNormalLinearOperator", "MultivariateNormalFromBijector"),
        ("Transformed", "TransformedDistribution"),
        ("TransformedDistribution", "Transformed"),
    },
    "NumPyro": set[tuple[str, str]](),
}


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    with jax.enable_x64(True):
        yield Library(request.param)


def _ours(p: Any, q: Any, **options: Any) -> Any:
    return np.asarray(kl(*adapt_pair(p, q), **options))


def _made(lib: Library, p: str, q: str) -> tuple[Any, Any, Any] | None:
    """Objects of a registered pair and their reference, from wherever there are some."""
    maker = BY_HAND[lib.name].get((p, q))
    if maker is not None:
        return maker(lib)
    return referenced(lib, p, q) or infinite(lib, p, q)


def _excused(name: str) -> set[tuple[str, str]]:
    return ABSENT[name] | WRAPPERS[name]


def _error(value: Any, reference: Any) -> float:
    """In eps of 1 + KL; equal infinities are no error."""
    assert value.shape == np.shape(reference)
    same = value == reference
    size = 1 + abs(np.where(same, 0, reference))
    error = abs(np.where(same, 0, value) - np.where(same, 0, reference)) / size
    return float(np.max(error / np.log(math.e + size))) / EPS


# -- the values ------------------------------------------------------------------------------------


def test_their_values_and_ours(library: Library) -> None:
    off: dict[str, tuple[float, float]] = {}
    pairs = registered(library.name) - _excused(library.name)
    for p, q in sorted(pairs):
        made = _made(library, p, q)
        assert made is not None, f"{library.name} registers ({p}, {q}): nothing to compare it with"
        of_p, of_q, reference = made
        ours, theirs = (_error(f(of_p, of_q), reference) for f in (_ours, library.kl))
        bound = LOOSE.get((library.name, p, q), THEIRS)
        if not (ours <= OURS and theirs <= bound):
            off[f"{p}||{q}"] = ours, theirs
    assert off == {}
    assert len(pairs) >= {"torch": 87, "TFP": 40, "Distrax": 20, "NumPyro": 16}[library.name]


def test_a_loose_pair_is_one() -> None:
    for name, p, q in LOOSE:
        lib = Library(name)
        made = referenced(lib, p, q)
        assert made is not None
        assert _error(lib.kl(*made[:2]), made[2]) > THEIRS


def _uncovered(name: str) -> set[tuple[str, str]]:
    pairs = registered(name) - _excused(name) - set(BY_HAND[name])
    return {pair for pair in pairs if not is_on_the_line(*pair)}


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_registered_pair_is_covered(name: str) -> None:
    assert _uncovered(name) == set()
    assert _excused(name) | set(BY_HAND[name]) <= registered(name)  # no row for what is gone


def test_a_pair_that_a_library_adds_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.distributions import LKJCholesky, Normal

    registry = dict(native_cases._registry("torch")[0])
    registry[LKJCholesky, Normal] = None
    monkeypatch.setattr(native_cases, "_registry", lambda library: (registry, "torch"))
    assert _uncovered("torch") == {("LKJCholesky", "Normal")}


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_is_absent_has_no_reader(name: str) -> None:
    """A family that gets a reader has to leave `ABSENT` and be compared."""
    module = {"TFP": "tfp"}.get(name, name.lower())
    readers = __import__(f"unikl.distributions.adapters.{module}", fromlist=["NAMES"]).NAMES
    assert "Normal" in readers
    for pair in ABSENT[name]:
        public = {cls.removeprefix("_") for cls in pair}
        assert not public <= set(readers), pair
