"""What is done where there is no closed form, and that it says so."""

from __future__ import annotations

from typing import Any, ClassVar

import mpmath
import numpy as np
import pytest

from unikl.distributions import (
    Beta,
    Binomial,
    Categorical,
    Cauchy,
    Gamma,
    Laplace,
    Logistic,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
    Uniform,
)
from unikl.distributions.fallback import explain_kl, kl_divergence
from unikl.distributions.mixtures import (
    matched_bound,
    variational_approximation,
    variational_upper_bound,
)
from unikl.distributions.multivariate_normal import MultivariateNormal, MultivariateNormalDiag
from unikl.distributions.structure import Independent, MixtureSameFamily

ONE = 0.4431471805599453  # of N(0, 1) from N(1, 2)


# -- the chain -------------------------------------------------------------------------------------


def test_a_closed_form_goes_first() -> None:
    found = explain_kl(Normal(0.0, 1.0), Normal(1.0, 2.0))
    assert found.method == "exact"
    assert float(found.value) == ONE
    assert 0 < float(found.error) < 1e-14
    bits = explain_kl(Normal(0.0, 1.0), Normal(1.0, 2.0), base=2)
    assert float(bits.value) == pytest.approx(ONE / np.log(2), rel=1e-15)


def test_no_closed_form_names_the_nearest() -> None:
    with pytest.raises(NotImplementedError) as caught:
        kl_divergence(Logistic(0.0, 1.0), Laplace(0.0, 1.0), method="exact")
    message = str(caught.value)
    assert "closed forms from Logistic: to" in message
    near_p, _, near_q = message.partition("closed forms from Logistic: to")[2].partition(
        "; to Laplace: from"
    )
    assert "Normal" in near_p
    assert "Normal" in near_q


def test_an_unknown_method_is_an_error() -> None:
    with pytest.raises(ValueError, match="method must be one of auto, exact"):
        kl_divergence(Normal(0.0, 1.0), Normal(0.0, 1.0), method="magic")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a distribution"):
        kl_divergence(Normal(0.0, 1.0), 3.0)


# -- quadrature and sums ---------------------------------------------------------------------------


def _student(df: float, loc: float) -> Any:
    def density(x: Any) -> Any:
        half, z = mpmath.mpf(df) / 2, x - loc
        ratio = mpmath.gamma(half + 0.5) / mpmath.gamma(half) / mpmath.sqrt(mpmath.pi * df)
        return ratio * (1 + z * z / df) ** -(half + mpmath.mpf(1) / 2)

    return density


def test_quadrature_against_thirty_digits() -> None:
    with mpmath.workdps(30):
        p, q = _student(3.0, 0.0), _student(4.0, 1.0)
        reference = mpmath.quad(
            lambda x: p(x) * mpmath.log(p(x) / q(x)), [-mpmath.inf, -1, 0, 1, mpmath.inf]
        )
    found = explain_kl(StudentT(3.0, 0.0, 1.0), StudentT(4.0, 1.0, 1.0))
    assert found.method == "quadrature"
    assert float(found.value) == pytest.approx(float(reference), rel=1e-12)
    assert float(found.error) < 1e-12


PAIRS = [
    (Normal(3.0, 1e-3), Normal(0.0, 2.0)),
    (Gamma(1e4, 1.0), Gamma(1.0001e4, 1.0)),
    (Gamma(0.2, 2.0), Gamma(0.5, 1.0)),
    (Beta(0.5, 0.7), Beta(2.0, 6.0)),
    (Uniform(0.0, 1.0), Beta(2.0, 2.0)),
    (Cauchy(0.0, 1.0), Cauchy(1.0, 2.0)),
    (Normal(np.array([0.0, 1e4]), np.array([1.0, 10.0])), Normal(1.0, 2.0)),
]


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_the_error_of_a_quadrature_covers_it(p: Any, q: Any) -> None:
    exact = explain_kl(p, q, method="exact").value
    found = explain_kl(p, q, method="quadrature")
    off = np.abs(np.asarray(found.value) - np.asarray(exact))
    assert np.all(off <= 16 * np.asarray(found.error))  # an estimate, of the right size
    assert np.all(off <= 1e-6 * np.asarray(exact))


def test_a_support_that_sticks_out_is_infinite() -> None:
    found = explain_kl(StudentT(3.0, 0.0, 1.0), Beta(2.0, 2.0), method="quadrature")
    assert float(found.value) == np.inf


