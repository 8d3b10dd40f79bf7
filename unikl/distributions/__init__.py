"""Families of distributions, and their Kullback-Leibler divergences in closed form.

>>> from unikl.distributions import Normal, kl
>>> float(kl(Normal(0.0, 1.0), Normal(1.0, 2.0)))
0.4431471805599453
"""

from . import rules  # noqa: F401  (registers the general rules)
from .base import Distribution
from .bernoulli import Bernoulli, Binomial, Geometric, NegativeBinomial
from .beta import Beta, Dirichlet
from .categorical import Categorical, Multinomial, OneHotCategorical
from .cauchy import Cauchy, HalfCauchy
from .continuous_bernoulli import ContinuousBernoulli
from .directional import PowerSpherical, SphericalUniform, VonMises, VonMisesFisher
from .discrete import DiscreteUniform, LogSeries
from .exponential import Exponential
from .fallback import Explanation, explain_kl, kl_divergence
from .frechet import Frechet
from .gamma import Chi, Chi2, ExpGamma, ExpInverseGamma, Gamma, InverseGamma
from .generalized import GeneralizedGamma, GeneralizedNormal
from .gumbel import Gumbel, Weibull
from .inverse_gaussian import InverseGaussian
from .kumaraswamy import Kumaraswamy
from .laplace import Laplace
from .levy import Levy
from .location_scale import Logistic, StudentT
from .markov import kl_rate
from .mixtures import matched_bound, variational_approximation, variational_upper_bound
from .moyal import Moyal
from .multivariate_normal import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    MultivariateNormalDiag,
)
from .nakagami import Nakagami
from .normal import HalfNormal, LogitNormal, LogNormal, Maxwell, Normal, Rayleigh
from .normal_inverse_gamma import NormalInverseGamma
from .ordinal import OrderedLogistic, StoppingRatioLogistic
from .pareto import Pareto
from .poisson import Poisson
from .probit import ProbitBernoulli
from .registry import kl, register_kl
from .structure import (
    Delta,
    ExpandedDistribution,
    Independent,
    JointDistribution,
    MaskedDistribution,
    MixtureSameFamily,
    TransformedDistribution,
)
from .uniform import Uniform
from .wishart import MatrixNormal, Wishart

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi",
    "Chi2",
    "ContinuousBernoulli",
    "Delta",
    "Dirichlet",
    "DiscreteUniform",
    "Distribution",
    "ExpGamma",
    "ExpInverseGamma",
    "ExpandedDistribution",
    "Explanation",
    "Exponential",
    "Frechet",
    "Gamma",
    "GeneralizedGamma",
    "GeneralizedNormal",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "InverseGamma",
    "InverseGaussian",
    "JointDistribution",
    "Kumaraswamy",
    "Laplace",
    "Levy",
    "LogNormal",
    "LogSeries",
    "Logistic",
    "LogitNormal",
    "LowRankMultivariateNormal",
    "MaskedDistribution",
    "MatrixNormal",
    "Maxwell",
    "MixtureSameFamily",
    "Moyal",
    "Multinomial",
    "MultivariateNormal",
    "MultivariateNormalDiag",
    "Nakagami",
    "NegativeBinomial",
    "Normal",
    "NormalInverseGamma",
    "OneHotCategorical",
    "OrderedLogistic",
    "Pareto",
    "Poisson",
    "PowerSpherical",
    "ProbitBernoulli",
    "Rayleigh",
    "SphericalUniform",
    "StoppingRatioLogistic",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "VonMisesFisher",
    "Weibull",
    "Wishart",
    "explain_kl",
    "kl",
    "kl_divergence",
    "kl_rate",
    "matched_bound",
    "register_kl",
    "variational_approximation",
    "variational_upper_bound",
]
