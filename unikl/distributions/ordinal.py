"""Ordered categories cut from a logistic variable."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..backends import Array, Backend
from .base import Condition, Distribution, real
from .elementary import exp_excess, log1p
from .registry import register_kl

__all__ = ["OrderedLogistic", "StoppingRatioLogistic", "bregman_term"]


class _Sigmoids(NamedTuple):
    """The probabilities of p and of q, and the logarithm of their ratio."""

    p: Array
    q: Array
    step: Array


def _sigmoid(room: Backend, x: Array) -> Array:
    """1 / (1 + exp(-x)), to full relative accuracy in the tails."""
    xp = room.xp
    return xp.exp(xp.where(x < 0, x, 0.0)) / (1 + xp.exp(-xp.abs(x)))


def _sigmoids(room: Backend, x: Array, y: Array, d: Array) -> _Sigmoids:
    """At p's x and q's y, given ``d = y - x``, which may be known to more digits."""
    xp = room.xp
    near = xp.abs(d) < 1
    close = -log1p(room, _sigmoid(room, -x) * xp.expm1(-xp.where(near, d, 0.0)))
    tails = log1p(room, xp.exp(-xp.abs(x))) - log1p(room, xp.exp(-xp.abs(y)))
    far = xp.where(y < 0, y, 0.0) - xp.where(x < 0, x, 0.0) + tails
    return _Sigmoids(_sigmoid(room, x), _sigmoid(room, y), xp.where(near, close, far))


def bregman_term(room: Backend, p: Array, q: Array, step: Array) -> Array:
    """``q - p - p log(q/p) >= 0``, given ``step = log(q/p)``."""
    xp = room.xp
    near = xp.abs(step) < 1
    far = xp.where(near, 0.0, step)
    close = p * exp_excess(room, xp.where(near, step, 0.0))
    return xp.where(near, close, (q - p) - p * far)


@dataclass(frozen=True, eq=False)
class _Cut(Distribution):
    """Cutpoints of one latent variable on a last axis, one fewer than categories."""

    cutpoints: Any
    loc: Any

    def conditions(self, room: Backend) -> list[Condition]:
        """Real cutpoints and a real location."""
        name, holds, requirement = real("cutpoints", self.cutpoints)
        cuts = Condition(name, room.xp.all(holds, axis=-1), requirement)
        return [cuts, real("loc", self.loc)]

    def logits(self, room: Backend) -> Array:
        """Of being at or below each cutpoint."""
        return self.cutpoints - room.xp.expand_dims(self.loc, axis=-1)


def _step(room: Backend, p: _Cut, q: _Cut) -> Array:
    """The difference of the logits."""
    m, n = ((room.shape(d.cutpoints) or (None,))[-1] for d in (p, q))
    if m is not None and n is not None and m != n:
        raise ValueError(
            f"p and q have {m} and {n} cutpoints; they must have the same number of categories"
        )
    return (q.cutpoints - p.cutpoints) - room.xp.expand_dims(q.loc - p.loc, axis=-1)


class StoppingRatioLogistic(_Cut):
    r"""Categories taken in turn: at k one stops with probability sigmoid(cutpoints[k] - loc).

    .. math:: \mathrm{KL} = \sum_k P(x \ge k)\,
              \mathrm{KL}(\mathrm{sigmoid}(c_k - \mu) \| \mathrm{sigmoid}(c'_k - \mu'))

    by the chain rule, where KL is that of two coins.

    Parameters
    ----------
    cutpoints : array, shape (..., K - 1)
    loc : array, shape (...)

    References
    ----------
    .. [1] G. Tutz, Regression for Categorical Data (2011), section 9.1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import StoppingRatioLogistic, kl
    >>> cuts = np.array([-1.0, 0.5])
    >>> p, q = StoppingRatioLogistic(cuts, 0.0), StoppingRatioLogistic(cuts, 0.5)
    >>> print(f"{float(kl(p, q)):.12f}")
    0.044773275182
    """


@register_kl(StoppingRatioLogistic, StoppingRatioLogistic)
def _stopping(room: Backend, p: StoppingRatioLogistic, q: StoppingRatioLogistic) -> Array:
    d = _step(room, p, q)
    x, y, d = room.broadcast((p.logits(room), q.logits(room), d), (-1,))
    stop, go = _sigmoids(room, x, y, d), _sigmoids(room, -x, -y, -d)
    coins = bregman_term(room, *stop) + bregman_term(room, *go)
    total, reached = 0.0 * x[..., 0], 1 + 0.0 * x[..., 0]
    for k in range(_cuts(room, x)):
        total = total + reached * coins[..., k]
        reached = reached * go.p[..., k]
    return total


def _cuts(room: Backend, x: Array) -> int:
    count = (room.shape(x) or (None,))[-1]
    if count is None:
        raise ValueError("the number of cutpoints must be known")
    return count


class OrderedLogistic(_Cut):
    r"""A logistic variable at `loc`, by the intervals between the cutpoints.

    x <= k with probability sigmoid(cutpoints[k] - loc).  The divergence is that of the categories,
    each from ``sigmoid(u) - sigmoid(v) = (1 - exp(v - u)) sigmoid(u) sigmoid(-v)``.

    Parameters
    ----------
    cutpoints : array, shape (..., K - 1)
        Increasing.
    loc : array, shape (...)

    References
    ----------
    .. [1] P. McCullagh, "Regression Models for Ordinal Data", J. R. Stat. Soc. B 42 (1980) 109,
       section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.distributions import OrderedLogistic, kl
    >>> cuts = np.array([-1.0, 0.5])
    >>> print(f"{float(kl(OrderedLogistic(cuts, 0.0), OrderedLogistic(cuts, 0.5))):.12f}")
    0.036232436476
    """

    def conditions(self, room: Backend) -> list[Condition]:
        """Real cutpoints that increase, and a real location."""
        c = self.cutpoints
        rising = room.xp.all(c[..., 1:] > c[..., :-1], axis=-1)
        return [*super().conditions(room), Condition("cutpoints", rising, "increasing")]


@register_kl(OrderedLogistic, OrderedLogistic)
def _ordered(room: Backend, p: OrderedLogistic, q: OrderedLogistic) -> Array:
    xp, d = room.xp, _step(room, p, q)
    x, y, d = room.broadcast((p.logits(room), q.logits(room), d), (-1,))
    below, above = _sigmoids(room, x, y, d), _sigmoids(room, -x, -y, -d)
    first = bregman_term(room, below.p[..., 0], below.q[..., 0], below.step[..., 0])
    last = bregman_term(room, above.p[..., -1], above.q[..., -1], above.step[..., -1])
    a, b = p.cutpoints, q.cutpoints
    wider = (b[..., 1:] - a[..., 1:]) - (b[..., :-1] - a[..., :-1])
    gaps = _gaps(room, a[..., 1:] - a[..., :-1], b[..., 1:] - b[..., :-1], wider)
    inner = bregman_term(
        room,
        gaps.p * below.p[..., 1:] * above.p[..., :-1],
        gaps.q * below.q[..., 1:] * above.q[..., :-1],
        gaps.step + (below.step[..., 1:] + above.step[..., :-1]),
    )
    return first + last + xp.sum(inner, axis=-1)


def _gaps(room: Backend, x: Array, y: Array, d: Array) -> _Sigmoids:
    """1 - exp(-x), 1 - exp(-y) and the logarithm of their ratio, for positive x and y = x + d."""
    xp = room.xp
    p, q = -xp.expm1(-x), -xp.expm1(-y)
    near = xp.abs(d) < 1
    u = xp.exp(-x) * -xp.expm1(-xp.where(near, d, 0.0)) / p
    near = near & (u > -0.5) & (u < 1)
    far = xp.log(xp.where(near, 1.0, q / p))
    return _Sigmoids(p, q, xp.where(near, log1p(room, xp.where(near, u, 0.0)), far))