def test_sums() -> None:
    with mpmath.workdps(30):
        half, three = mpmath.mpf(1) / 2, mpmath.mpf(3)

        def term(k: Any) -> Any:
            k = int(k)
            p = mpmath.exp(-three) * three**k / mpmath.factorial(k)
            return p * mpmath.log(p / (mpmath.binomial(k + 2, k) * half**3 * half**k))

        reference = sum(term(k) for k in range(200))
    found = explain_kl(Poisson(3.0), NegativeBinomial(3.0, 0.5))
    assert found.method == "sum"
    assert abs(float(found.value) - float(reference)) <= float(found.error) < 1e-11
    known = explain_kl(Binomial(10.0, 0.3), Binomial(10.0, 0.5), method="exact").value
    found = explain_kl(Binomial(10.0, 0.3), Binomial(10.0, 0.5), method="sum")
    assert float(found.value) == pytest.approx(float(known), rel=1e-13)


def test_quadrature_has_derivatives_in_both() -> None:
    import torch

    xs = [torch.tensor(x, dtype=torch.float64) for x in (0.0, 1.0, 1.0, 2.0)]

    def value(a: Any, b: Any, c: Any, d: Any) -> Any:
        return 3 * kl_divergence(Normal(a, b), Normal(c, d), method="quadrature")

    leaves = [x.clone().requires_grad_() for x in xs]
    found = torch.autograd.grad(value(*leaves), leaves)
    expected = [-0.75, 3 * (0.25 - 1), 0.75, 3 * (0.5 - 2 / 8)]
    np.testing.assert_allclose([float(g) for g in found], expected, rtol=1e-9)


# -- other libraries' distributions without a counterpart ------------------------------------------


def test_scipy_by_its_densities() -> None:
    from scipy import stats

    found = explain_kl(stats.skewnorm(3.0), stats.norm(0.0, 1.0))
    assert found.method == "quadrature"
    # E 2 Phi(3 x) log(2 Phi(3 x)) under N(0, 1)
    with mpmath.workdps(30):
        reference = mpmath.quad(
            lambda x: 2 * mpmath.npdf(x) * mpmath.ncdf(3 * x) * mpmath.log(2 * mpmath.ncdf(3 * x)),
            [-12, -3, -1, 0, 1, 3, 12],
        )
    assert float(found.value) == pytest.approx(float(reference), rel=1e-10)


def test_a_torch_exponential_family_keeps_its_gradients() -> None:
    """torch.distributions leaves p's parameters without, and says nothing."""
    import torch
    from torch.distributions import ExponentialFamily, constraints

    class Shape(ExponentialFamily):
        """A gamma distribution with rate 1."""

        support = constraints.positive
        arg_constraints: ClassVar[Any] = {}

        def __init__(self, shape: Any) -> None:
            self.shape = shape
            super().__init__(validate_args=False)

        @property
        def _natural_params(self) -> Any:
            return (self.shape - 1,)

        def _log_normalizer(self, eta: Any) -> Any:
            return torch.lgamma(eta + 1)

    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (2.0, 3.0)]
    found = explain_kl(Shape(leaves[0]), Shape(leaves[1]))
    assert found.method == "exponential_family"
    assert float(found.value.detach()) == pytest.approx(0.2703628454614781, rel=1e-12)
    grads = torch.autograd.grad(3 * found.value, leaves)
    expected = [-3 * float(mpmath.psi(1, 2)), 3 * float(mpmath.psi(0, 3) - mpmath.psi(0, 2))]
    # Torch's own trigamma, which its autodiff takes, is right to 4e-10.
    np.testing.assert_allclose([float(g) for g in grads], expected, rtol=1e-8)


def test_monte_carlo_says_its_standard_error() -> None:
    import torch
    from torch.distributions import MultivariateNormal as TorchNormal

    eye = torch.eye(2, dtype=torch.float64)
    p, q = TorchNormal(0 * eye[0], eye), TorchNormal(eye[0] + eye[1], 2 * eye)
    found = [explain_kl(p, q, method="monte_carlo", seed=seed) for seed in range(20)]
    assert {one.method for one in found} == {"monte_carlo"}
    z = [float((one.value - np.log(2)) / one.error) for one in found]
    assert np.abs(np.mean(z)) < 4 / np.sqrt(20)
    assert 0.5 < np.std(z) < 2  # neither too sure of itself nor too shy


def test_monte_carlo_has_the_right_gradient() -> None:
    import torch
    from torch.distributions import Exponential

    rates = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (1.0, 2.0)]
    p, q = (Exponential(rate) for rate in rates)
    value = kl_divergence(p, q, method="monte_carlo", samples=200_000)
    found = [float(g) for g in torch.autograd.grad(value, rates)]
    # KL = log(a/b) + b/a - 1: 1/a - b/a^2 = -1 in a, 1/a - 1/b = 1/2 in b
    np.testing.assert_allclose(found, [-1, 0.5], atol=0.03)


# -- mixtures --------------------------------------------------------------------------------------


