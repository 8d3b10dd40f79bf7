"""Other libraries' objects for the pairs of vectors, matrices and distributions made of others.

`BY_HAND` maps a registered pair of a library to a function that gives p, q and KL(p || q), from
the definition in mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp

from tests.distributions import multivariate_cases
from tests.distributions import native_directions as directions
from tests.distributions.closed_forms import CLOSED_FORMS
from tests.distributions.native_cases import Library

__all__ = ["BY_HAND"]

Made = tuple[Any, Any, Any]
Maker = Callable[[Library], Made]

_RNG_SEED = 23
LOC, SCALE = np.array([0.5, -1.0]), np.array([1.5, 0.5])
SHIFTED, WIDER = np.array([0.0, 1.0]), np.array([1.0, 2.0])


# -- references ------------------------------------------------------------------------------------


def normals() -> Any:
    """KL of N(LOC, SCALE) from N(SHIFTED, WIDER), one for each component."""
    rows = zip(LOC, SCALE, SHIFTED, WIDER, strict=True)
    return np.array([float(CLOSED_FORMS["Normal"].kl(*map(mp.mpf, row))) for row in rows])


def _categorical_kl(p: Any, q: Any) -> Any:
    rows = [
        [(mp.mpf(a), mp.mpf(b)) for a, b in zip(*row, strict=True)]
        for row in zip(p, q, strict=True)
    ]
    return np.array([float(sum(a * mp.log(a / b) for a, b in row if a)) for row in rows])


def _dirichlet_kl(a: Any, b: Any) -> Any:
    def one(x: list[Any], y: list[Any]) -> Any:
        total = mp.loggamma(sum(x)) - mp.loggamma(sum(y))
        each = [
            mp.loggamma(v) - mp.loggamma(u) + (u - v) * (mp.psi(0, u) - mp.psi(0, sum(x)))
            for u, v in zip(x, y, strict=True)
        ]
        return float(total + sum(each))

    return np.array([one([*map(mp.mpf, x)], [*map(mp.mpf, y)]) for x, y in zip(a, b, strict=True)])


# -- vectors ---------------------------------------------------------------------------------------


def _weights() -> tuple[Any, Any]:
    rng = np.random.default_rng(_RNG_SEED)
    p, q = np.round(rng.dirichlet(np.ones(4), (2, 5)) * 64 + 0.5)  # dyadic after normalisation
    p, q = (np.concatenate([x[:, :3], 256 - x[:, :3].sum(-1, keepdims=True)], -1) for x in (p, q))
    return p / 256, q / 256


def _categorical(p_name: str, q_name: str) -> Maker:
    def made(lib: Library) -> Made:
        p, q = _weights()
        return lib.make(p_name, probs=p), lib.make(q_name, probs=q), _categorical_kl(p, q)

    return made


def _dirichlet(lib: Library) -> Made:
    rng = np.random.default_rng(_RNG_SEED)
    a, b = np.exp(rng.normal(size=(2, 5, 3)))
    p, q = (lib.make("Dirichlet", concentration=x) for x in (a, b))
    return p, q, _dirichlet_kl(a, b)


def _beta_as_dirichlet(of_p: bool) -> Maker:
    def made(lib: Library) -> Made:
        rng = np.random.default_rng(_RNG_SEED)
        a, b = np.exp(rng.normal(size=(2, 5, 2)))
        x = a if of_p else b
        beta = lib.make("Beta", concentration1=x[:, 0], concentration0=x[:, 1])
        dirichlet = lib.make("Dirichlet", concentration=b if of_p else a)
        pair = (beta, dirichlet) if of_p else (dirichlet, beta)
        return (*pair, _dirichlet_kl(a, b))

    return made


def _normal_vectors(p_form: str, q_form: str) -> Maker:
    def made(lib: Library) -> Made:
        rng = np.random.default_rng(_RNG_SEED)
        p, q = (multivariate_cases.draw(rng, form, "float64") for form in (p_form, q_form))
        reference = np.array(float(multivariate_cases.reference_kl(p, q)))
        return _normal_vector(lib, p), _normal_vector(lib, q), reference

    return made


def _normal_vector(lib: Library, drawn: dict[str, Any]) -> Any:
    if lib.name == "TFP":
        return lib.make("MultivariateNormalTriL", **drawn)
    if lib.name == "Distrax":
        drawn = {"loc": drawn["loc"], "scale_tri": drawn["scale_tril"]}
        return lib.make("MultivariateNormalTri", **drawn)
    low_rank = "LowRankMultivariateNormal" if "cov_factor" in drawn else "MultivariateNormal"
    return lib.make(low_rank, **drawn)


def _wishart(lib: Library) -> Made:
    """In one dimension: gamma distributions with the shapes df/2 and the rates 1/(2 v)."""
    p, q = (
        lib.make("Wishart", df=df, covariance_matrix=[[v]]) for df, v in ((3.0, 2.0), (5.0, 0.5))
    )
    reference = CLOSED_FORMS["Gamma"].kl(*map(mp.mpf, (1.5, 0.25, 2.5, 1.0)))
    return p, q, np.array(float(reference))


def _moyal(lib: Library) -> Made:
    """With z = (x - loc)/scale, E z = log 2 + euler, E exp(-t z) = 2^t Gamma(1/2 + t)/sqrt(pi)."""

    def one(m: Any, s: Any, n: Any, u: Any) -> Any:
        r, mean = s / u, mp.log(2) + mp.euler
        z_q = r * mean + (m - n) / u
        exp_q = mp.exp(-(m - n) / u) * 2**r * mp.gamma(mp.mpf(1) / 2 + r) / mp.sqrt(mp.pi)
        return float(mp.log(u / s) + (z_q + exp_q - mean - 1) / 2)

    rows = zip(LOC, SCALE, SHIFTED, WIDER, strict=True)
    reference = np.array([one(*map(mp.mpf, row)) for row in rows])
    p, q = lib.make("Moyal", loc=LOC, scale=SCALE), lib.make("Moyal", loc=SHIFTED, scale=WIDER)
    return p, q, reference


# -- distributions made of others ------------------------------------------------------------------


def _two(lib: Library) -> tuple[Any, Any]:
    return lib.make("Normal", loc=LOC, scale=SCALE), lib.make("Normal", loc=SHIFTED, scale=WIDER)


def _independent(lib: Library) -> Made:
    p, q = (lib.module.Independent(d, reinterpreted_batch_ndims=1) for d in _two(lib))
    return p, q, normals().sum()


def _transformed(lib: Library) -> Made:
    if lib.name == "torch":
        transform = [lib.module.transforms.AffineTransform(1.0, 3.0)]
        p, q = (lib.module.TransformedDistribution(d, transform) for d in _two(lib))
    elif lib.name == "TFP":
        from tensorflow_probability import bijectors

        p, q = (lib.module.TransformedDistribution(d, bijectors.Exp()) for d in _two(lib))
    else:
        p, q = (lib.module.Transformed(d, lib.module.Tanh()) for d in _two(lib))
    return p, q, normals()


def _joint(lib: Library) -> Made:
    coin = [lib.make("Bernoulli", probs=[x, 0.5]) for x in (0.25, 0.5)]
    pairs = zip(_two(lib), coin, strict=True)
    name = "Joint" if lib.name == "Distrax" else "JointDistributionSequential"
    p, q = (getattr(lib.module, name)([*pair]) for pair in pairs)
    coins = [float(mp.log(2) + (mp.log(0.25) + 3 * mp.log(0.75)) / 4), 0.0]
    return p, q, normals() + np.array(coins)


def _masked(lib: Library) -> Made:
    mask = np.array([True, False])
    if lib.name == "TFP":
        p, q = (lib.module.Masked(d, mask) for d in _two(lib))
    else:
        p, q = (d.mask(mask) for d in _two(lib))
    return p, q, normals() * mask


def _expanded(of_p: bool, of_q: bool) -> Maker:
    def made(lib: Library) -> Made:
        p, q = _two(lib)
        p, q = p.expand([3, 2]) if of_p else p, q.expand([3, 2]) if of_q else q
        return p, q, np.tile(normals(), (3, 1))

    return made


def _point(lib: Library) -> Made:
    """On what counts: the probability of the point."""
    q = lib.make("Poisson", rate=[2.0, 3.0])
    if lib.name == "NumPyro":
        p = lib.module.Delta(lib.array([1.0, 4.0]))
    else:
        p = lib.module.Deterministic(lib.array([1.0, 4.0]))
    return p, q, np.array([2 - np.log(2), 3 - 4 * np.log(3) + np.log(24)])


def _point_expanded(lib: Library) -> Made:
    p, q, reference = _point(lib)
    return p, q.expand([3, 2]), np.tile(reference, (3, 1))


def _points(lib: Library) -> Made:
    p, q = (lib.module.Deterministic(lib.array(x)) for x in ([1.0, 2.0], [1.0, 3.0]))
    return p, q, np.array([0.0, np.inf])


def _log_stddev(lib: Library) -> Made:
    p, q = (
        lib.make("LogStddevNormal", loc=loc, log_scale=np.log(scale))
        for loc, scale in ((LOC, SCALE), (SHIFTED, WIDER))
    )
    return p, q, normals()


_LOW = "LowRankMultivariateNormal"
_DENSE = "MultivariateNormal"

BY_HAND: dict[str, dict[tuple[str, str], Maker]] = {
    "torch": {
        ("Categorical", "Categorical"): _categorical("Categorical", "Categorical"),
        ("OneHotCategorical",) * 2: _categorical("OneHotCategorical", "OneHotCategorical"),
        ("Dirichlet", "Dirichlet"): _dirichlet,
        (_DENSE, _DENSE): _normal_vectors("covariance_matrix", "precision_matrix"),
        (_LOW, _DENSE): _normal_vectors("low_rank", "scale_tril"),
        (_DENSE, _LOW): _normal_vectors("covariance_matrix", "low_rank"),
        (_LOW, _LOW): _normal_vectors("low_rank", "low_rank"),
        ("ExponentialFamily", "ExponentialFamily"): _wishart,
        ("Independent", "Independent"): _independent,
        ("TransformedDistribution", "TransformedDistribution"): _transformed,
    },
    "TFP": {
        ("Categorical", "Categorical"): _categorical("Categorical", "Categorical"),
        ("OneHotCategorical",) * 2: _categorical("OneHotCategorical", "OneHotCategorical"),
        ("Dirichlet", "Dirichlet"): _dirichlet,
        ("Moyal", "Moyal"): _moyal,
        ("MultivariateNormalLinearOperator",) * 2: _normal_vectors("scale_tril", "scale_tril"),
        ("_Independent", "_Independent"): _independent,
        ("_TransformedDistribution", "_TransformedDistribution"): _transformed,
        ("_JointDistributionSequential", "_JointDistributionSequential"): _joint,
        ("_Masked", "_Masked"): _masked,
        ("_BaseDeterministic", "Distribution"): _point,
        ("VonMisesFisher", "SphericalUniform"): directions.fisher,
        ("PowerSpherical", "SphericalUniform"): directions.power_spherical,
        ("PowerSpherical", "VonMisesFisher"): directions.power_spherical_fisher,
        ("OrderedLogistic", "OrderedLogistic"): directions.ordinal("OrderedLogistic"),
        ("StoppingRatioLogistic", "StoppingRatioLogistic"): directions.ordinal(
            "StoppingRatioLogistic"
        ),
        ("GaussianProcess", "MultivariateNormalLinearOperator"): directions.process(True, False),
        ("MultivariateNormalLinearOperator", "GaussianProcess"): directions.process(False, True),
    },
    "Distrax": {
        ("Categorical", "Categorical"): _categorical("Categorical", "Categorical"),
        ("Categorical", "OneHotCategorical"): _categorical("Categorical", "OneHotCategorical"),
        ("OneHotCategorical", "Categorical"): _categorical("OneHotCategorical", "Categorical"),
        ("Dirichlet", "Dirichlet"): _dirichlet,
        ("Beta", "Dirichlet"): _beta_as_dirichlet(True),
        ("Dirichlet", "Beta"): _beta_as_dirichlet(False),
        ("MultivariateNormalFromBijector",) * 2: _normal_vectors("scale_tril", "scale_tril"),
        ("Deterministic", "Deterministic"): _points,
        ("Independent", "Independent"): _independent,
        ("Joint", "Joint"): _joint,
        ("LogStddevNormal", "LogStddevNormal"): _log_stddev,
        ("Transformed", "Transformed"): _transformed,
    },
    "NumPyro": {
        ("CategoricalProbs", "CategoricalProbs"): _categorical("Categorical", "Categorical"),
        ("Dirichlet", "Dirichlet"): _dirichlet,
        (_DENSE, _DENSE): _normal_vectors("covariance_matrix", "scale_tril"),
        ("Independent", "Independent"): lambda lib: (
            *(d.to_event(1) for d in _two(lib)),
            normals().sum(),
        ),
        ("MaskedDistribution", "MaskedDistribution"): _masked,
        ("ExpandedDistribution", "Distribution"): _expanded(True, False),
        ("Distribution", "ExpandedDistribution"): _expanded(False, True),
        ("ExpandedDistribution", "ExpandedDistribution"): _expanded(True, True),
        ("Independent", "CirculantNormal"): directions.circulant,
        ("Delta", "Distribution"): _point,
        ("Delta", "ExpandedDistribution"): _point_expanded,
    },
}
