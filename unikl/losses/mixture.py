"""The generalised Jensen-Shannon divergence, by one continuous scale from KL to reverse KL.

With w, z the normalised p, q and their mixture m = beta w + (1 - beta) z,

    J = beta KL(w || m) + (1 - beta) KL(z || m).

Rounded probabilities, and so a mixture of them, have lost what p and q differ by when they nearly
agree.  It is never formed: m/w = beta + (1 - beta) z/w, and log(z/w), like w, z and z - w, comes
from the core, each accurate.  With v = m/w - 1 the Bregman terms of KL(w || m) are w psi(v).
The derivative in m cancels, so that derivatives need only log(w/m):

    dJ/da_i = beta w_i (log(w_i/m_i) - KL(w || m)),     a = log p,

and likewise in q.
"""

import math
from typing import Any, NamedTuple

from ..backends import Array, Backend, get_backend
from ..core import Reduction, kl_divergence, log_of_base
from ..inputs import read_inputs
from ..numerics import psi
from ..pairs import Pair
from ..validation import check_result, should_validate
from .reduction import Axis, Forms

__all__ = ["skew_jensen_shannon"]


# The log ratio to a weight of 0: finite, because it gets multiplied by that.
_ABSENT = 1e4


class _Side(NamedTuple):
    """One of the two divergences from the mixture; w stands for p's weights or for q's."""

    mass: Array  # w
    term: Array  # of KL(w || m), non-negative
    log_ratio: Array  # log(w / m), if w > 0


def _side(
    room: Backend, mass: Array, log_ratio: Array, diff: Array, own: float, share: float
) -> _Side:
    """w against ``m = own w + share z``, where z is w + diff and w exp(log_ratio)."""
    xp = room.xp
    beyond = math.log1p(1 / share) + 1  # v is above 1 from here on
    v = share * xp.expm1(xp.where(log_ratio < beyond, log_ratio, beyond))
    near = (v > -0.5) & (v < 1)
    psi_near, log_near = psi(room, xp.where(near, v, 0.0))
    # log(m/w), with the larger of the two parts taken out.
    log_own, log_other = math.log(own), xp.where(near, 0.0, log_ratio) + math.log(share)
    top = xp.where(log_other > log_own, log_other, log_own)
    log_far = top + xp.log(xp.exp(log_own - top) + xp.exp(log_other - top))
    term = xp.where(near, mass * psi_near, share * diff - mass * log_far)
    return _Side(mass, term, -xp.where(near, log_near, log_far))


