"""torch.distributions, and Pyro's additions to it."""

from typing import Any

from ..base import Distribution
from .table import Table, all_same, build, read

__all__ = ["NAMES", "adapt"]


def adapt(x: Any) -> Distribution:
    """A torch distribution as ours."""
    return read(x, NAMES, "torch.distributions")


def _given(x: Any, name: str) -> Any:
    """The parameter if it was given; torch keeps what it derives in the same place, later."""
    source = vars(x)
    if "_categorical" in source:  # Multinomial and OneHotCategorical hold a Categorical
        return _given(x._categorical, name)
    parameter = source.get("_param")
    if parameter is not None:
        return source[name] if source.get(name) is parameter else None
    present = [one for one in _ORDER if one in source]
    return source[name] if present[:1] == [name] else None


_ORDER = ("probs", "logits", "covariance_matrix", "precision_matrix", "scale_tril")


def _independent(x: Any) -> Distribution:
    n = x.reinterpreted_batch_ndims
    return build("Independent", base=adapt(x.base_dist), reinterpreted_batch_ndims=n)


def _transformed(x: Any) -> Distribution:
    return build(
        "TransformedDistribution",
        base=adapt(x.base_dist),
        transform=_Transforms(x.transforms),
        injective=_injective(x),
    )


class _Transforms:
    """Equal when the transforms are; hashable, as JAX and Dynamo want."""

    def __init__(self, transforms: Any) -> None:
        self.transforms = list(transforms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Transforms) and self.transforms == other.transforms

    def __hash__(self) -> int:
        return hash(tuple(type(t) for t in self.transforms))


def _injective(x: Any) -> bool:
    """Is the composition one-to-one?  Torch calls x^k so, but it is on positive numbers only."""
    lives_on = x.base_dist.support
    for transform in x.transforms:
        if not transform.bijective:
            return False
        above = type(lives_on).__name__ in ("_GreaterThan", "_GreaterThanEq")
        positive = above and lives_on.lower_bound == 0.0
        if type(transform).__name__ == "PowerTransform" and not positive:
            return False
        lives_on = transform.codomain
    return True


def _mixture(x: Any) -> Distribution:
    parts = adapt(x.mixture_distribution), adapt(x.component_distribution)
    return build("MixtureSameFamily", mixture=parts[0], components=parts[1])


_SAME = (
    "Bernoulli Beta Binomial Categorical Cauchy Chi2 ContinuousBernoulli Dirichlet "
    "Exponential Gamma Geometric Gumbel HalfCauchy HalfNormal InverseGamma Kumaraswamy Laplace "
    "LogNormal LowRankMultivariateNormal Multinomial MultivariateNormal NegativeBinomial "
    "Normal OneHotCategorical Pareto Poisson StudentT Uniform VonMises Weibull Wishart"
)

NAMES: Table = {
    **all_same(_SAME, _given),
    "Independent": _independent,
    "TransformedDistribution": _transformed,
    "MixtureSameFamily": _mixture,
    # Pyro
    "Delta": lambda x: build("Delta", value=x.v, event_dims=x.event_dim),
    "ExpandedDistribution": lambda x: build(
        "ExpandedDistribution", base=adapt(x.base_dist), batch_shape=tuple(x.batch_shape)
    ),
    "MaskedDistribution": lambda x: build(
        "MaskedDistribution", base=adapt(x.base_dist), mask=x._mask
    ),
}
