"""Pairs of families with members in common, written so that nothing cancels near these.

The Weibull distributions contain the exponential and Rayleigh ones and share the former with the
gamma distributions; the beta and continuous Bernoulli distributions contain the uniform one on
(0, 1); and a continuous Bernoulli distribution of very negative logits is nearly exponential.
The general rules of `rules` would lose the digits of a small divergence there.
"""

from ..backends import Array, Backend
from .beta import Beta
from .continuous_bernoulli import ContinuousBernoulli, bregman_of_cumulants
from .elementary import itakura_saito, log1p, log_ratio, product_difference
from .exponential import Exponential
from .gamma import Gamma
from .generalized import _stacy
from .gumbel import Scales, Weibull, weibulls
from .normal import Rayleigh
from .registry import divergence, register_kl
from .uniform import Uniform

__all__: list[str] = []


# -- Weibull: exponential, Rayleigh, gamma ---------------------------------------------------------


def _log_product(room: Backend, x: Array, y: Array) -> Array:
    """log(x y), also near 1."""
    one = room.xp.ones_like(x * y)
    return log_ratio(room, one, x * y, product_difference(room, x, y, one, one))


def _of_rate(room: Backend, scale: Array, rate: Array) -> Scales:
    """The ratio of a scale to 1/rate."""
    one, hold = room.xp.ones_like(scale * rate), room.stop_gradient
    ratio = hold(scale * rate)
    arrays = room.broadcast((hold(scale), hold(rate), ratio, one), ())
    return Scales(_log_product(room, scale, rate), ratio, product_difference(room, *arrays))


def _of_rayleigh(room: Backend, scale: Array, other: Array) -> Scales:
    """The ratio of a scale to sqrt(2) other, that of a Rayleigh distribution."""
    squares = product_difference(room, scale, scale, 2 * other, other)
    log = 0.5 * log_ratio(room, 2 * other * other, scale * scale, squares)
    ratio = room.stop_gradient(room.xp.exp(log))
    return Scales(log, ratio, 0 * ratio)


def _inverse(scales: Scales) -> Scales:
    log, ratio, rest = scales
    return Scales(-log, 1 / ratio, -rest / ratio / ratio)


@register_kl(Weibull, Exponential)
def _weibull_exponential(room: Backend, p: Weibull, q: Exponential) -> Array:
    one = room.xp.ones_like(q.rate)
    return weibulls(room, p.concentration, one, _of_rate(room, p.scale, q.rate))


@register_kl(Exponential, Weibull)
def _exponential_weibull(room: Backend, p: Exponential, q: Weibull) -> Array:
    one = room.xp.ones_like(p.rate)
    return weibulls(room, one, q.concentration, _inverse(_of_rate(room, q.scale, p.rate)))


@register_kl(Weibull, Rayleigh)
def _weibull_rayleigh(room: Backend, p: Weibull, q: Rayleigh) -> Array:
    two = 2 * room.xp.ones_like(q.scale)
    return weibulls(room, p.concentration, two, _of_rayleigh(room, p.scale, q.scale))


@register_kl(Rayleigh, Weibull)
def _rayleigh_weibull(room: Backend, p: Rayleigh, q: Weibull) -> Array:
    two = 2 * room.xp.ones_like(p.scale)
    return weibulls(room, two, q.concentration, _inverse(_of_rayleigh(room, q.scale, p.scale)))


@register_kl(Weibull, Gamma)
def _weibull_gamma(room: Backend, p: Weibull, q: Gamma) -> Array:
    k, one = p.concentration, room.xp.ones_like(q.rate)
    return _stacy(room, k, q.concentration, k, one, _log_product(room, p.scale, q.rate))


@register_kl(Gamma, Weibull)
def _gamma_weibull(room: Backend, p: Gamma, q: Weibull) -> Array:
    k, one = q.concentration, room.xp.ones_like(p.rate)
    return _stacy(room, p.concentration, k, one, k, -_log_product(room, q.scale, p.rate))


# -- on the unit interval --------------------------------------------------------------------------


def _outside(room: Backend, q: Uniform) -> Array:
    """log(high - low) of an interval around (0, 1)."""
    return log1p(room, (q.high - 1) - q.low)


def _unit(room: Backend, like: Array) -> Beta:
    one = room.xp.ones_like(like)
    return Beta(one, one)


@register_kl(Beta, Uniform)
def _beta_uniform(room: Backend, p: Beta, q: Uniform) -> Array:
    return divergence(room, p, _unit(room, p.concentration1)) + _outside(room, q)


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(room: Backend, p: ContinuousBernoulli, q: Uniform) -> Array:
    eta = p.eta(room)
    return bregman_of_cumulants(room, eta, 0 * eta, -eta) + _outside(room, q)


@register_kl(Uniform, Beta)
def _uniform_beta(room: Backend, p: Uniform, q: Beta) -> Array:
    """That of the whole interval, and what its part differs by: nothing if it is the whole."""
    a, b = q.concentration1, q.concentration0
    whole = divergence(room, _unit(room, a), q)
    logs = (a - 1) * (p.mean_log(room) + 1) + (b - 1) * (p.mean_log1m(room) + 1)
    return whole - log1p(room, (p.high - 1) - p.low) - logs


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(room: Backend, p: Uniform, q: ContinuousBernoulli) -> Array:
    eta = q.eta(room)
    whole = bregman_of_cumulants(room, 0 * eta, eta, eta)
    off_centre = 0.5 * (p.low + (p.high - 1))
    return whole - log1p(room, (p.high - 1) - p.low) - eta * off_centre


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(room: Backend, p: Beta, q: ContinuousBernoulli) -> Array:
    a, b, eta = p.concentration1, p.concentration0, q.eta(room)
    tilt = bregman_of_cumulants(room, 0 * eta, eta, eta)
    return divergence(room, p, _unit(room, a)) + tilt - eta * (0.5 * (a - b) / (a + b))


@register_kl(ContinuousBernoulli, Exponential)
def _continuous_bernoulli_exponential(
    room: Backend, p: ContinuousBernoulli, q: Exponential
) -> Array:
    """With r = -logits > 0 an exponential distribution of rate r, cut off at 1."""
    xp, eta = room.xp, p.eta(room)
    cut = eta < -2
    r = xp.where(cut, -eta, 2.0)
    tail = xp.exp(-r)
    odds = tail / (1 - tail)
    apart = q.rate - r
    near = itakura_saito(room, r, q.rate, apart) - apart * odds + log1p(room, odds)
    plain = q.rate * p.mean(room) - xp.log(q.rate) - p.entropy(room)
    return xp.where(cut, near, plain)
