"""Where torch, TFP, Distrax or NumPyro are wrong: their value, ours, and the truth of mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from mpmath import mp

from tests.distributions.closed_forms import CLOSED_FORMS
from tests.distributions.native_cases import Library
from unikl.distributions import kl
from unikl.distributions.adapters import adapt_pair

LIMIT = 16  # eps


def _ours(p: Any, q: Any) -> Any:
    return np.asarray(kl(*adapt_pair(p, q)))


Given = tuple[str, dict[str, Any]]  # a family of ours and its parameters


class Defect(NamedTuple):
    """A divergence that a library gets wrong."""

    library: str
    p: Given
    q: Given
    theirs: float | None  # what it gives, to three digits; None for NotImplementedError
    truth: Callable[[], Any]
    dtype: Any = np.float64


def _kl_of(family: str, *parameters: float) -> Callable[[], Any]:
    return lambda: CLOSED_FORMS[family].kl(*map(mp.mpf, parameters))


def _number(x: float) -> Callable[[], Any]:
    return lambda: mp.mpf(x)


def _dirichlets() -> Any:
    """50 and 50.5 in each of 1000 components."""
    a, b, n = mp.mpf(50), mp.mpf("50.5"), 1000
    each = mp.loggamma(b) - mp.loggamma(a) + (a - b) * (mp.psi(0, a) - mp.psi(0, n * a))
    return mp.loggamma(n * a) - mp.loggamma(n * b) + n * each


def _binomials(n: int, a: float, m: int, b: float) -> Callable[[], Any]:
    def log_mass(n: int, p: Any, k: int) -> Any:
        return mp.log(mp.binomial(n, k)) + k * mp.log(p) + (n - k) * mp.log(1 - p)

    def value() -> Any:
        pairs = [(log_mass(n, mp.mpf(a), k), log_mass(m, mp.mpf(b), k)) for k in range(n + 1)]
        return sum(mp.exp(x) * (x - y) for x, y in pairs)

    return value


def _uniform_of_bernoulli() -> Any:
    """KL of the continuous Bernoulli distribution of logits -1 from the uniform one: -entropy."""
    eta = mp.mpf(-1)
    mean = 1 / (1 - mp.exp(-eta)) - 1 / eta
    return eta * mean - mp.log(mp.expm1(eta) / eta)


def _bernoulli_of_uniform() -> Any:
    return mp.log(mp.expm1(mp.mpf(-1)) / -1) + mp.mpf(1) / 2


def _from_tiny() -> Any:
    """(1/2, 1/2) from (1e-12, 1), as float32 has them."""
    q = mp.mpf(float(np.float32(1e-12)))
    return -mp.log(2) - (mp.log(q) - mp.log1p(q)) / 2 + mp.log1p(q) / 2


_UNIT = ("Uniform", {"low": 0.0, "high": 1.0})
_TILTED = ("ContinuousBernoulli", {"logits": -1.0})


def _many(concentration: float) -> Given:
    return "Dirichlet", {"concentration": np.full(1000, concentration)}


def _beta(a: float, b: float) -> Given:
    return "Beta", {"concentration1": a, "concentration0": b}


_MANY = _many(50.0), _many(50.5)
_BETAS = _beta(1e5, 1e5), _beta(float(np.float32(1.001e5)), 1e5)
_BETA_KL = _kl_of("Beta", 1e5, 1e5, float(np.float32(1.001e5)), 1e5)
_GAMMAS: tuple[Given, Given] = (
    ("Gamma", {"concentration": 1e4, "rate": 1.0}),
    ("Gamma", {"concentration": 1.0001e4, "rate": 1.0}),
)
_GAMMA_KL = _kl_of("Gamma", 1e4, 1, 1.0001e4, 1)
_HALVES = ("Categorical", {"probs": [0.5, 0.5]})
_LOPSIDED = ("Categorical", {"probs": [1e-12, 1.0]})


def _trials(n: float, probs: float) -> Given:
    return "Binomial", {"total_count": n, "probs": probs}


DEFECTS = {
    "on equal supports, its test takes the ends for outside": Defect(
        "torch", _TILTED, _UNIT, np.inf, _uniform_of_bernoulli
    ),
    "the same, the other way round": Defect("torch", _UNIT, _TILTED, np.inf, _bernoulli_of_uniform),
    "its log-normaliser cancels (pytorch#72525)": Defect(
        "torch",
        ("ContinuousBernoulli", {"logits": -500.0}),
        ("ContinuousBernoulli", {"logits": 20.0}),
        6.16,
        lambda: mp.log(500) - 1 + mp.log(mp.expm1(20) / 20) - mp.mpf(20) / 500,
    ),
    "0 log 0 of sure successes": Defect(
        "torch", _trials(10, 1.0), _trials(10, 0.3), -np.inf, lambda: -10 * mp.log(0.3)
    ),
    "probabilities of 0 are clamped": Defect(
        "torch", _trials(10, 0.3), _trials(10, 0.0), 102.0, _number(np.inf)
    ),
    "more trials in q": Defect(
        "torch", _trials(10, 0.3), _trials(20, 0.2), None, _binomials(10, 0.3, 20, 0.2)
    ),
    "0 log 0 of a rate": Defect(
        "torch", ("Poisson", {"rate": 0.0}), ("Poisson", {"rate": 1.0}), np.nan, _number(1.0)
    ),
    "small probabilities are clamped to eps": Defect(
        "torch", _HALVES, _LOPSIDED, 7.28, _from_tiny, np.float32
    ),
    "a difference of log-beta": Defect("torch", *_BETAS, -0.185, _BETA_KL, np.float32),
    "the same in TFP": Defect("TFP", *_BETAS, 0.0336, _BETA_KL, np.float32),
    "the same in Distrax": Defect("Distrax", *_BETAS, 0.0648, _BETA_KL, np.float32),
    "a difference of log-gamma": Defect("torch", *_GAMMAS, 6.47e-4, _GAMMA_KL, np.float32),
    "log-gamma in TFP": Defect("TFP", *_GAMMAS, 0.0, _GAMMA_KL, np.float32),
    "a difference of sums of log-gamma": Defect("torch", *_MANY, 0.0217, _dirichlets, np.float32),
    "such sums in TFP": Defect("TFP", *_MANY, 0.0, _dirichlets, np.float32),
    "0 times -inf at a probability of 0": Defect(
        "TFP",
        ("OneHotCategorical", {"probs": [0.5, 0.5, 0.0]}),
        ("OneHotCategorical", {"probs": [0.25, 0.5, 0.25]}),
        np.nan,
        lambda: mp.log(2) / 2,
    ),
    "a point has no density, and no unit": Defect(
        "NumPyro",
        ("Delta", {"v": 0.0}),
        ("Normal", {"loc": 0.0, "scale": 0.1}),
        -1.38,
        _number(np.inf),
    ),
    "a point from a density in TFP": Defect(
        "TFP",
        ("Deterministic", {"loc": 0.0}),
        ("Normal", {"loc": 0.0, "scale": 0.1}),
        -1.38,
        _number(np.inf),
    ),
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=list(DEFECTS))
def test_where_they_are_wrong_the_reference_decides(defect: Defect) -> None:
    with jax.enable_x64(defect.dtype == np.float64), mp.workdps(50):
        lib = Library(defect.library, defect.dtype)
        p, q = (lib.make(family, **given) for family, given in (defect.p, defect.q))
        truth = np.array(float(defect.truth()))
        ours = _ours(p, q)
        if truth == np.inf:
            assert ours == truth
        else:
            assert abs(ours / truth - 1) <= LIMIT * np.finfo(defect.dtype).eps
        if defect.theirs is None:
            with pytest.raises(NotImplementedError):
                lib.kl(p, q)
        else:
            assert float(lib.kl(p, q)) == pytest.approx(defect.theirs, rel=5e-3, nan_ok=True)


def test_torch_infinities_have_the_shape_of_p_alone() -> None:
    import torch

    lib = Library("torch")
    p, q = lib.make("Exponential", rate=1.0), lib.make("Uniform", low=0.0, high=[1.0, 2.0, 3.0])
    assert lib.kl(p, q).shape == ()
    np.testing.assert_array_equal(_ours(p, q), np.full(3, np.inf))
    assert torch.distributions.kl_divergence(p, q) == np.inf


def test_torch_exponential_families_lose_the_gradients_of_p() -> None:
    import torch
    from torch.distributions import Wishart

    df, v = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (3.0, [[2.0]]))
    p, q = Wishart(df, v), Wishart(v.new_tensor(5.0), v.new_tensor([[0.5]]))
    theirs = torch.distributions.kl_divergence(p, q)
    lost: tuple[Any, ...] = torch.autograd.grad(theirs, [df, v], allow_unused=True)
    assert lost == (None, None)
    ours = torch.autograd.grad(kl(*adapt_pair(p, q)), [df, v])
    with mp.workdps(30):

        def reference(df: Any, v: Any) -> Any:
            return CLOSED_FORMS["Gamma"].kl(df / 2, 1 / (2 * v), mp.mpf(5) / 2, mp.mpf(1))

        expected = [
            mp.diff(lambda x: reference(x, mp.mpf(2)), 3),
            mp.diff(lambda x: reference(mp.mpf(3), x), 2),
        ]
    assert [g.item() for g in ours] == pytest.approx([float(x) for x in expected], rel=1e-13)


@pytest.mark.parametrize("name", ["torch", "TFP"])
def test_transforms_that_are_not_injective(name: str) -> None:
    """abs(N(1, 1)) and abs(N(-1, 1)) are one distribution; they give that of the bases."""
    lib = Library(name)
    bases = [lib.make("Normal", loc=loc, scale=1.0) for loc in (1.0, -1.0)]
    if name == "torch":
        transform: Any = [lib.module.transforms.AbsTransform()]
    else:
        transform = pytest.importorskip("tensorflow_probability").bijectors.AbsoluteValue()
    p, q = (lib.module.TransformedDistribution(base, transform) for base in bases)
    assert float(lib.kl(p, q)) == 2
    with pytest.raises(NotImplementedError, match="not injective"):
        _ours(p, q)
