"""What a shard of the categories sends, and what it makes of what all of them sent.

Every shard sees its own categories as distributions p|c, q|c, and the shards are categories of
masses P_c and Q_c.  Twelve numbers for each distribution go around once (`Sent`): the six of
`unikl.KLState`, and six for the derivatives.  Then each shard knows its `Share`, and with it
everything about its own categories, by the chain rule:

    w = P_c w|c,    z = Q_c z|c,    log(z/w) = log(z|c / w|c) + log(Q_c / P_c),
    z - w = P_c (z|c - w|c) + (Q_c - P_c) z|c

each accurate where p and q nearly agree, as its two parts are.  So are the derivatives: in the
logarithms a of p, ``-w_i (log_ratio_i - mean)`` splits into the excess of a category's log ratio
over its shard's mean, and that of the shard's mean over all.  What is summed has no more
cancellation than in one process.
"""

import math
from typing import Any, NamedTuple

from ..backends import Array, Backend
from ..core import Reduction
from ..numerics import chi, difference, exp_below
from ..pairs import NEAR, Pair, log
from ..state import KLState, merge_numbers

__all__ = [
    "Local",
    "Sent",
    "Share",
    "excess",
    "global_pair",
    "local",
    "local_numbers",
    "partials",
    "shares",
]

_AXIS = (-1,)


class Sent(NamedTuple):
    """Of one shard, or of all along the last axis: a `KLState`, and what the derivatives need."""

    top: Array
    mass: Array
    scale: Array
    hi: Array
    lo: Array
    kl: Array
    top_q: Array  # q's own mass is mass_q exp(top_q)
    mass_q: Array
    lost: Array  # the weight of the infinite terms
    ratio_hi: Array  # log(q/p) of the heaviest category, in two parts ...
    ratio_lo: Array
    others: Array  # ... and what the other ones add to its mean


class Share(NamedTuple):
    """This shard among all; one number a distribution, kept as the last axis."""

    w: Array  # P_c, the share of p's mass
    z: Array  # Q_c
    diff: Array  # Q_c - P_c
    log_ratio: Array  # log(Q_c / P_c); 0 where one of them is 0
    mean: Array  # of log(z/w), with p's weights: -KL, or that of the finite terms
    slope: Array  # -P_c (the shard's mean - mean)
    mass_p: Array  # the totals as given, of all shards
    mass_q: Array


def local_numbers(rule: Reduction, p: Array, q: Array) -> Array:
    """What this shard sends: shape (12, rows) for rows of p and q."""
    room, xp = rule.room, rule.room.xp
    given: Any = rule.given
    state = KLState.from_arrays(p, q, given=given).numbers
    a, b = logarithms(rule, p, q)
    top, mass = state[0][..., None], xp.where(state[1] > 0, state[1], 1.0)[..., None]
    w = exp_below(room, a, top) / mass
    on = (a > -math.inf) & (b > -math.inf)
    lost = room.sum(xp.where(on, 0.0, w), _AXIS)

    hi, lo = difference(xp.where(on, b, 0.0), xp.where(on, a, 0.0))
    ratio_hi, ratio_lo = _at_largest(room, xp.where(on, a, -math.inf), hi, lo)
    others = room.sum(xp.where(on, w, 0.0) * ((hi - ratio_hi) + (lo - ratio_lo)), _AXIS)
    more = (*_mass(rule, 1, q, b), lost, ratio_hi, ratio_lo, others)
    sent = xp.concat([state, xp.stack([x[..., 0] for x in more])])
    if not rule.linear[0]:
        return sent
    top, mass = _mass(rule, 0, p, a)
    mass = mass + 0 * state[1][..., None]  # NaN if the state is
    top = xp.where(mass > 0, top, state[0][..., None])  # without p the unit of q's
    return xp.concat([xp.stack([top[..., 0], mass[..., 0]]), sent[2:]])


def _mass(rule: Reduction, which: int, x: Array, log_x: Array) -> tuple[Array, Array]:
    """``top, mass``, where mass exp(top) is the total: of weights themselves, not of their logs."""
    room, xp = rule.room, rule.room.xp
    if rule.linear[which]:
        mass = room.sum(x, _AXIS)
        return xp.zeros_like(mass), mass
    top = room.max(log_x, _AXIS)
    top = xp.where(top == -math.inf, 0.0, top)
    return top, room.sum(exp_below(room, log_x, top), _AXIS)


