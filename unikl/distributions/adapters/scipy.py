"""Frozen distributions of scipy.stats: shape parameters, and a location and a scale for each."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import Distribution
from .table import build

__all__ = ["NAMES", "adapt"]


def adapt(x: Any) -> Distribution:
    """A frozen scipy distribution as ours."""
    univariate = hasattr(x, "dist")
    name = x.dist.name if univariate else type(x).__name__.removesuffix("_frozen")
    if name not in NAMES:
        raise NotImplementedError(f"scipy.stats.{name} has no counterpart in unikl.distributions")
    if not univariate:
        return NAMES[name]([x], 0, 1)
    shapes, loc, scale = x.dist._parse_args(*x.args, **x.kwds)
    return NAMES[name]([_number(one) for one in shapes], _number(loc), _number(scale))


Reader = Callable[[list[Any], Any, Any], Distribution]


def _number(x: Any) -> Any:
    return np.asarray(x, dtype=np.float64)


def _at(loc: Any, distribution: Distribution) -> Distribution:
    """The distribution moved by `loc`; two moved alike have the divergence of their bases."""
    if not np.any(loc):
        return distribution
    key = (np.shape(loc), np.asarray(loc).tobytes())
    return build("TransformedDistribution", base=distribution, transform=("shift", key))


def _scaled(family: str, *names: str, scale: str = "scale") -> Reader:
    """Our family with the shapes under these names and scipy's scale; moved by its location."""

    def reader(shapes: list[Any], loc: Any, size: Any) -> Distribution:
        parameters = dict(zip(names, shapes, strict=True))
        return _at(loc, build(family, **parameters, **{scale: size}))

    return reader


def _rated(family: str, *names: str) -> Reader:
    """The same with our rate, the inverse of a scale."""

    def reader(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
        parameters = dict(zip(names, shapes, strict=True))
        return _at(loc, build(family, **parameters, rate=1 / scale))

    return reader


def _placed(family: str, *names: str) -> Reader:
    """Our family with a location and a scale of its own."""

    def reader(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
        parameters = dict(zip(names, shapes, strict=True))
        return build(family, **parameters, loc=loc, scale=scale)

    return reader


def _plain(family: str, *names: str) -> Reader:
    """Our family without scale: scipy's has to be 1."""

    def reader(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
        if np.any(scale != 1):
            raise NotImplementedError(f"scipy's distribution with scale {scale}; only 1 is known")
        return _at(loc, build(family, **dict(zip(names, shapes, strict=True))))

    return reader


def _uniform(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return build("Uniform", low=loc, high=loc + scale)


def _log_normal(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return _at(loc, build("LogNormal", loc=np.log(scale), scale=shapes[0]))


def _inverse_gaussian(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return _at(loc, build("InverseGaussian", loc=shapes[0] * scale, concentration=scale))


def _geometric(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return _at(loc + 1, build("Geometric", probs=shapes[0]))  # scipy's starts at 1, ours at 0


def _negative_binomial(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    n, p = shapes  # scipy counts the failures before n successes; torch calls those successes
    return _at(loc, build("NegativeBinomial", total_count=n, logits=np.log1p(-p) - np.log(p)))


def _normal(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return build("MultivariateNormal", loc=shapes[0].mean, covariance_matrix=shapes[0].cov)


def _dirichlet(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return build("Dirichlet", concentration=shapes[0].alpha)


def _multinomial(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return build("Multinomial", total_count=shapes[0].n, probs=shapes[0].p)


def _wishart(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return build("Wishart", df=shapes[0].df, covariance_matrix=shapes[0].scale)


def _levy(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return _at(loc, build("Levy", scale=scale))


def _nakagami(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    return _at(loc, build("Nakagami", concentration=shapes[0], spread=scale**2))


def _generalized_gamma(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    a, c = shapes
    if np.any(c <= 0):
        raise NotImplementedError("scipy's gengamma with c <= 0")
    return _at(loc, build("GeneralizedGamma", scale=scale, concentration=a * c, power=c))


def _von_mises(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    if np.any(scale != 1):
        raise NotImplementedError(f"scipy's vonmises with scale {scale}; only 1 is known")
    return build("VonMises", loc=loc, concentration=shapes[0])


def _integers(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    low, high = shapes  # scipy leaves the upper one out
    return build("DiscreteUniform", low=low + loc, high=high + loc - 1)


def _von_mises_fisher(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    x = shapes[0]
    return build("VonMisesFisher", mean_direction=x.mu, concentration=_number(x.kappa))


def _normal_inverse_gamma(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    m, count, a, b = (_number(one) for one in shapes[0]._shapes)
    return build("NormalInverseGamma", loc=m, count=count, concentration=a, rate=b)


def _matrix_normal(shapes: list[Any], loc: Any, scale: Any) -> Distribution:
    x = shapes[0]
    rows, columns = (np.linalg.cholesky(cov) for cov in (x.rowcov, x.colcov))
    return build("MatrixNormal", loc=x.mean, scale_tril_row=rows, scale_tril_column=columns)


NAMES: dict[str, Reader] = {
    "bernoulli": _plain("Bernoulli", "probs"),
    "beta": _plain("Beta", "concentration1", "concentration0"),
    "binom": _plain("Binomial", "total_count", "probs"),
    "cauchy": _placed("Cauchy"),
    "chi": _plain("Chi", "df"),
    "chi2": _plain("Chi2", "df"),
    "dirichlet": _dirichlet,
    "expon": _rated("Exponential"),
    "gamma": _rated("Gamma", "concentration"),
    "gengamma": _generalized_gamma,
    "gennorm": _placed("GeneralizedNormal", "power"),
    "geom": _geometric,
    "gumbel_r": _placed("Gumbel"),
    "halfcauchy": _scaled("HalfCauchy"),
    "halfnorm": _scaled("HalfNormal"),
    "invgamma": _scaled("InverseGamma", "concentration", scale="rate"),
    "invgauss": _inverse_gaussian,
    "invweibull": _scaled("Frechet", "concentration"),
    "laplace": _placed("Laplace"),
    "levy": _levy,
    "logistic": _placed("Logistic"),
    "lognorm": _log_normal,
    "logser": _plain("LogSeries", "probs"),
    "matrix_normal": _matrix_normal,
    "maxwell": _scaled("Maxwell"),
    "moyal": _placed("Moyal"),
    "multinomial": _multinomial,
    "multivariate_normal": _normal,
    "nakagami": _nakagami,
    "nbinom": _negative_binomial,
    "norm": _placed("Normal"),
    "normal_inverse_gamma": _normal_inverse_gamma,
    "pareto": _scaled("Pareto", "alpha"),
    "poisson": _plain("Poisson", "rate"),
    "randint": _integers,
    "rayleigh": _scaled("Rayleigh"),
    "t": _placed("StudentT", "df"),
    "uniform": _uniform,
    "vonmises": _von_mises,
    "vonmises_fisher": _von_mises_fisher,
    "weibull_min": _scaled("Weibull", "concentration"),
    "wishart": _wishart,
}
