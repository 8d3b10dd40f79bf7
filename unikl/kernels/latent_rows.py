"""One row of normals N(mean, exp(log_var)) against N(0, 1): divergence and gradients."""

from .lanes import latent_term
from .llvm import inner, loop
from .sums import BLOCK, add


@loop
def _latent_block(mean, log_var, c):  # type: ignore[no-untyped-def]
    terms = c.zero
    for i in range(mean.shape[0]):
        terms += latent_term(mean[i], log_var[i], c)[0]
    return terms


@inner
def latent_row(mean, log_var, c):  # type: ignore[no-untyped-def]
    """KL(N(mean, exp(log_var)) || N(0, 1))."""
    terms = (0.0, 0.0)
    for o in range(0, mean.shape[0], BLOCK):
        terms = add(terms, _latent_block(mean[o : o + BLOCK], log_var[o : o + BLOCK], c))
    return 0.5 * (terms[0] + terms[1])


@inner
def latent_gradients_row(mean, log_var, g, dm, dv, c):  # type: ignore[no-untyped-def]
    """The gradients times g, into what is not None of dm and dv."""
    for i in range(mean.shape[0]):
        if dm is not None:
            dm[i] = mean[i] * g
        if dv is not None:
            dv[i] = (c.half * latent_term(mean[i], log_var[i], c)[1]) * g
