"""The generalised Jensen-Shannon divergence over shards of the categories.

The mixture in one shard depends on how its masses of p and q compare with all: no state of one
shard knows that.  So the shards' states go around first, then two sums and two means for each
distribution; the derivatives take nothing more.  Terms and derivatives are those of
`unikl.losses.mixture`, of the whole distributions.
"""

from typing import NamedTuple

from ..backends import Array
from ..core import Reduction
from ..losses.mixture import _Mixture, _Side
from .shards import Share, excess, global_pair, local

__all__ = ["Sides", "mixture_numbers", "mixture_partials", "mixture_sides"]

_AXIS = (-1,)


class Sides(NamedTuple):
    """KL to the mixture, of p and of q, and for each what a shard's mean of log(w/m) is above."""

    kl_p: Array
    kl_q: Array
    slope_p: Array
    slope_q: Array


def mixture_numbers(rule: Reduction, beta: float, share: Share, p: Array, q: Array) -> Array:
    """What a shard sends: shape (4, rows)."""
    room, seen = rule.room, _Seen(rule, beta, share, p, q)
    kls = [room.sum(side.term, _AXIS) for side in seen.sides]
    means = [room.sum(w * x, _AXIS) for w, x in zip(seen.weights, seen.log_ratios, strict=True)]
    return room.xp.stack([x[..., 0] for x in (*kls, *means)])


def mixture_sides(
    rule: Reduction, numbers: Array, masses: tuple[Array, Array], index: int
) -> Sides:
    """Of the numbers of all shards, along the last axis, and their masses of p and q."""
    room = rule.room
    kl_p, kl_q = (room.sum(numbers[i], _AXIS) for i in (0, 1))
    slopes = [
        excess(room, w, numbers[i])[..., index : index + 1]
        for i, w in zip((2, 3), masses, strict=True)
    ]
    return Sides(kl_p, kl_q, *slopes)


def mixture_partials(
    rule: Reduction, beta: float, share: Share, sides: Sides, p: Array, q: Array
) -> list[Array]:
    """The partial derivatives of ``beta KL(p || m) + (1 - beta) KL(q || m)``."""
    seen = _Seen(rule, beta, share, p, q)
    found = []
    for i, factor in enumerate((beta, 1 - beta)):
        log_ratio, w = seen.log_ratios[i], seen.weights[i]
        if rule.linear[i]:
            partial = (log_ratio - sides[i]) / (share.mass_p, share.mass_q)[i]
        else:
            inside = excess(rule.room, w, log_ratio)
            partial = (share.w, share.z)[i] * inside + w * sides[i + 2]
        found.append(factor * partial)
    return found


class _Seen:
    """The categories of one shard, beside the mixture of all."""

    sides: tuple[_Side, _Side]
    log_ratios: tuple[Array, Array]  # log(w/m) and log(z/m)
    weights: tuple[Array, Array]  # of the shard's own distributions

    def __init__(self, rule: Reduction, beta: float, share: Share, p: Array, q: Array) -> None:
        of = local(rule, p, q)
        pair = global_pair(rule.room, of, share)
        mixture = _Mixture(rule, rule.linear, beta)
        self.sides = mixture.sides(pair, p, q)
        only_p, only_q = mixture._alone(p, q)
        self.log_ratios = (
            mixture._log_ratio(self.sides[0], only_q, (1 - beta) * pair.z, pair.mass_p),
            mixture._log_ratio(self.sides[1], only_p, beta * pair.w, pair.mass_q),
        )
        self.weights = of.pair.w, of.pair.z
