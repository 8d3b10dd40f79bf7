"""The pairs with a closed form that the references cover: p, and all its q."""

_POSITIVE = "Exponential Chi2 Gamma InverseGamma Weibull LogNormal HalfNormal Normal Rayleigh"

_TABLE = {
    "Bernoulli": "Bernoulli Poisson",
    "Beta": "Beta ContinuousBernoulli Exponential Chi2 Gamma HalfNormal Normal Rayleigh Uniform",
    "Binomial": "Binomial",
    "Cauchy": "Cauchy",
    "Chi": "Chi",
    "Chi2": f"{_POSITIVE} Gumbel",
    "ContinuousBernoulli": "ContinuousBernoulli Exponential HalfNormal Normal Uniform",
    "ExpGamma": "ExpGamma ExpInverseGamma",
    "ExpInverseGamma": "ExpGamma ExpInverseGamma",
    "Exponential": f"{_POSITIVE} Gumbel Laplace".replace("InverseGamma ", ""),  # infinite: E 1/x
    "Gamma": f"{_POSITIVE} Gumbel",
    "Geometric": "Geometric",
    "Gumbel": "Gumbel Normal",
    "HalfCauchy": "HalfCauchy",
    "HalfNormal": "Exponential Chi2 Gamma HalfNormal LogNormal Normal Rayleigh",
    "InverseGamma": "Exponential Chi2 Gamma InverseGamma Weibull LogNormal",
    "InverseGaussian": "InverseGaussian",
    "Laplace": "Gumbel Laplace Normal",
    "LogNormal": _POSITIVE,
    "Logistic": "Normal",
    "LogitNormal": "LogitNormal",
    "Maxwell": "Maxwell",
    "NegativeBinomial": "NegativeBinomial",
    "Normal": "Gumbel Laplace Normal",
    "Pareto": f"{_POSITIVE} Pareto",
    "Poisson": "Poisson",
    "Rayleigh": "Rayleigh",
    "StudentT": "Normal",
    "Uniform": "Beta ContinuousBernoulli Exponential Chi2 Gamma InverseGamma Gumbel Weibull "
    "Laplace HalfNormal Normal Rayleigh Pareto Uniform",
    "Weibull": _POSITIVE,
}

PAIRS = [(p, q) for p, targets in _TABLE.items() for q in targets.split()]