def shares(room: Backend, numbers: Array, index: int) -> tuple[Array, Share, tuple[Array, Array]]:
    """KL, the `Share` of shard `index`, and all P_c and Q_c; of shards along the last axis."""
    xp, of = room.xp, Sent(*[numbers[i] for i in range(len(Sent._fields))])
    whole = merge_numbers(numbers[:6], axis=-1)[..., None]
    mass, scale, hi, lo = [whole[i] for i in range(1, 5)]
    exists, both = (mass > 0) & (hi > -math.inf), (of.mass > 0) & (of.mass_q > 0)
    w, mass_p = _normalised(room, of.top, of.mass)
    z, mass_q = _normalised(room, of.top_q, of.mass_q)
    w = xp.where(exists, w, math.nan)
    off = (of.scale - scale) / scale
    near = xp.abs(off) < 0.5
    log_scale = xp.where(near, xp.log1p(xp.where(near, off, 0.0)), xp.log(of.scale / scale))
    d = xp.where(both, ((of.hi - hi) + (of.lo - lo)) - log_scale, 0.0)
    near = both & (xp.abs(d) < NEAR)
    d_near = xp.where(near, d, 0.0)
    diff = xp.where(near, w * (d_near + chi(room, d_near)), z - w)
    # That of a shard which holds nearly all is smaller than the rounding of its log ratio.
    heavy = near & (w > 0.5)
    diff = xp.where(heavy, -room.sum(xp.where(heavy, 0.0, diff), _AXIS), diff)
    d = xp.where(heavy, xp.log1p(diff / xp.where(heavy, w, 1.0)), d)

    terms = xp.where(near, w * chi(room, xp.where(near, d, 0.0)), diff - w * d)
    inside = xp.where(of.kl == math.inf, math.inf, w * of.kl)
    kl = room.sum(terms + inside, _AXIS)
    mean, slope = _slopes(room, of, (w, d, both), (hi + lo) - xp.log(scale), kl)
    w_c, z_c, diff, d, slope = (x[..., index : index + 1] for x in (w, z, diff, d, slope))
    return kl[..., 0], Share(w_c, z_c, diff, d, mean, slope, mass_p, mass_q), (w, z)


def _slopes(
    room: Backend, sent: Sent, of: tuple[Array, Array, Array], shift: Array, kl: Array
) -> tuple[Array, Array]:
    """The mean of log(z/w) with p's weights, and ``-P_c (a shard's mean - mean)``."""
    xp, (w, d, both) = room.xp, of
    # From the differences of log(q/p), which are exact: the constant shift drops out.
    hi, lo = _at_largest(room, w, sent.ratio_hi, sent.ratio_lo)
    about = ((sent.ratio_hi - hi) + (sent.ratio_lo - lo)) + sent.others
    # In a row with infinite terms, plainly, the mean of the finite ones.
    finite = room.sum(w * sent.lost, _AXIS) == 0
    kept = 1 - sent.lost
    mean_c = kept * (sent.ratio_hi + sent.ratio_lo) + sent.others
    mean = room.sum(w * (mean_c - kept * shift), _AXIS)
    shift_c = xp.where(both, shift + d, 0.0)
    plain = w * (((mean_c - kept * shift_c) + d) - mean)
    slope = -xp.where(finite, w * (about - room.sum(w * about, _AXIS)), plain)
    return xp.where(finite, -kl, mean), slope


def _at_largest(room: Backend, w: Array, hi: Array, lo: Array) -> tuple[Array, Array]:
    """hi and lo where w is largest; 0 where it is -inf throughout."""
    xp = room.xp
    there = (w == room.max(w, _AXIS)) & (w > -math.inf)
    at_hi = room.max(xp.where(there, hi, -math.inf), _AXIS)
    at_lo = room.max(xp.where(there & (hi == at_hi), lo, -math.inf), _AXIS)
    return xp.where(at_hi == -math.inf, 0.0, at_hi), xp.where(at_lo == -math.inf, 0.0, at_lo)


def _normalised(room: Backend, top: Array, mass: Array) -> tuple[Array, Array]:
    """The weights mass exp(top) over their sum, and the sum."""
    xp = room.xp
    most = room.max(xp.where(mass == 0, -math.inf, top), _AXIS)
    x = xp.where(mass == 0, 0.0, mass * exp_below(room, xp.where(mass == 0, most, top), most))
    total = room.sum(x, _AXIS)
    return x / total, total * xp.exp(most)


