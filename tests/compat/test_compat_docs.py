"""docs/compat.md: every call and every number in it."""

from __future__ import annotations

import re
import types
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import keras
import numpy as np
import optax
import ot
import pytest
import scipy
import scipy.spatial.distance
import tensorflow as tf
import torch
import torchmetrics.functional

from unikl import compat, kl_divergence

from .compat_cases import TO, Array, log, numpy, silence

PAGE = (Path(__file__).parents[2] / "docs" / "compat.md").read_text()
PAIRS = {
    "A": ([0.5, 0.5, 0.0], [0.25, 0.5, 0.25]),
    "B": ([0.5, 0.5, 0.0], [0.5, 0.5, 0.0]),
    "C": ([0.3, 0.3, 0.4], [0.5, 0.5, 0.0]),
}
TRUE = {"A": "0.346574", "B": "0", "C": "inf"}


def categorical(a: Array, b: Array) -> Array:
    p, q = (tf.compat.v1.distributions.Categorical(probs=x) for x in (a, b))
    return tf.compat.v1.distributions.kl_divergence(p, q)


def with_logits(a: Array, b: Array) -> Array:
    cross_entropy, p = tf.nn.softmax_cross_entropy_with_logits, tf.nn.softmax(a)
    return tf.reduce_sum(cross_entropy(p, b) - cross_entropy(p, a))


# The real libraries, under the names of the page, and how they want their arrays.
NATIVE: dict[str, tuple[Any, Any]] = {
    "torch": (torch.nn.functional, torch.as_tensor),
    "keras": (keras.losses, np.asarray),
    "scipy": (
        types.SimpleNamespace(
            rel_entr=scipy.special.rel_entr,
            kl_div=scipy.special.kl_div,
            entropy=scipy.stats.entropy,
            jensenshannon=scipy.spatial.distance.jensenshannon,
        ),
        np.asarray,
    ),
    "jax": (jax.scipy.special, jnp.asarray),
    "optax": (optax.losses, jnp.asarray),
    "torchmetrics": (torchmetrics.functional, torch.as_tensor),
    "pot": (ot.backend.NumpyBackend(), np.asarray),
    "tensorflow": (
        types.SimpleNamespace(
            softmax_cross_entropy_with_logits=tf.nn.softmax_cross_entropy_with_logits,
            categorical_kl_divergence=categorical,
            kl_divergence_with_logits=with_logits,
            kl_divergence=lambda p, q: tf.reduce_sum(p * tf.math.log(p / q)),
        ),
        tf.convert_to_tensor,
    ),
}


def rows(header: str) -> list[list[str]]:
    """The cells of the page's table that begins with `header`."""
    table = PAGE[PAGE.index(f"| {header} |") :].split("\n\n")[0]
    return [re.split(r" \| ", line.strip("| ")) for line in table.splitlines()[2:]]


def evaluate(call: str, pair: str, library: Any, convert: Any) -> str:
    """The call's value on a pair of the page, as the page writes numbers."""
    p, q = (np.array(x) for x in PAIRS[pair])
    names = {
        "compat": library,
        "kl_divergence": kl_divergence,
        "p": convert(p),
        "q": convert(q),
        "log": lambda x: convert(log(numpy(x))),
        "sum": lambda x: numpy(x).sum(),
        "sqrt": np.sqrt,
    }
    with silence(), jax.enable_x64(True):
        value = np.round(float(numpy(eval(call.strip("`"), names)).squeeze()), 6)
    return f"{value + 0.0:.6f}".rstrip("0").rstrip(".") if np.isfinite(value) else f"{value}"


NUMBERS = rows("Call")


@pytest.mark.parametrize("row", NUMBERS, ids=[row[0].strip("`") for row in NUMBERS])
def test_numbers(row: list[str]) -> None:
    call, *numbers, instead = row
    name = call.split("compat.")[1].partition(".")[0]
    library, native_convert = NATIVE[name]
    for pair, number in zip(PAIRS, numbers, strict=True):
        for convert in TO.values():
            assert evaluate(call, pair, compat, convert) == number
        native = types.SimpleNamespace(**{name: library})
        assert evaluate(call, pair, native, native_convert) == number
        right = number if "jensenshannon" in call else TRUE[pair]
        assert evaluate(instead, pair, compat, np.asarray) == right


def test_every_function_has_its_rows() -> None:
    public = {
        f"compat.{module}.{name}"
        for module in compat.__all__
        for name in getattr(compat, module).__all__
    } - {f"compat.keras.{alias}" for alias in ("KLD", "kld", "kullback_leibler_divergence")}
    assert {row[1].strip("`") for row in rows("Library")} == public
    assert {re.findall(r"compat\.\w+\.\w+", row[0])[0] for row in NUMBERS} == public
    for name in sorted(public):
        module, function = name.split(".")[1:]
        doc = getattr(getattr(compat, module), function).__doc__ or ""
        assert "Use instead" in doc
        assert ">>> " in doc


def test_control() -> None:
    """A call that gives another number, and a number that is rounded, are noticed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert evaluate("compat.keras.kl_divergence(q, p)", "A", compat, np.asarray) != "0.346572"
    assert evaluate("compat.scipy.entropy(p, q)", "A", compat, np.asarray) == "0.346574"
