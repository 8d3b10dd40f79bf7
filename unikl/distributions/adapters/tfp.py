"""TensorFlow Probability, on TensorFlow, JAX and NumPy."""

from collections.abc import Callable
from typing import Any

from ..base import Distribution
from .table import Reader, Table, all_same, build, exp, read, same

__all__ = ["NAMES", "adapt"]


def adapt(x: Any) -> Distribution:
    """A TFP distribution as ours."""
    # TFP keeps what it was called with here and there: a list, or a NumPy array.
    return read(x, NAMES, "TensorFlow Probability").map(_converter(type(x)))


def _converter(cls: type) -> Callable[[Any], Any]:
    """What makes an array of the library that this TFP works on."""
    if ".substrates.jax." in cls.__module__:
        import jax.numpy

        return jax.numpy.asarray
    if ".substrates.numpy." in cls.__module__:
        import numpy as np

        return np.asarray
    import tensorflow as tf

    return tf.convert_to_tensor  # type: ignore[no-any-return]


def _given(x: Any, name: str) -> Any:
    """The parameter as an array; None for an alternative that is not used."""
    return getattr(x, f"_{name}")


def _rate(x: Any) -> Any:
    return exp(x._log_rate) if x._rate is None else x._rate


def _with_rate(family: str) -> Reader:
    return lambda x: build(family, concentration=x.concentration, rate=_rate(x))


def _poisson(x: Any) -> Distribution:
    return build("Poisson", rate=_rate(x))


def _exp_inverse_gamma(x: Any) -> Distribution:
    # Held as a transformed ExpGamma, whose rate is the scale.
    inner = x.distribution
    return build("ExpInverseGamma", concentration=inner.concentration, scale=_rate(inner))


def _probit(x: Any) -> Distribution:
    if x._probits is None:
        return build("Bernoulli", probs=x._probs)
    return build("ProbitBernoulli", probits=x._probits)


def _half_cauchy(x: Any) -> Distribution:
    # Ours starts at 0: a shift that both share does not change the divergence.
    base = build("HalfCauchy", scale=x.scale)
    return build("TransformedDistribution", base=base, transform=("shift", _key(x.loc)))


def _key(x: Any) -> Any:
    """Equal for equal numbers."""
    import numpy as np

    array = np.asarray(x)
    return array.shape, array.tobytes()


def _matrices(x: Any) -> Distribution:
    """The normal distributions by a covariance, a factor of it, or its diagonal."""
    name = next(cls.__name__ for cls in type(x).__mro__ if cls.__name__ in _MATRICES)
    given = {ours: x.parameters[theirs] for ours, theirs in _MATRICES[name][1].items()}
    return build(_MATRICES[name][0], loc=_loc(x), **given)


def _loc(x: Any) -> Any:
    """The location, which TFP lets one leave out."""
    return x.mean() if x.loc is None else x.loc


_MATRICES = {
    "MultivariateNormalFullCovariance": (
        "MultivariateNormal",
        {"covariance_matrix": "covariance_matrix"},
    ),
    "MultivariateNormalTriL": ("MultivariateNormal", {"scale_tril": "scale_tril"}),
    "MultivariateNormalDiag": ("MultivariateNormalDiag", {"scale_diag": "scale_diag"}),
    "MultivariateNormalDiagPlusLowRankCovariance": (
        "LowRankMultivariateNormal",
        {"cov_diag": "cov_diag_factor", "cov_factor": "cov_perturb_factor"},
    ),
}


def _linear_operator(x: Any) -> Distribution:
    """By the factor `scale`, which need not be triangular: through the covariance."""
    dense = x.scale.to_dense()
    covariance = x.scale.matmul(dense, adjoint=False, adjoint_arg=True)
    return build("MultivariateNormal", loc=_loc(x), covariance_matrix=covariance)


def _independent(x: Any) -> Distribution:
    n = x.reinterpreted_batch_ndims
    return build("Independent", base=adapt(x.distribution), reinterpreted_batch_ndims=int(n))


def _transformed(x: Any) -> Distribution:
    return build(
        "TransformedDistribution",
        base=adapt(x.distribution),
        transform=_Bijector(x.bijector),
        injective=bool(x.bijector._is_injective),
    )


class _Bijector:
    """Equal when the bijectors are, as TFP compares them."""

    def __init__(self, bijector: Any) -> None:
        self.bijector = bijector

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bijector) and bool(self.bijector == other.bijector)

    def __hash__(self) -> int:
        return hash(type(self.bijector))


def _mixture(x: Any) -> Distribution:
    parts = adapt(x.mixture_distribution), adapt(x.components_distribution)
    return build("MixtureSameFamily", mixture=parts[0], components=parts[1])


def _joint(x: Any) -> Distribution:
    if any(callable(part) and not hasattr(part, "kl_divergence") for part in x.model):
        raise NotImplementedError("a joint distribution whose parts depend on one another")
    return build("JointDistribution", parts=tuple(adapt(part) for part in x.model))


_SAME = (
    "Bernoulli Beta Binomial Categorical Cauchy Chi Chi2 ContinuousBernoulli Dirichlet "
    "Exponential GeneralizedNormal Geometric Gumbel HalfNormal Kumaraswamy Laplace LogNormal "
    "Logistic LogitNormal Moyal Multinomial NegativeBinomial Normal OneHotCategorical "
    "OrderedLogistic PowerSpherical SphericalUniform StoppingRatioLogistic StudentT Uniform "
    "VonMises VonMisesFisher Weibull"
)

NAMES: Table = {
    **all_same(_SAME, _given),
    "Gamma": _with_rate("Gamma"),
    "ExpGamma": _with_rate("ExpGamma"),
    "ExpInverseGamma": _exp_inverse_gamma,
    "InverseGamma": same("InverseGamma", _given, rate="scale"),
    "InverseGaussian": same("InverseGaussian", _given),
    "Pareto": same("Pareto", _given, alpha="concentration"),
    "Poisson": _poisson,
    "ProbitBernoulli": _probit,
    # At its index points.
    "GaussianProcess": lambda x: adapt(x.get_marginal_distribution()),
    "HalfCauchy": _half_cauchy,
    "MultivariateNormalLinearOperator": _linear_operator,
    **dict.fromkeys(_MATRICES, _matrices),
    "Independent": _independent,
    "TransformedDistribution": _transformed,
    "MixtureSameFamily": _mixture,
    "JointDistributionSequential": _joint,
    "Masked": lambda x: build(
        "MaskedDistribution", base=adapt(x.distribution), mask=x.validity_mask
    ),
    "Deterministic": lambda x: build("Delta", value=x.loc),
    "VectorDeterministic": lambda x: build("Delta", value=x.loc, event_dims=1),
}
