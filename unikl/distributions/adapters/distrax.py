"""Distrax's distributions."""

from typing import Any

from ..base import Distribution
from .table import Table, all_same, build, exp, read, same

__all__ = ["NAMES", "adapt"]


def adapt(x: Any) -> Distribution:
    """A Distrax distribution as ours."""
    import jax.numpy

    # Distrax may keep what it was given, such as a NumPy array, and convert it when it is used.
    return read(x, NAMES, "Distrax").map(jax.numpy.asarray)


def _given(x: Any, name: str) -> Any:
    """The parameter; None for an alternative that is not used."""
    return getattr(x, f"_{name}")


def _log_stddev(x: Any) -> Distribution:
    return build("Normal", loc=x.loc, scale=exp(x.log_scale))


def _diagonal(x: Any) -> Distribution:
    return build("MultivariateNormalDiag", loc=x.loc, scale_diag=x.scale_diag)


def _triangular(x: Any) -> Distribution:
    if not x.is_lower:
        upper = x.scale_tri
        return build("MultivariateNormal", loc=x.loc, covariance_matrix=upper @ upper.mT)
    return build("MultivariateNormal", loc=x.loc, scale_tril=x.scale_tri)


def _covariance(x: Any) -> Distribution:
    return build("MultivariateNormal", loc=x.loc, covariance_matrix=x.covariance_matrix)


def _from_bijector(x: Any) -> Distribution:
    return build("MultivariateNormal", loc=x.loc, covariance_matrix=x.covariance())


def _independent(x: Any) -> Distribution:
    n = x._reinterpreted_batch_ndims
    return build("Independent", base=adapt(x.distribution), reinterpreted_batch_ndims=n)


def _transformed(x: Any) -> Distribution:
    return build(
        "TransformedDistribution",
        base=adapt(x.distribution),
        transform=_Bijector(x.bijector),
        injective=True,  # Distrax has bijectors only
    )


class _Bijector:
    """Equal when the bijectors are, as Distrax compares them."""

    def __init__(self, bijector: Any) -> None:
        self.bijector = bijector

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bijector) and bool(self.bijector.same_as(other.bijector))

    def __hash__(self) -> int:
        return hash(type(self.bijector))


def _mixture(x: Any) -> Distribution:
    parts = adapt(x.mixture_distribution), adapt(x.components_distribution)
    return build("MixtureSameFamily", mixture=parts[0], components=parts[1])


def _joint(x: Any) -> Distribution:
    parts = x.distributions
    if not isinstance(parts, list | tuple):
        raise NotImplementedError("a Distrax Joint of a list or tuple of distributions only")
    return build("JointDistribution", parts=tuple(adapt(part) for part in parts))


_SAME = (
    "Bernoulli Categorical Dirichlet Gamma Gumbel Laplace Logistic Multinomial Normal "
    "OneHotCategorical Uniform VonMises"
)

NAMES: Table = {
    **all_same(_SAME, _given),
    "Beta": same("Beta", _given, concentration1="alpha", concentration0="beta"),
    "LogStddevNormal": _log_stddev,
    "MultivariateNormalDiag": _diagonal,
    "MultivariateNormalTri": _triangular,
    "MultivariateNormalFullCovariance": _covariance,
    "MultivariateNormalFromBijector": _from_bijector,
    "Independent": _independent,
    "Transformed": _transformed,
    "MixtureSameFamily": _mixture,
    "Joint": _joint,
    "Deterministic": lambda x: build("Delta", value=x.loc),
}