def excess(room: Backend, w: Array, x: Array) -> Array:
    """``w (x - mean)``, where w sums to 1 over the last axis, also where that cancels.

    One that holds more than half of the weight gets what the others leave: all sum to zero.
    """
    x = x - room.sum(w * x, _AXIS)
    x = x - room.sum(w * x, _AXIS)  # what the rounding of the mean left
    heavy = w > 0.5
    part = room.xp.where(heavy | (w == 0), 0.0, w * x)
    return room.xp.where(heavy, -room.sum(part, _AXIS), part)


# -- the categories of one shard -------------------------------------------------------------------


class Local(NamedTuple):
    """The categories of one shard, as distributions of their own."""

    pair: Pair  # with totals of 1
    lost: Array  # p > 0 = q
    on: Array  # both above 0
    no_q: Array  # has q no mass here?


def local(rule: Reduction, p: Array, q: Array) -> Local:
    """Where p or q has no mass here, a uniform one, of weight 0, stands in."""
    xp = rule.room.xp
    on, masses, inputs = [], [], []
    for x, linear in zip((p, q), rule.linear, strict=True):
        zero = 0.0 if linear else -math.inf
        on.append(x != zero)
        masses.append(xp.any(on[-1], axis=-1, keepdims=True))
        inputs.append(xp.where(masses[-1], x, 1.0 if linear else 0.0))
    pair = rule.pair(*inputs)
    w, z, diff = (x / pair.total for x in (pair.w, pair.z, pair.diff))
    pair = pair._replace(w=w, z=z, diff=diff, total=xp.ones_like(pair.total))
    return Local(pair, on[0] & ~on[1], on[0] & on[1], ~masses[1])


def global_pair(room: Backend, of: Local, share: Share) -> Pair:
    """This shard's categories as a part of all."""
    xp, here = room.xp, of.pair
    w, z = share.w * here.w, share.z * here.z
    diff = xp.where(of.no_q, -w, share.w * here.diff + share.diff * here.z)
    log_ratio = xp.where(of.on, here.log_ratio + share.log_ratio, 0.0)
    return here._replace(
        w=w,
        z=z,
        diff=diff,
        log_ratio=log_ratio,
        lost=of.lost,
        mass_p=share.mass_p,
        mass_q=share.mass_q,
    )


def partials(
    rule: Reduction, share: Share, wanted: tuple[bool, bool], p: Array, q: Array
) -> list[tuple[Array, Array] | None]:
    """The partial derivatives of KL, each as two factors, as in `core`."""
    of = local(rule, p, q)
    pair = global_pair(rule.room, of, share)
    huge = 0.99 * rule.room.largest(p.dtype)
    factor = rule.room.xp.where(of.lost, huge, rule.room.xp.ones_like(p))
    found: list[tuple[Array, Array] | None] = [None, None]
    if wanted[0]:
        partial = _partial_p(rule, share, of, pair, p, q)
        found[0] = rule.room.xp.where(of.lost, huge, partial), factor
    if wanted[1] and rule.linear[1]:
        relative = pair.diff / rule.room.xp.where(pair.z > 0, pair.z, 1.0)
        partial = rule.room.xp.where(pair.z > 0, relative, 1.0) / share.mass_q
        found[1] = rule.room.xp.where(of.lost, -huge, partial), factor
    elif wanted[1]:
        found[1] = pair.diff, rule.room.xp.ones_like(share.w)
    return found


def _partial_p(rule: Reduction, share: Share, of: Local, pair: Pair, p: Array, q: Array) -> Array:
    room, xp, here = rule.room, rule.room.xp, of.pair
    if not rule.linear[0]:
        a, b = logarithms(rule, p, q)
        excess_here = here.log_ratio - room.sum(here.w * here.log_ratio, _AXIS)
        inside = rule._partial_log_p(here, a, b, excess_here)
        return share.w * inside + here.w * share.slope
    # At p = 0 < q the derivative is -inf: the one at the smallest normal number.
    empty = (p == 0) & (pair.z > 0)
    log_z = xp.log(xp.where(empty, pair.z, 1.0))
    at_tiny = log_z + xp.log(share.mass_p) - math.log(room.smallest_normal(p.dtype))
    return -(xp.where(empty, at_tiny, pair.log_ratio) - share.mean) / share.mass_p


def logarithms(rule: Reduction, p: Array, q: Array) -> tuple[Array, Array]:
    """p and q as logarithms."""
    xp = rule.room.xp
    return log(xp, p) if rule.linear[0] else p, log(xp, q) if rule.linear[1] else q
