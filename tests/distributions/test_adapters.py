"""Other libraries' distributions, as they are."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from unikl.distributions import Normal, kl
from unikl.distributions.adapters import adapt, adapt_pair, is_distribution, library_of

ONE = 0.44314718


def _kl(p: Any, q: Any) -> Any:
    return kl(*adapt_pair(p, q))


class Library:
    """What the tests need of one library; the constructors' names differ."""

    def __init__(self, name: str) -> None:
        self.name = name
        if name == "torch":
            import torch.distributions as module
        elif name == "numpyro":
            module = pytest.importorskip("numpyro.distributions")
        elif name == "distrax":
            module = pytest.importorskip("distrax")
        elif name == "tfp-jax":
            pytest.importorskip("tensorflow_probability")
            from tensorflow_probability.substrates import jax as tfp

            module = tfp.distributions
        else:
            module = pytest.importorskip("tensorflow_probability").distributions
        self.module: Any = module

    def array(self, x: Any) -> Any:
        """A float32 array of the library."""
        x = np.asarray(x, np.float32)
        if self.name == "torch":
            import torch

            return torch.from_numpy(x)
        if self.name == "tfp":
            import tensorflow as tf

            return tf.constant(x)
        import jax.numpy as jnp

        return jnp.asarray(x)

    def make(self, name: str, **parameters: Any) -> Any:
        return getattr(self.module, name)(**{k: self.array(v) for k, v in parameters.items()})

    def gradient(self, loss: Any, x: Any) -> Any:
        if self.name == "torch":
            import torch

            leaf = x.clone().requires_grad_()
            return torch.autograd.grad(loss(leaf), leaf)[0].numpy()
        if self.name == "tfp":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(x)
            return np.asarray(tape.gradient(value, x))
        import jax

        return np.asarray(jax.grad(loss)(x))


LIBRARIES = ("torch", "numpyro", "distrax", "tfp-jax", "tfp")


@pytest.fixture(params=LIBRARIES, scope="module")
def library(request: pytest.FixtureRequest) -> Library:
    return Library(request.param)


# -- every library ---------------------------------------------------------------------------------


def test_two_normals(library: Library) -> None:
    p, q = (library.make("Normal", loc=m, scale=s) for m, s in ((0.0, 1.0), (1.0, 2.0)))
    assert is_distribution(p)
    value = _kl(p, q)
    assert float(value) == pytest.approx(ONE, rel=1e-6)
    assert type(value) is type(library.array(0.0))
    # Ours go with theirs.
    assert float(_kl(p, Normal(1.0, 2.0))) == pytest.approx(ONE, rel=1e-6)


def test_their_parameters_keep_their_gradients(library: Library) -> None:
    q = library.make("Normal", loc=1.0, scale=2.0)

    def loss(loc: Any) -> Any:
        return 3 * _kl(library.module.Normal(loc, library.array(1.0)), q)

    assert library.gradient(loss, library.array(0.0)) == pytest.approx(-0.75)


FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Beta": (
        {"concentration1": 2.0, "concentration0": 3.0},
        {"concentration1": 1.5, "concentration0": 0.5},
    ),
    "Categorical": ({"logits": [1.0, 2.0, 0.5]}, {"logits": [0.0, 0.0, 1.0]}),
    "Dirichlet": ({"concentration": [1.0, 2.0]}, {"concentration": [2.0, 2.0]}),
    "Gamma": ({"concentration": 2.0, "rate": 3.0}, {"concentration": 1.5, "rate": 0.5}),
    "Gumbel": ({"loc": 0.0, "scale": 1.0}, {"loc": 1.0, "scale": 2.0}),
    "Laplace": ({"loc": 0.0, "scale": 1.0}, {"loc": 1.0, "scale": 2.0}),
    "Uniform": ({"low": 0.0, "high": 1.0}, {"low": -1.0, "high": 2.0}),
}