class _Mixture(NamedTuple):
    """The divergence of arrays of one shape: value, JVP and VJP, for a room."""

    reduction: Reduction
    linear: tuple[bool, bool]  # is the argument given by weights (or by logarithms)?
    beta: float

    def pair(self, p: Array, q: Array) -> Pair:
        """Both arguments in one picture, with totals of 1."""
        pair = self.reduction.pair(p, q)
        w, z, diff = (x / pair.total for x in (pair.w, pair.z, pair.diff))
        return pair._replace(w=w, z=z, diff=diff)

    def sides(self, pair: Pair, p: Array, q: Array) -> tuple[_Side, _Side]:
        """p and q against their mixture."""
        xp, beta = self.reduction.room.xp, self.beta
        only_p, only_q = self._alone(p, q)
        log_ratio = xp.where(only_p, -math.inf, xp.where(only_q, _ABSENT, pair.log_ratio))
        other = xp.where(only_q, -math.inf, xp.where(only_p, _ABSENT, -pair.log_ratio))
        room = self.reduction.room
        p_side = _side(room, pair.w, log_ratio, pair.diff, beta, 1 - beta)
        return p_side, _side(room, pair.z, other, -pair.diff, 1 - beta, beta)

    def _alone(self, p: Array, q: Array) -> tuple[Array, Array]:
        """Where only p is above zero, and where only q is."""
        zeros = [0.0 if linear else -math.inf for linear in self.linear]
        return (p > zeros[0]) & (q == zeros[1]), (p == zeros[0]) & (q > zeros[1])

    def value(self, p: Array, q: Array) -> tuple[Array, Array, Array]:
        """The divergence, and the masses of p and q (which validation looks at)."""
        pair = self.pair(p, q)
        p_side, q_side = self.sides(pair, p, q)
        terms = self.beta * p_side.term + (1 - self.beta) * q_side.term
        room = self.reduction.room
        return room.sum(terms, self.reduction.axis) + 0 * pair.scale, pair.mass_p, pair.mass_q

    def vjp(self, g: Array, wanted: tuple[bool, ...], p: Array, q: Array) -> list[Array | None]:
        """The gradient in each wanted argument, of sum(g J)."""
        partials = self._partials(p, q)
        return [g * d if want else None for d, want in zip(partials, wanted, strict=True)]

    def jvp(self, tangents: tuple[Array | None, ...], p: Array, q: Array) -> Array:
        """The derivative of J along the tangents (None: zero)."""
        pairs = zip(tangents, self._partials(p, q), strict=True)
        total = sum([t * d for t, d in pairs if t is not None])
        return self.reduction.room.sum(total, self.reduction.axis)

    def _partials(self, p: Array, q: Array) -> tuple[Array, Array]:
        pair = self.pair(p, q)
        p_side, q_side = self.sides(pair, p, q)
        only_p, only_q = self._alone(p, q)
        beta, linear = self.beta, self.linear
        log_p = self._log_ratio(p_side, only_q, (1 - beta) * pair.z, pair.mass_p)
        log_q = self._log_ratio(q_side, only_p, beta * pair.w, pair.mass_q)
        return (
            beta * self._partial(p_side, log_p, pair.mass_p, linear[0]),
            (1 - beta) * self._partial(q_side, log_q, pair.mass_q, linear[1]),
        )

    def _log_ratio(self, side: _Side, alone: Array, mixed: Array, mass: Array) -> Array:
        """log(w / m); where w alone is 0 and this -inf, that at the smallest normal number."""
        xp = self.reduction.room.xp
        tiny = math.log(self.reduction.room.smallest_normal(mass.dtype))
        at_tiny = tiny - xp.log(mass) - xp.log(xp.where(alone & (mixed > 0), mixed, 1.0))
        return xp.where(alone, at_tiny, side.log_ratio)

    def _partial(self, side: _Side, log_ratio: Array, mass: Array, linear: bool) -> Array:
        xp, room = self.reduction.room.xp, self.reduction.room
        excess = log_ratio - room.sum(side.term, self.reduction.axis)
        if linear:
            return excess / mass
        # One category that holds more than half gets what the others leave, as the derivatives
        # sum to zero: its own excess is a difference of two close numbers.
        heavy = side.mass > 0.5
        partial = xp.where(heavy | (side.mass == 0), 0.0, side.mass * excess)
        return xp.where(heavy, -room.sum(partial, self.reduction.axis), partial)


def skew_jensen_shannon(
    p: Any,
    q: Any,
    *,
    given: Forms = "probs",
    beta: float = 0.5,
    axis: Axis = -1,
    where: Any = None,
    base: float | None = None,
    validate: bool | None = None,
) -> Array:
    """J times the larger of beta, 1 - beta over the smaller, one value for each distribution.

    KL(p || q) at beta = 0, the Jensen-Shannon divergence at 1/2, KL(q || p) at 1.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta must be from 0 to 1, got {beta!r}")
    options: Any = {"axis": axis, "where": where, "base": base, "validate": validate}
    if beta == 1:
        forms = given if isinstance(given, str) else (given[1], given[0])
        return kl_divergence(q, p, given=forms, **options)
    room = get_backend(p, q, where)
    inputs = read_inputs(room, p, q, where, given, axis)
    shape = room.shape(inputs.p)
    if beta == 0 or (shape is not None and 0 in [shape[one] for one in inputs.axis]):
        return kl_divergence(p, q, given=given, **options)
    mixture = _Mixture(Reduction(room, inputs.given, inputs.axis), inputs.linear, float(beta))
    js, mass_p, mass_q = room.kernel(mixture)(inputs.p, inputs.q)
    if validate is not False and should_validate(room, js, validate):
        check_result(room, inputs, js, (mass_p, mass_q))
    scale = max(beta, 1 - beta) / min(beta, 1 - beta)
    if base is not None:
        scale /= log_of_base(base)
    return room.xp.squeeze(js * scale, axis=inputs.axis)
