"""`unikl.identify`: the right convention, every library that shares it, and nothing else."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
import scipy.stats
import torch
import torch.nn.functional as F

from unikl.__main__ import main
from unikl.identify import Identification, Match, formulas, identify

Array = Any

pytestmark = pytest.mark.filterwarnings("ignore:reduction:UserWarning")

NAMES = {name: getattr(formulas, name) for name in formulas.__all__}


def run(code: str, p: Array, q: Array) -> Array:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return eval(code, {**NAMES, "p": p, "q": q})


def texts(match: Match) -> list[str]:
    return [match.sentence, *match.libraries]


# -- forty generated cases -------------------------------------------------------------------------


class Convention(NamedTuple):
    """What somebody computed, from what, and how that must be told."""

    given: str
    value: Callable[[Array, Array], Array]  # of torch tensors
    told: str
    ndim: int = 2
    zeros: bool = False


def kl(p: Array, q: Array, axis: int = -1) -> Array:
    return (p * (p / q).log()).sum(axis)


def keras(p: Array, q: Array) -> Array:
    return kl(p.clip(1e-7, 1), q.clip(1e-7, 1))


def mixture(p: Array, q: Array) -> Array:
    return (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2


def soft(x: Array, temperature: float = 1.0) -> Array:
    return (x / temperature).softmax(-1)


def log_soft(x: Array, temperature: float = 1.0) -> Array:
    return (x / temperature).log_softmax(-1)


CONVENTIONS = [
    Convention(
        "probs",
        lambda p, q: F.kl_div(q.log(), p),
        "torch F.kl_div(q.log(), p) with reduction='mean'",
    ),
    Convention(
        "probs",
        lambda p, q: F.kl_div(q.log(), p, reduction="batchmean"),
        "torch F.kl_div(q.log(), p) with reduction='batchmean'",
    ),
    Convention(
        "probs",
        lambda p, q: F.kl_div(q.log(), p, reduction="sum"),
        "torch F.kl_div(q.log(), p) with reduction='sum'",
    ),
    Convention(
        "probs",
        lambda p, q: F.kl_div(q, p, reduction="batchmean"),
        "the log is missing, probabilities taken for log-probabilities (q), averages over 7 rows",
    ),
    Convention(
        "probs",
        lambda p, q: F.kl_div(q.log(), p, reduction="sum", log_target=True),
        "torch F.kl_div(q.log(), p, log_target=True) with reduction='sum'",
    ),
    Convention(
        "probs",
        lambda p, q: F.kl_div(p.log(), q, reduction="sum"),
        "the arguments swapped, sums over",
    ),
    Convention(
        "probs",
        lambda p, q: F.kl_div(log_soft(q), soft(p), reduction="batchmean"),
        "softmax of what are probabilities already (p and q), averages over",
    ),
    Convention(
        "logits",
        lambda p, q: F.kl_div(log_soft(q), soft(p)),
        "torch F.kl_div(q.log_softmax(-1), p.softmax(-1)) with reduction='mean'",
    ),
    Convention(
        "logits",
        lambda p, q: scipy.stats.entropy(soft(soft(p)), soft(soft(q)), axis=1),
        "softmax applied twice (p and q), one value for each row",
    ),
    Convention(
        "logits",
        lambda p, q: F.kl_div(q, soft(p), reduction="sum"),
        "the log_softmax is missing, logits taken for log-probabilities (q), sums over",
    ),
    Convention("logits", lambda p, q: keras(p, q), "keras.losses.kl_divergence(p, q)"),
    Convention(
        "probs",
        lambda p, q: keras(p, q).mean(),
        "keras.losses.KLDivergence()(p, q)",
        zeros=True,
    ),
    Convention("probs", scipy.stats.entropy, "scipy.stats.entropy(p, q)"),
    Convention("probs", lambda p, q: kl(p, q).mean() / np.log(2), "averages over 7 rows, in bits"),
    Convention("probs", lambda p, q: kl(p, q).sum() / np.log(10), "sums over 7 rows, in base 10"),
    Convention(
        "logits",
        lambda p, q: 16 * F.kl_div(log_soft(q, 4), soft(p, 4), reduction="batchmean"),
        "averages over 7 rows, temperature 4, times T^2 = 16",
    ),
    Convention(
        "logits",
        lambda p, q: F.kl_div(log_soft(q, 2), soft(p, 2)),
        "temperature 2, without the factor T^2 = 4",
    ),
    Convention("probs", lambda p, q: kl(p, q) + kl(q, p), "the Jeffreys divergence"),
    Convention(
        "probs",
        lambda p, q: mixture(p, q).mean(),
        "the Jensen-Shannon divergence: averages over 7 rows",
    ),
    Convention(
        "probs",
        lambda p, q: scipy.spatial.distance.jensenshannon(p, q, axis=1),
        "scipy.spatial.distance.jensenshannon(p, q, axis=-1)",
    ),
    Convention(
        "counts",
        lambda p, q: scipy.special.kl_div(p.numpy(), q.numpy()).sum(),
        "the generalised divergence",
    ),
    Convention(
        "counts",
        lambda p, q: scipy.special.rel_entr(p.numpy(), q.numpy()).sum(-1),
        "neither normalised",
    ),
    Convention(
        "logits",
        lambda p, q: F.cross_entropy(q, soft(p)),
        "the cross-entropy of softmax(p) and softmax(q)",
    ),
    Convention(
        "probs",
        lambda p, q: F.kl_div(q.log(), p, reduction="batchmean"),
        "divides by 3, the length of the first axis, not by 12 rows",
        ndim=3,
    ),
    Convention(
        "probs",
        lambda p, q: (p * ((p + 1e-8) / (q + 1e-8)).log()).sum(),
        "an epsilon of 1e-08 added to both in the logarithm alone",
        zeros=True,
    ),
    Convention(
        "logits",
        lambda p, q: F.kl_div(q.log_softmax(0), p.softmax(0), reduction="sum"),
        "softmax over axis 0, across the rows (p and q)",
    ),
    Convention(
        "probs",
        lambda p, q: -(p * q.log()).sum(-1).mean() * -1,
        "the cross-entropy of p and q: the divergence plus the entropy of p: averages over 7 rows, "
        "the sign reversed",
    ),
    Convention(
        "log_probs",
        lambda p, q: F.kl_div(q, p, log_target=True),
        "torch F.kl_div(q, p, log_target=True) with reduction='mean'",
    ),
    Convention(
        "log_probs",
        lambda p, q: kl(p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)).mean(),
        "the exp is missing, log-probabilities taken for probabilities (p and q)",
    ),
    Convention("probs", lambda p, q: kl(p.reshape(-1), q.reshape(-1)), "POT Backend.kl_div(p, q)"),
]


def inputs(convention: Convention, seed: int) -> tuple[Array, Array]:
    """p and q of 7 x 4 (or 3 x 4 x 5) and of a random dtype, as torch tensors."""
    rng = np.random.default_rng(seed)
    shape = (7, 4) if convention.ndim == 2 else (3, 4, 5)
    dtype = torch.float64 if convention.zeros or seed % 3 else torch.float32
    arrays = []
    for name in "pq":
        x = rng.normal(size=shape) * 1.5
        if convention.given == "counts":
            x = rng.integers(1, 50, shape).astype(float)
        elif convention.given != "logits":
            x = np.exp(x)
            if convention.zeros:
                x[..., 0 if name == "p" else 1] *= rng.random(shape[:-1]) < 0.5
            x /= x.sum(-1, keepdims=True)
            x = np.log(x) if convention.given == "log_probs" else x
        arrays.append(torch.as_tensor(x, dtype=dtype))
    return arrays[0], arrays[1]


def case(seed: int) -> tuple[Convention, Array, Array, Array]:
    convention = CONVENTIONS[seed % len(CONVENTIONS)]
    p, q = inputs(convention, seed)
    return convention, p, q, np.asarray(convention.value(p, q))


@pytest.mark.parametrize("digits", ["all", "six"])
@pytest.mark.parametrize("seed", range(40))
def test_the_right_convention_is_among_the_first_two_and_its_code_runs(
    seed: int, digits: str
) -> None:
    convention, p, q, value = case(seed)
    given: Any = convention.given
    shown = value if digits == "all" else " ".join(f"{v:.6g}" for v in np.ravel(value))
    found = identify(shown, p, q, given=given)
    told = [text for match in found[:2] for text in texts(match)]
    assert any(convention.told in text for text in told), str(found)
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    for match in found:
        np.testing.assert_allclose(np.ravel(match.value), np.ravel(value), rtol=1e-4)
        np.testing.assert_allclose(np.ravel(run(match.code, p, q)), np.ravel(match.value), 1e-12)
        for code in match.libraries.values():
            np.testing.assert_allclose(np.ravel(run(code, p, q)), np.ravel(value), rtol=1e-4)


@pytest.mark.parametrize("factor", [1.001, 0.97])
def test_a_wrong_value_matches_nothing(factor: float) -> None:
    for seed in range(40):
        convention, p, q, value = case(seed)
        given: Any = convention.given
        found = identify(np.asarray(value, np.float64) * factor, p, q, given=given)
        assert not found, f"{seed}: {found}"


# -- the libraries ---------------------------------------------------------------------------------

VECTORS = {
    "A": ([0.5, 0.5, 0.0], [0.25, 0.5, 0.25]),
    "B": ([0.5, 0.5, 0.0], [0.5, 0.5, 0.0]),
    "C": ([0.3, 0.3, 0.4], [0.5, 0.5, 0.0]),
    "D": ([2.0, 2.0, 0.0], [1.0, 2.0, 1.0]),
    "E": ([-0.1, 0.6, 0.5], [0.25, 0.5, 0.25]),
    "F": ([0.25, 0.5, 0.25], [-0.1, 0.6, 0.5]),
}
# What was measured, for A to F; "-" where the library raises, or it was not.
_BY_VALUES = {
    "0.346574 0 inf 1.386294 inf inf": [
        "scipy.special.rel_entr(p, q).sum(-1)",
        "scipy.special.kl_div(p, q).sum(-1)",
        "jax.scipy.special.rel_entr(p, q).sum(-1)",
        "jax.scipy.special.kl_div(p, q).sum(-1)",
    ],
    "0.346574 0 inf 0.346574 inf inf": [
        "scipy.stats.entropy(p, q)",
    ],
    "0.328452 0 0.404841 0.328452 inf inf": [
        "scipy.spatial.distance.jensenshannon(p, q)",
    ],
    "0.346574 nan inf 1.386294 nan nan": [
        "torch F.kl_div(q.log(), p) with reduction='sum'",
        "optax.losses.kl_divergence(log(q), p)",
        "optax.losses.generalized_kl_divergence(log(q), p)",
        "POT Backend.kl_div(p, q)",
    ],
    "nan nan inf nan nan nan": [
        "torch F.kl_div(q.log(), p.log(), log_target=True) with reduction='sum'",
        "optax.losses.kl_divergence_with_log_targets(log(q), log(p))",
        "torchmetrics kl_divergence(atleast_2d(p.log()), atleast_2d(q.log()), log_prob=True)",
    ],
    "0.346574 0 inf 0.346574 3.92 8.40": [
        "torch.distributions.kl_divergence(Categorical(probs=p), Categorical(probs=q))",
    ],
    "0.346572 0 5.774227 -1.6e-06 0.455965 3.418503": [
        "keras.losses.kl_divergence(p, q)",
    ],
    "0.346574 0 inf 0.346574 nan nan": [
        "tfp.distributions.kl_divergence(Categorical(probs=p), Categorical(probs=q))",
        "distrax kl_divergence(Categorical(probs=p), Categorical(probs=q))",
        "torchmetrics kl_divergence(atleast_2d(p), atleast_2d(q))",
    ],
    "nan nan inf nan - -": [
        "tfp.distributions.kl_divergence(OneHotCategorical(probs=p), OneHotCategorical(probs=q))",
    ],
    "0.346574 0 inf - - -": [
        "numpyro.distributions.kl_divergence(Categorical(probs=p), Categorical(probs=q))",
    ],
    "0.107881 0 0.163897 0.107881 nan nan": [
        "torchmetrics jensen_shannon_divergence(atleast_2d(p), atleast_2d(q))",
    ],
    "nan nan nan nan nan nan": [
        "torchmetrics jensen_shannon_divergence(atleast_2d(p.log()), atleast_2d(q.log()), "
        "log_prob=True)",
    ],
    "0.5 0 inf - - -": [
        "dit.divergences.kullback_leibler_divergence(p, q)",
    ],
    "0 0 -3.4028235e38 - - -": [
        "torchmetrics infolm(information_measure='kl_divergence')",
    ],
    "0.346574 nan inf 1.386294 2.62 -": [
        "LigerKLDIVLoss(reduction='sum')(q.log(), p)",
    ],
    "nan nan inf nan nan -": [
        "LigerKLDIVLoss(reduction='sum', log_target=True)(q.log(), p.log())",
    ],
    "nan nan inf - - -": [
        "LigerJSD(beta=0.0)(q.log(), p.log())",
    ],
    "nan nan nan - - -": [
        "LigerJSD(beta=0.5)(q.log(), p.log())",
    ],
    "inf nan nan - - -": [
        "LigerJSD(beta=1.0)(q.log(), p.log())",
    ],
}
MEASURED = {name: values.split() for values, names in _BY_VALUES.items() for name in names}
NUMBERS = sorted(
    {
        (vector, values[n])
        for n, vector in enumerate(VECTORS)
        for values in MEASURED.values()
        if values[n] != "-"
    }
)


@pytest.mark.parametrize(("vector", "value"), NUMBERS)
def test_every_library_of_a_value_is_named_and_no_other(vector: str, value: str) -> None:
    p, q = map(np.array, VECTORS[vector])
    column = list(VECTORS).index(vector)
    measured = {name: values[column] for name, values in MEASURED.items()}
    named = set(identify(value, p, q)[0].libraries) & set(measured)
    unknown = {name for name, number in measured.items() if number == "-"}
    assert named - unknown == {name for name, number in measured.items() if number == value}


@pytest.mark.parametrize("vector", VECTORS)
def test_the_formula_for_torch_categorical(vector: str) -> None:
    for dtype, eps in ((torch.float64, 2.0**-52), (torch.float32, 2.0**-23)):
        tensors = [torch.tensor(x, dtype=dtype) for x in VECTORS[vector]]
        objects = [torch.distributions.Categorical(x, validate_args=False) for x in tensors]
        want = torch.distributions.kl_divergence(objects[0], objects[1])
        p, q = (np.asarray(x, np.float64) for x in tensors)
        with np.errstate(all="ignore"):
            got = formulas.torch_categorical(p, q, eps)
        np.testing.assert_allclose(got, want, rtol=4 * eps, atol=4 * eps)


def test_the_formula_for_torchmetrics_jensen_shannon() -> None:
    functional = pytest.importorskip("torchmetrics.functional.regression")
    p, q = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 7))
    want = functional.jensen_shannon_divergence(torch.tensor(p), torch.tensor(q))
    np.testing.assert_allclose(formulas.jensen_shannon(p, q).mean(), want, rtol=1e-12)


def test_masked_logits() -> None:
    a, b = np.array([1.0, 2.0, 0.5]), np.array([2.0, 1.0, 0.3])
    masked_a, masked_b = np.array([1.0, 2.0, -np.inf]), np.array([2.0, 1.0, -np.inf])
    in_torch = "torch F.kl_div(q.log_softmax(-1), p.softmax(-1)) with reduction='sum'"
    both = identify("0.462117", masked_a, masked_b, given="logits")[0]
    assert both.sentence == "KL(softmax(p) || softmax(q))"
    assert in_torch not in both.libraries
    assert in_torch in identify("nan", masked_a, masked_b, given="logits")[0].libraries
    assert in_torch in identify("0.587474", masked_a, b, given="logits")[0].libraries
    in_keras = "keras.losses.kl_divergence(softmax(p), softmax(q))"
    assert in_keras in identify("2.252373", a, masked_b, given="logits")[0].libraries


@pytest.mark.parametrize("shape", [(1,), (3, 1), (2, 3, 4)])
@pytest.mark.parametrize("given", ["probs", "log_probs", "logits", "counts"])
@pytest.mark.parametrize("odd", [None, np.nan, -np.inf, -1.0])
def test_any_input_has_an_answer(shape: tuple[int, ...], given: Any, odd: float | None) -> None:
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(2, *shape)) if given == "logits" else rng.uniform(size=(2, *shape))
    if odd is not None:
        p.flat[0] = odd
    for value in ("nan", "0.5"):
        for match in identify(value, p, q, given=given):
            result = np.ravel(run(match.code, p, q))
            np.testing.assert_allclose(result, np.ravel(match.value), rtol=1e-12)


def test_two_libraries_are_told_apart_by_six_digits_and_not_by_four() -> None:
    p, q = map(np.array, VECTORS["A"])
    keras, scipy_ = "keras.losses.kl_divergence(p, q)", "scipy.stats.entropy(p, q)"
    assert {keras, scipy_} <= set(identify("0.3466", p, q)[0].libraries)
    assert keras not in identify("0.346574", p, q)[0].libraries
    assert scipy_ not in identify("0.346572", p, q)[0].libraries


def test_keras_logits_distillation_without_its_softmax() -> None:
    p, q = np.array([2.0, -1.0, 0.5]), np.array([0.3, 1.2, -2.0])
    found = identify("3.6525", p, q, given="logits")
    assert "keras.losses.kl_divergence(p / 3, q / 3)" in found[0].libraries
    assert "the softmax is missing" in found[0].sentence
    right = identify("1.74765", p, q, given="logits")
    assert "temperature 3, times T^2 = 9" in right[0].sentence


# -- what goes in, and what is printed -------------------------------------------------------------

P = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
Q = np.array([[0.25, 0.5, 0.25], [0.3, 0.3, 0.4]])


def test_the_printed_answer() -> None:
    text = str(identify("0.0623439", P, Q))
    assert (
        "torch F.kl_div(q.log(), p) with reduction='mean': divides by all 6 elements, not by 2 rows"
        in text
    )
    assert 'compat.torch.kl_div(np.log(q), p, reduction="mean")' in text
    nothing = str(identify("0.123456", P, Q))
    assert "no known convention gives this" in nothing
    assert "nearest" in nothing


def test_a_number_of_few_digits_is_not_explained_by_the_far_fetched() -> None:
    found = identify("0.19", P, Q)
    assert found[0].sentence == "KL(p || q): averages over 2 rows"
    assert not any("epsilon" in match.sentence for match in found)


@pytest.mark.parametrize(
    "value", ["[0.173287 0.227377]", [0.173287, 0.227377], "0.173287,0.227377"]
)
def test_several_numbers(value: Any) -> None:
    found = identify(value, P, Q)
    assert found[0].sentence == "KL(q || p): the arguments swapped, one value for each row"
    assert found[0].value.shape == (2,)


def test_elements() -> None:
    found = identify(P * np.log(P / Q), P, Q)
    assert "torch F.kl_div(q.log(), p) with reduction='none'" in found[0].libraries


def test_mixed_forms() -> None:
    logits = np.log(Q) + 3
    value = scipy.special.rel_entr(P, Q).sum()
    found = identify(value, P, logits, given=("probs", "logits"))
    assert found[0].sentence == "KL(p || softmax(q)): sums over 2 rows"
    swapped = scipy.special.rel_entr(Q, P).sum()
    assert "swapped" in identify(swapped, P, logits, given=("probs", "logits"))[0].sentence


@pytest.mark.parametrize("library", ["numpy", "torch", "jax", "tensorflow", "list"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_arrays_of_any_library(library: str, dtype: str) -> None:
    if (library, dtype) == ("list", "float16"):
        pytest.skip("rows of float64 that do not sum to 1 are not normalised")
    p: Any = P.astype(dtype)
    q: Any = Q.astype(dtype)
    value: Any = scipy.special.rel_entr(p.astype(float), q.astype(float)).sum(-1).mean()
    if library == "torch":
        p, q = torch.tensor(p, requires_grad=True), torch.tensor(q)
        value = torch.tensor(value)
    elif library == "jax":
        import jax.numpy as jnp

        p, q, value = map(jnp.asarray, (p, q, np.float32(value)))
    elif library == "tensorflow":
        import tensorflow as tf

        p, q, value = map(tf.constant, (p, q, value))
    elif library == "list":
        p, q = p.tolist(), q.tolist()
    assert identify(value, p, q)[0].sentence == "KL(p || q): averages over 2 rows"


def test_rtol() -> None:
    value = 1.01 * scipy.special.rel_entr(P, Q).sum()
    assert not identify(value, P, Q)
    assert identify(value, P, Q, rtol=0.02)[0].sentence == "KL(p || q): sums over 2 rows"


@pytest.mark.parametrize(
    ("value", "p", "message"),
    [
        ("many", P, "value must be a number"),
        ("", P, "value must be a number"),
        ([], P, "value must be a number"),
        (0.1, P[0], "p and q must have one shape"),
        ([0.1] * 5, P, "value holds 5 numbers"),
    ],
)
def test_what_is_refused(value: Any, p: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        identify(value, p, Q)
    with pytest.raises(ValueError, match="not be empty"):
        identify(value, np.ones((0, 3)), np.ones((0, 3)))


def test_it_is_fast_and_always_the_same() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(2, 100, 50))
    value = 0.37 * scipy.special.rel_entr(scipy.special.softmax(p, -1), 1 / 50).sum(-1).mean()
    start = time.process_time()
    found = identify(value, p, q, given="logits")
    assert time.process_time() - start < 2
    assert isinstance(found, Identification)
    assert str(found) == str(identify(value, p, q, given="logits"))


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.save(tmp_path / "p.npy", P)
    np.save(tmp_path / "q.npy", Q)
    np.save(tmp_path / "rows.npy", scipy.special.rel_entr(P, Q).sum(-1))
    np.save(tmp_path / "p3.npy", np.ones((3, 3)) / 3)
    return tmp_path


def command(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = main(["identify", *map(str, argv)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, err = command(capsys, "0.0623439", files / "p.npy", files / "q.npy")
    assert (code, err) == (0, "")
    assert out == f"{identify('0.0623439', P, Q)}\n"
    code, out, _ = command(capsys, "0.123456", files / "p.npy", files / "q.npy")
    assert code == 1
    assert "no known convention" in out
    code, out, _ = command(capsys, files / "rows.npy", files / "p.npy", files / "q.npy")
    assert code == 0
    assert "KL(p || q): one value for each row" in out


def test_command_json(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    arrays = (files / "p.npy", files / "q.npy")
    code, out, _ = command(capsys, "0.173287,0.227377", *arrays, "--json", "--given", "probs,probs")
    (match, *_) = json.loads(out)
    assert code == 0
    assert match["sentence"].startswith("KL(q || p)")
    np.testing.assert_allclose(match["value"], [0.173287, 0.227377], rtol=1e-5)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nothing.npy", "p.npy", "q.npy"], "no such file"),
        (["0.1", "p.npy", "p3.npy"], "must have one shape"),
        (["0.1", "p.npy", "q.npy", "--given", "odds"], "given must be one of"),
        (["0.1,x", "p.npy", "q.npy"], "value must be a number"),
    ],
)
def test_command_refuses(
    capsys: pytest.CaptureFixture[str], files: Path, argv: list[str], message: str
) -> None:
    words = [str(files / word) if word.endswith(".npy") else word for word in argv]
    code, out, err = command(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