# The closed forms that the libraries have themselves, and rightly.
THEIRS = {
    "torch": set(FAMILIES),
    "tfp": set(FAMILIES),
    "tfp-jax": set(FAMILIES),
    "distrax": set(FAMILIES),
    "numpyro": {"Beta", "Dirichlet", "Gamma"},
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_libraries_agree(library: Library, family: str) -> None:
    p, q = (dict(parameters) for parameters in FAMILIES[family])
    if library.name == "distrax" and family == "Beta":
        names = {"concentration1": "alpha", "concentration0": "beta"}
        p, q = ({names[k]: v for k, v in d.items()} for d in (p, q))
    p, q = library.make(family, **p), library.make(family, **q)
    found = float(_kl(p, q))
    reference = Library("torch")
    others = [reference.make(family, **d) for d in FAMILIES[family]]
    assert found == pytest.approx(float(reference.module.kl_divergence(*others)), rel=2e-5)
    if family in THEIRS[library.name]:
        theirs = (
            p.kl_divergence(q)
            if hasattr(p, "kl_divergence")
            else library.module.kl_divergence(p, q)
        )
        assert found == pytest.approx(float(theirs), rel=2e-5)


def test_two_libraries_do_not_mix(library: Library) -> None:
    import scipy.stats

    other = scipy.stats.norm(0.0, 1.0)
    with pytest.raises(TypeError, match="p and q must come from one library"):
        _kl(library.make("Normal", loc=0.0, scale=1.0), other)


def test_two_libraries_of_one_framework_do_not_mix() -> None:
    p = Library("numpyro").make("Normal", loc=0.0, scale=1.0)
    q = Library("distrax").make("Normal", loc=0.0, scale=1.0)
    with pytest.raises(TypeError, match="got numpyro and distrax"):
        _kl(p, q)


def test_no_distribution() -> None:
    assert library_of(3.0) is None
    assert not is_distribution(np.ones(3))
    with pytest.raises(TypeError, match=r"not a distribution: builtins\.float"):
        adapt(3.0)


# -- torch -----------------------------------------------------------------------------------------


def test_torch_multivariate_normals_by_what_they_were_given() -> None:
    import torch
    from torch.distributions import LowRankMultivariateNormal, MultivariateNormal

    eye, zero = torch.eye(2), torch.zeros(2)
    for name in ("covariance_matrix", "precision_matrix", "scale_tril"):
        given: Any = {name: 2 * eye}
        found: Any = adapt(MultivariateNormal(zero, **given))
        assert found.form()[0] == name
    q = MultivariateNormal(zero + 1, covariance_matrix=2 * eye)
    low = LowRankMultivariateNormal(zero, torch.ones(2, 1), torch.ones(2))
    expected = torch.distributions.kl_divergence(low, q)
    torch.testing.assert_close(_kl(low, q), expected)


def test_torch_transforms_that_are_not_injective_have_no_closed_form() -> None:
    """Torch gives |N(1, 1)| from |N(-1, 1)| as 2; they are equal."""
    import torch
    from torch.distributions import (
        AbsTransform,
        AffineTransform,
        ExpTransform,
        Gamma,
        PowerTransform,
        TransformedDistribution,
    )
    from torch.distributions import Normal as TorchNormal

    two = torch.tensor(2.0)

    def pair(transforms: Any) -> list[Any]:
        bases = TorchNormal(1.0, 1.0), TorchNormal(-1.0, 1.0)
        return [TransformedDistribution(base, transforms) for base in bases]

    for bad in ([AbsTransform()], [PowerTransform(two)]):
        with pytest.raises(NotImplementedError, match="not injective"):
            _kl(*pair(bad))
    for good in ([AffineTransform(1.0, 2.0)], [ExpTransform(), PowerTransform(two)]):
        assert float(_kl(*pair(good))) == pytest.approx(2.0)
    shapes = [TransformedDistribution(Gamma(a, 1.0), [PowerTransform(two)]) for a in (2.0, 3.0)]
    assert float(_kl(*shapes)) == pytest.approx(0.2703628454614781, rel=1e-6)


def test_torch_probs_and_logits() -> None:
    import torch
    from torch.distributions import Bernoulli, Multinomial, NegativeBinomial

    p = Bernoulli(logits=torch.tensor(-120.0))
    assert p.probs == 0  # which torch derives, and keeps beside what was given
    found: Any = adapt(p)
    assert found.probs is None
    counts: Any = adapt(Multinomial(3, probs=torch.tensor([0.25, 0.75])))
    assert counts.logits is None
    negative: Any = adapt(NegativeBinomial(3.0, logits=torch.tensor(0.5)))
    assert negative.probs is None


def test_a_subclass_is_its_base_class() -> None:
    from torch.distributions import Normal as TorchNormal

    class Named(TorchNormal):
        pass

    assert float(_kl(Named(0.0, 1.0), TorchNormal(1.0, 2.0))) == pytest.approx(ONE, rel=1e-6)


def test_a_family_without_a_counterpart() -> None:
    from torch.distributions import LKJCholesky

    with pytest.raises(NotImplementedError, match=r"torch\.distributions's LKJCholesky has no"):
        adapt(LKJCholesky(3, 1.0))


# -- NumPyro, Distrax, TFP -------------------------------------------------------------------------


def test_numpyro_structures() -> None:
    nd = pytest.importorskip("numpyro.distributions")
    p, q = nd.Normal(0.0, 1.0).expand([2]), nd.Normal(np.ones(2), 2.0)
    assert float(_kl(p.to_event(1), q.to_event(1))) == pytest.approx(2 * ONE, rel=1e-6)
    np.testing.assert_allclose(_kl(p.mask(np.array([True, False])), q), [ONE, 0], rtol=1e-6)
    logits = nd.CategoricalLogits(np.zeros(2)), nd.CategoricalLogits(np.array([0.0, 1.0]))
    assert float(_kl(*logits)) == pytest.approx(0.12011451, rel=1e-6)
    assert float(_kl(nd.LogNormal(0.0, 1.0), nd.LogNormal(1.0, 2.0))) == pytest.approx(
        ONE, rel=1e-6
    )


def test_matrices_of_numpyro_and_scipy() -> None:
    from scipy import stats

    nd = pytest.importorskip("numpyro.distributions")
    eye = np.eye(2, dtype=np.float32)
    theirs = [nd.Wishart(np.float32(df), scale_matrix=v) for df, v in ((3, eye), (5, 2 * eye))]
    ours = [stats.wishart(df, v) for df, v in ((3, np.eye(2)), (5, 2 * np.eye(2)))]
    assert float(_kl(*theirs)) == pytest.approx(float(_kl(*ours)), rel=1e-6)
    theirs = [nd.MatrixNormal(m * eye, eye, np.float32(s) * eye) for m, s in ((0, 1), (1, 2))]
    ours = [
        stats.matrix_normal(m * np.eye(2), np.eye(2), s**2 * np.eye(2)) for m, s in ((0, 1), (1, 2))
    ]
    expected = 4 * (ONE - 0.125) + 2 * 0.125  # four normals, two of them with a shift of 1/2
    assert float(_kl(*theirs)) == pytest.approx(expected, rel=1e-6)
    assert float(_kl(*ours)) == pytest.approx(expected, rel=1e-6)


def test_distrax_multivariate_normals_and_bijectors() -> None:
    distrax = pytest.importorskip("distrax")
    zero, one, eye = (np.asarray(x, np.float32) for x in (np.zeros(2), np.ones(2), np.eye(2)))
    q = distrax.MultivariateNormalDiag(one, one)
    for p in (
        distrax.MultivariateNormalFullCovariance(zero, eye),
        distrax.MultivariateNormalTri(zero, eye),
        distrax.MultivariateNormalDiag(zero, one),
    ):
        assert float(_kl(p, q)) == pytest.approx(1.0, rel=1e-6)
    bases = distrax.Normal(0.0, 1.0), distrax.Normal(1.0, 2.0)
    squashed = [distrax.Transformed(base, distrax.Tanh()) for base in bases]
    assert float(_kl(*squashed)) == pytest.approx(ONE, rel=1e-6)
    assert float(_kl(distrax.LogStddevNormal(0.0, 0.0), bases[1])) == pytest.approx(ONE, rel=1e-6)


@pytest.mark.parametrize("name", ["tfp", "tfp-jax"])
def test_tfp_structures(name: str) -> None:
    tfd = Library(name).module
    p, q = tfd.Normal(0.0, 1.0), tfd.Normal(1.0, 2.0)
    joint = [tfd.JointDistributionSequential([d]) for d in (p, q)]
    assert float(_kl(*joint)) == pytest.approx(ONE, rel=1e-6)
    masked = [tfd.Masked(d, [True, False]) for d in (p, q)]
    np.testing.assert_allclose(_kl(*masked), [ONE, 0], rtol=1e-6)
    diagonal = tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])
    full = tfd.MultivariateNormalTriL([1.0, 1.0], np.eye(2, dtype=np.float32))
    assert float(_kl(diagonal, full)) == pytest.approx(1.0, rel=1e-6)
    log_rate = tfd.Gamma(2.0, log_rate=0.0), tfd.Gamma(3.0, rate=1.0)
    assert float(_kl(*log_rate)) == pytest.approx(0.2703628454614781, rel=1e-6)


