"""NumPyro's distributions."""

from typing import Any

from ..base import Distribution
from .table import Reader, Table, all_same, build, read

__all__ = ["NAMES", "adapt"]


def adapt(x: Any) -> Distribution:
    """A NumPyro distribution as ours."""
    import jax.numpy

    # NumPyro may keep what it was given, such as a NumPy array, and convert it when it is used.
    return read(x, NAMES, "NumPyro").map(jax.numpy.asarray)


def _of_probs(family: str, **more: str) -> Reader:
    return lambda x: build(
        family, probs=x.probs, **{ours: getattr(x, theirs) for ours, theirs in more.items()}
    )


def _of_logits(family: str, **more: str) -> Reader:
    return lambda x: build(
        family, logits=x.logits, **{ours: getattr(x, theirs) for ours, theirs in more.items()}
    )


def _given(x: Any, name: str) -> Any:
    """What it was built with: NumPyro keeps what it derives in the same place, later."""
    present = [one for one in _MATRICES if one in vars(x)]
    return vars(x)[name] if present[:1] == [name] else None


_MATRICES = ("covariance_matrix", "precision_matrix", "scale_tril")


def _transformed(x: Any) -> Distribution:
    return build(
        "TransformedDistribution",
        base=adapt(x.base_dist),
        transform=_Transforms(x.transforms),
        injective=all(type(t).__name__ in _INJECTIVE for t in x.transforms),
    )


# PowerTransform is one on positive numbers only, AbsTransform nowhere.
_INJECTIVE = frozenset(
    {
        "AffineTransform",
        "CholeskyTransform",
        "CorrCholeskyTransform",
        "ExpTransform",
        "IdentityTransform",
        "LowerCholeskyAffine",
        "LowerCholeskyTransform",
        "OrderedTransform",
        "PermuteTransform",
        "ReshapeTransform",
        "SigmoidTransform",
        "SimplexToOrderedTransform",
        "SoftplusTransform",
        "StickBreakingTransform",
    }
)


class _Transforms:
    """Equal when the transforms are; hashable, as JAX wants of what is not an array."""

    def __init__(self, transforms: Any) -> None:
        self.transforms = list(transforms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Transforms) and self.transforms == other.transforms

    def __hash__(self) -> int:
        return hash(tuple(type(t) for t in self.transforms))


def _mixture(x: Any) -> Distribution:
    parts = adapt(x.mixing_distribution), adapt(x.component_distribution)
    return build("MixtureSameFamily", mixture=parts[0], components=parts[1])


def _circulant(x: Any) -> Distribution:
    return build("MultivariateNormal", loc=x.loc, covariance_matrix=x.covariance_matrix)


def _levy(x: Any) -> Distribution:
    # Ours starts at 0: a shift that both share does not change the divergence.
    return build(
        "TransformedDistribution",
        base=build("Levy", scale=x.scale),
        transform=("shift", _key(x.loc)),
    )


def _key(x: Any) -> Any:
    """Equal for equal numbers."""
    import jax.numpy

    array = jax.numpy.asarray(x)
    return array.shape, array.tobytes()


def _delta(x: Any) -> Distribution:
    return build("Delta", value=x.v, event_dims=x.event_dim)


_SAME = (
    "Beta Cauchy Chi2 Dirichlet DiscreteUniform Exponential Gamma Gumbel HalfCauchy HalfNormal "
    "InverseGamma Kumaraswamy Laplace LogNormal Logistic LowRankMultivariateNormal MatrixNormal "
    "MultivariateNormal Normal Pareto Poisson StudentT Uniform VonMises Weibull"
)

NAMES: Table = {
    **all_same(_SAME, _given),
    "BernoulliProbs": _of_probs("Bernoulli"),
    "BernoulliLogits": _of_logits("Bernoulli"),
    "BinomialProbs": _of_probs("Binomial", total_count="total_count"),
    "BinomialLogits": _of_logits("Binomial", total_count="total_count"),
    "CategoricalProbs": _of_probs("Categorical"),
    "CategoricalLogits": _of_logits("Categorical"),
    "GeometricProbs": _of_probs("Geometric"),
    "GeometricLogits": _of_logits("Geometric"),
    "MultinomialProbs": _of_probs("Multinomial", total_count="total_count"),
    "MultinomialLogits": _of_logits("Multinomial", total_count="total_count"),
    "NegativeBinomialProbs": _of_probs("NegativeBinomial", total_count="total_count"),
    "NegativeBinomialLogits": _of_logits("NegativeBinomial", total_count="total_count"),
    "CirculantNormal": _circulant,
    "Levy": _levy,
    "OrderedLogistic": lambda x: build("OrderedLogistic", cutpoints=x.cutpoints, loc=x.predictor),
    "Independent": lambda x: build(
        "Independent",
        base=adapt(x.base_dist),
        reinterpreted_batch_ndims=x.reinterpreted_batch_ndims,
    ),
    "ExpandedDistribution": lambda x: build(
        "ExpandedDistribution", base=adapt(x.base_dist), batch_shape=tuple(x.batch_shape)
    ),
    "MaskedDistribution": lambda x: build(
        "MaskedDistribution", base=adapt(x.base_dist), mask=x._mask
    ),
    "Wishart": lambda x: build("Wishart", df=x.concentration, scale_tril=x.scale_tril),
    "TransformedDistribution": _transformed,
    "MixtureSameFamily": _mixture,
    "Delta": _delta,
}
