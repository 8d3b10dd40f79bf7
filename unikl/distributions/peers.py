"""Which libraries have a closed form for which pair, as their registries say.

Read from torch 2.13 (with Pyro 1.9.2), TFP 0.26.0-dev20261027, Distrax 0.1.9 and NumPyro 0.22.0.
"""

__all__ = ["PEERS"]

_TORCH = {
    "Bernoulli": "Bernoulli Poisson",
    "Beta": "Beta ContinuousBernoulli Exponential Gamma Normal Uniform",
    "Binomial": "Binomial",
    "Categorical": "Categorical",
    "Cauchy": "Cauchy",
    "Chi2": "Chi2 Gamma",
    "ContinuousBernoulli": "ContinuousBernoulli Exponential Normal Uniform",
    "Dirichlet": "Dirichlet",
    "Exponential": "Exponential Gamma Gumbel Normal",
    "Gamma": "Chi2 Exponential Gamma Gumbel Normal",
    "Geometric": "Geometric",
    "Gumbel": "Gumbel Normal",
    "HalfCauchy": "HalfCauchy",
    "HalfNormal": "HalfNormal",
    "InverseGamma": "InverseGamma",
    "Laplace": "Laplace Normal",
    "LogNormal": "LogNormal",
    "LowRankMultivariateNormal": "LowRankMultivariateNormal MultivariateNormal",
    "MultivariateNormal": "LowRankMultivariateNormal MultivariateNormal",
    "Normal": "Gumbel Laplace Normal",
    "OneHotCategorical": "OneHotCategorical",
    "Pareto": "Exponential Gamma Normal Pareto",
    "Poisson": "Poisson",
    "Uniform": "Beta ContinuousBernoulli Exponential Gamma Gumbel Normal Pareto Uniform",
    "Wishart": "Wishart",
}
_TFP = {
    "Bernoulli": "Bernoulli",
    "Beta": "Beta",
    "Categorical": "Categorical",
    "Cauchy": "Cauchy",
    "Chi": "Chi",
    "Chi2": "Chi2 Gamma",
    "ContinuousBernoulli": "ContinuousBernoulli",
    "Dirichlet": "Dirichlet",
    "ExpGamma": "ExpGamma",
    "ExpInverseGamma": "ExpInverseGamma",
    "Exponential": "Exponential Gamma",
    "Gamma": "Chi2 Exponential Gamma",
    "Gumbel": "Gumbel",
    "HalfNormal": "HalfNormal",
    "Laplace": "Laplace",
    "LogNormal": "LogNormal",
    "LogitNormal": "LogitNormal",
    "LowRankMultivariateNormal": "LowRankMultivariateNormal MultivariateNormal "
    "MultivariateNormalDiag",
    "MatrixNormal": "MatrixNormal",
    "Moyal": "Moyal",
    "MultivariateNormal": "LowRankMultivariateNormal MultivariateNormal MultivariateNormalDiag",
    "MultivariateNormalDiag": "LowRankMultivariateNormal MultivariateNormal MultivariateNormalDiag",
    "Normal": "Normal",
    "OneHotCategorical": "OneHotCategorical",
    "OrderedLogistic": "OrderedLogistic",
    "Pareto": "Pareto",
    "PowerSpherical": "SphericalUniform VonMisesFisher",
    "ProbitBernoulli": "ProbitBernoulli",
    "StoppingRatioLogistic": "StoppingRatioLogistic",
    "Uniform": "Uniform",
    "VonMises": "VonMises",
    "VonMisesFisher": "SphericalUniform",
    "Weibull": "Gamma Weibull",
}
_DISTRAX = {
    "Bernoulli": "Bernoulli",
    "Beta": "Beta Dirichlet",
    "Categorical": "Categorical OneHotCategorical",
    "Dirichlet": "Beta Dirichlet",
    "Gamma": "Gamma",
    "Gumbel": "Gumbel",
    "Laplace": "Laplace",
    "LowRankMultivariateNormal": "LowRankMultivariateNormal MultivariateNormal "
    "MultivariateNormalDiag",
    "MultivariateNormal": "LowRankMultivariateNormal MultivariateNormal MultivariateNormalDiag",
    "MultivariateNormalDiag": "LowRankMultivariateNormal MultivariateNormal MultivariateNormalDiag",
    "Normal": "Normal",
    "OneHotCategorical": "Categorical OneHotCategorical",
    "Uniform": "Uniform",
    "VonMises": "VonMises",
}
_NUMPYRO = {
    "Beta": "Beta",
    "Categorical": "Categorical",
    "Dirichlet": "Dirichlet",
    "Gamma": "Chi2 Gamma",
    "Chi2": "Chi2 Gamma",
    "Kumaraswamy": "Beta",
    "MultivariateNormal": "MultivariateNormal",
    "Normal": "Normal",
    "OrderedLogistic": "OrderedLogistic",
    "Weibull": "Gamma",
}

#: By library, the pairs (p, q) of our names.
PEERS: dict[str, frozenset[tuple[str, str]]] = {
    name: frozenset((p, q) for p, targets in table.items() for q in targets.split())
    for name, table in (
        ("torch", _TORCH),
        ("TFP", _TFP),
        ("Distrax", _DISTRAX),
        ("NumPyro", _NUMPYRO),
    )
}