# -- SciPy -----------------------------------------------------------------------------------------


def test_scipy_by_its_own_conventions() -> None:
    """Against quadrature of scipy's own densities."""
    from scipy import integrate, stats

    draws = [
        (stats.norm(0.3, 2.0), stats.norm(1.0, 0.5)),
        (stats.expon(scale=2.0), stats.expon(scale=0.5)),
        (stats.gamma(2.0, scale=3.0), stats.gamma(3.0, scale=1.0)),
        (stats.invgamma(2.0, scale=3.0), stats.invgamma(3.0, scale=1.0)),
        (stats.lognorm(0.5, scale=2.0), stats.lognorm(1.0, scale=1.0)),
        (stats.weibull_min(2.0, scale=3.0), stats.weibull_min(1.5, scale=1.0)),
        (stats.beta(2.0, 3.0), stats.beta(1.5, 0.5)),
        (stats.uniform(1.0, 2.0), stats.uniform(0.0, 4.0)),
        (stats.gumbel_r(0.0, 1.0), stats.gumbel_r(1.0, 2.0)),
        (stats.moyal(0.0, 1.0), stats.moyal(1.0, 2.0)),
        (stats.halfnorm(scale=2.0), stats.halfnorm(scale=1.0)),
        (stats.invgauss(0.5, scale=2.0), stats.invgauss(2.0, scale=1.0)),
        (stats.gamma(2.0, loc=1.0), stats.gamma(3.0, loc=1.0)),
    ]
    for p, q in draws:

        def integrand(x: float, p: Any = p, q: Any = q) -> Any:
            return p.pdf(x) * (p.logpdf(x) - q.logpdf(x))

        cuts = [*p.ppf([1e-13, 1e-3, 0.1, 0.5]), *p.isf([0.1, 1e-3, 1e-13])]
        pieces = itertools.pairwise(cuts)
        expected = sum(integrate.quad(integrand, *piece)[0] for piece in pieces)
        assert float(_kl(p, q)) == pytest.approx(expected, rel=1e-6), p.dist.name


