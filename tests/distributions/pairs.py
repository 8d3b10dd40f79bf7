"""The pairs with a closed form that the references cover: p, and all its q."""

_POSITIVE = "Exponential Chi2 Gamma InverseGamma Weibull LogNormal HalfNormal Normal Rayleigh"

_TABLE = {
    "Bernoulli": "Bernoulli Poisson",
    "Beta": "Beta ContinuousBernoulli Exponential Chi2 Gamma HalfNormal Normal Rayleigh Uniform",
    "Binomial": "Binomial",
    "Cauchy": "Cauchy",
    "Chi": "Chi",
    "Chi2": f"{_POSITIVE} GeneralizedGamma Gumbel",
    "ContinuousBernoulli": "ContinuousBernoulli Exponential HalfNormal Normal Uniform",
    "ExpGamma": "ExpGamma ExpInverseGamma",
    "ExpInverseGamma": "ExpGamma ExpInverseGamma",
    # E 1/x is infinite.
    "Exponential": f"{_POSITIVE} GeneralizedGamma Gumbel Laplace".replace("InverseGamma ", ""),
    "Frechet": "Frechet",
    "Gamma": f"{_POSITIVE} GeneralizedGamma Gumbel Levy",
    "GeneralizedGamma": f"{_POSITIVE} GeneralizedGamma Levy",
    "GeneralizedNormal": "GeneralizedNormal Normal",
    "Geometric": "Geometric",
    "Gumbel": "Gumbel Normal",
    "HalfCauchy": "HalfCauchy",
    "HalfNormal": "Exponential Chi2 Gamma HalfNormal LogNormal Normal Rayleigh",
    "InverseGamma": "Exponential Chi2 Gamma GeneralizedGamma InverseGamma Weibull LogNormal Levy",
    "InverseGaussian": "InverseGaussian",
    "Kumaraswamy": "Kumaraswamy Beta ContinuousBernoulli Exponential Chi2 Gamma HalfNormal Normal "
    "GeneralizedGamma InverseGamma Levy LogNormal Rayleigh Uniform Weibull",
    "Laplace": "Gumbel Laplace Normal",
    "Levy": "InverseGamma Levy LogNormal",
    "LogNormal": f"{_POSITIVE} GeneralizedGamma Levy",
    "LogSeries": "LogSeries",
    "Logistic": "Normal",
    "LogitNormal": "LogitNormal",
    "Maxwell": "Maxwell",
    "Nakagami": "Chi Nakagami",
    "NegativeBinomial": "NegativeBinomial",
    "Normal": "Gumbel Laplace Normal",
    "Pareto": f"{_POSITIVE} GeneralizedGamma Pareto",
    "Poisson": "Poisson",
    "ProbitBernoulli": "ProbitBernoulli",
    "Rayleigh": "Rayleigh",
    "StudentT": "Normal",
    "Uniform": "Beta ContinuousBernoulli Exponential Chi2 Gamma InverseGamma Gumbel Weibull "
    "Laplace GeneralizedGamma HalfNormal Normal Rayleigh Pareto Uniform",
    "VonMises": "VonMises",
    "Weibull": f"{_POSITIVE} GeneralizedGamma",
}

PAIRS = [(p, q) for p, targets in _TABLE.items() for q in targets.split()]