def _mixture(weights: Any, means: Any, scales: Any) -> MixtureSameFamily:
    weights, means, scales = (np.asarray(x, float) for x in (weights, means, scales))
    return MixtureSameFamily(Categorical(probs=weights), Normal(means, scales))


P = _mixture([0.3, 0.7], [0, 3], [1, 0.5])
Q = _mixture([0.2, 0.5, 0.3], [0, 3, 1], [1, 1, 2])


def _reference(p: MixtureSameFamily, q: MixtureSameFamily) -> float:
    def density(d: Any, x: Any) -> Any:
        parts = zip(d.mixture.probs, d.components.loc, d.components.scale, strict=True)
        return sum(float(w) * mpmath.npdf(x, float(m), float(s)) for w, m, s in parts)

    with mpmath.workdps(30):
        cuts = [-15, -5, -2, 0, 1, 2, 2.5, 3, 3.5, 4, 6, 15]
        return float(
            mpmath.quad(lambda x: density(p, x) * mpmath.log(density(p, x) / density(q, x)), cuts)
        )


def test_mixtures_on_the_line_by_quadrature() -> None:
    found = explain_kl(P, Q)
    assert found.method == "quadrature"
    assert float(found.value) == pytest.approx(_reference(P, Q), rel=1e-10)


def test_components_far_from_one_another_are_all_found() -> None:
    p = _mixture([0.25, 0.75], [-1e4, 1e4], [1e-2, 1.0])
    entropy = 0.25 * np.log(1e-2) + 0.5 * (1 + np.log(2 * np.pi))
    entropy -= 0.25 * np.log(0.25) + 0.75 * np.log(0.75)
    cross = 0.5 * np.log(2 * np.pi * 1e8) + 0.5 + (0.25 * 1e-4 + 0.75) / 2e8
    found = explain_kl(p, Normal(0.0, 1e4))
    assert float(found.value) == pytest.approx(cross - entropy, rel=1e-9)


def test_sampled_mixtures_are_within_their_error() -> None:
    reference = _reference(P, Q)
    z = []
    for seed in range(20):
        found = explain_kl(P, Q, method="monte_carlo", seed=seed)
        z.append((float(found.value) - reference) / float(found.error))
    assert np.abs(np.mean(z)) < 4 / np.sqrt(20)
    assert 0.5 < np.std(z) < 2


def test_the_bounds_of_hershey_and_olsen() -> None:
    reference = _reference(P, Q)
    bounds = [float(variational_upper_bound(P, Q, steps=n)) for n in (1, 4, 64)]
    assert bounds[0] > bounds[1] > bounds[2] >= reference
    assert float(variational_approximation(P, Q)) == pytest.approx(reference, rel=0.1)
    assert float(matched_bound(P, Q)) >= reference
    # They end at what is known: 0 for equal ones, the closed form for one component.
    assert float(variational_approximation(P, P)) == pytest.approx(0, abs=1e-15)
    assert float(variational_upper_bound(P, P)) == pytest.approx(0, abs=1e-12)
    one = _mixture([1.0], [0], [1]), _mixture([1.0], [1], [2])
    for bound in (variational_approximation, variational_upper_bound, matched_bound):
        assert float(bound(*one)) == pytest.approx(ONE, rel=1e-14)


def test_mixtures_of_vectors() -> None:
    weights = Categorical(probs=np.array([0.4, 0.6]))
    means = np.array([[0.0, 0.0, 0.0], [50.0, 40.0, 30.0]])
    p = MixtureSameFamily(weights, MultivariateNormalDiag(means, np.ones((2, 3))))
    dense = MultivariateNormal(means + 1, covariance_matrix=np.stack([4 * np.eye(3)] * 2))
    q = MixtureSameFamily(weights, dense)
    product = MixtureSameFamily(weights, Independent(Normal(means + 1, 2.0 + 0 * means), 1))
    # Far apart, each component is alone with its match: KL is that of the components.
    expected = 3 * ONE
    for other in (q, product):
        assert float(variational_approximation(p, other)) == pytest.approx(expected, rel=1e-2)
        found = explain_kl(p, other)
        assert found.method == "monte_carlo"
        assert abs(float(found.value) - expected) < 5 * float(found.error) + 1e-2


def test_sampled_mixtures_have_gradients() -> None:
    import torch

    loc = torch.tensor([0.0], dtype=torch.float64, requires_grad=True)
    weights = Categorical(probs=torch.ones(1, dtype=torch.float64))
    p = MixtureSameFamily(weights, Normal(loc, 1.0))
    value = kl_divergence(p, Normal(1.0, 2.0), method="monte_carlo", samples=100_000)
    gradient = torch.autograd.grad(value, loc)[0]
    assert float(gradient) == pytest.approx(-0.25, abs=0.01)