def test_scipy_on_the_integers_and_on_vectors() -> None:
    from scipy import stats

    k = np.arange(400)
    for p, q in (
        (stats.poisson(3.0), stats.poisson(2.0)),
        (stats.geom(0.5), stats.geom(0.25)),
        (stats.nbinom(3, 0.5), stats.nbinom(3, 0.25)),
    ):
        mass = p.pmf(k)
        some = k[mass > 0]
        terms = mass[mass > 0] * (p.logpmf(some) - q.logpmf(some))
        assert float(_kl(p, q)) == pytest.approx(terms.sum(), rel=1e-9)
    p = stats.multivariate_normal([0.0, 0.0], np.eye(2))
    q = stats.multivariate_normal([1.0, 1.0], 2 * np.eye(2))
    assert float(_kl(p, q)) == pytest.approx(np.log(2), rel=1e-14)
    p, q = stats.dirichlet([1.0, 2.0]), stats.dirichlet([2.0, 2.0])
    assert float(_kl(p, q)) == pytest.approx(float(_kl(stats.beta(1, 2), stats.beta(2, 2))))


def test_scipy_shifts_that_differ_have_no_closed_form() -> None:
    from scipy import stats

    with pytest.raises(NotImplementedError, match="the transforms differ"):
        _kl(stats.gamma(2.0, loc=1.0), stats.gamma(2.0, loc=2.0))


# -- the house -------------------------------------------------------------------------------------


def test_adapting_one_library_imports_no_other() -> None:
    code = (
        "import sys, scipy.stats\n"
        "from unikl.distributions.adapters import adapt\n"
        "adapt(scipy.stats.norm())\n"
        "print([m for m in ('torch', 'jax', 'tensorflow', 'numpyro') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_family_of_the_tables_exists() -> None:
    """The tables name our families by strings; a wrong one would show only when it is used."""
    from unikl.distributions.adapters import distrax, families, numpyro, scipy, tfp, torch

    known = families()
    for module in (torch, tfp, numpyro, distrax):
        for reader in module.NAMES.values():
            wanted = getattr(reader, "family", None)
            assert wanted is None or wanted in known, wanted
    assert scipy.NAMES
    assert any(getattr(reader, "family", None) == "Normal" for reader in torch.NAMES.values())
