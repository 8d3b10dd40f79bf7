"""The divergence of distributions that come in blocks of categories: a state that merges.

By the chain rule of the divergence, with P_c and Q_c the masses of block c,

    KL(p || q) = KL(P || Q) + sum_c P_c KL(p given c || q given c),

a block is one category with a divergence inside.  So six numbers for each distribution are all
that a block needs to keep, states merge into states, in any order and grouping, and every term is
non-negative: nothing cancels.

    top, mass       p's mass in the block is mass exp(top)
    scale, hi, lo   log(q's mass / p's mass) is hi + lo - log(scale)
    kl              the divergence inside the block

The ratio of the masses is kept to more digits than one number holds, because those of two blocks
may agree to most of theirs.  Where p has no mass, exp(top) / scale is q's.

Reference: T. M. Cover and J. A. Thomas, Elements of Information Theory, 2nd ed., theorem 2.5.3
(the chain rule).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from .backends import Array, Backend, get_backend
from .core import Reduction, log_of_base
from .inputs import Form, read_inputs
from .numerics import chi, difference, exp_below
from .pairs import NEAR

__all__ = ["KLState", "merge_numbers"]


class _Numbers(NamedTuple):
    top: Array
    mass: Array
    scale: Array
    hi: Array
    lo: Array
    kl: Array


class KLState:
    r"""What a block of categories contributes to KL(p || q), to be merged with other blocks.

    .. math:: \mathrm{KL}(p \| q) = \mathrm{KL}(P \| Q) + \sum_c P_c \,\mathrm{KL}(p_{|c} \| q_{|c})

    with the masses P and Q of the blocks c.  Merging is associative and commutative up to
    rounding, so blocks may be shards, chunks of a file or parts of a stream, reduced in any order.

    Parameters
    ----------
    numbers : array of shape (6, ...)
        A state's `numbers`, wherever they have been in the meantime: six numbers for each
        distribution, in an array of any library.

    Notes
    -----
    A state pickles where its array does.  Values only: for gradients over shards see
    `unikl.distributed.torch`, and in JAX shard the arrays themselves.  For distributions that
    arrive one after the other, each whole, use `unikl.KLMetric`.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl import KLState
    >>> p, q = np.array([3.0, 5.0, 2.0, 1.0]), np.array([4.0, 4.0, 1.0, 2.0])
    >>> left = KLState.from_arrays(p[:2], q[:2], given="counts")
    >>> right = KLState.from_arrays(p[2:], q[2:], given="counts")
    >>> round(float(left.merge(right).result()), 6)
    0.085984
    """

    __slots__ = ("numbers",)

    def __init__(self, numbers: Array) -> None:
        shape: tuple[int, ...] = tuple(getattr(numbers, "shape", ()))
        if len(shape) == 0 or shape[0] != len(_Numbers._fields):
            raise ValueError(
                f"a state is an array of shape (6, ...), got {shape}; for a block of p and "
                "q use KLState.from_arrays"
            )
        self.numbers = numbers

    @classmethod
    def from_arrays(
        cls,
        p: Any,
        q: Any,
        /,
        *,
        given: Form | tuple[Form, Form] = "probs",
        axis: int | tuple[int, ...] | None = -1,
        where: Any = None,
    ) -> "KLState":
        """The state of one block: arguments as in `unikl.kl_divergence`.

        A block's weights may have any sum, and one without mass is allowed.
        """
        room = get_backend(p, q, where)
        inputs = read_inputs(room, p, q, where, given, axis)
        if 0 in (room.shape(inputs.p) or ()):
            raise ValueError(f"a block needs rows and categories, got shape {inputs.p.shape}")
        return cls(room.kernel(_Leaf(room, inputs.given, inputs.axis))(inputs.p, inputs.q)[0])

    def merge(self, *others: "KLState") -> "KLState":
        """The state of these blocks together: of the same distributions, and other categories."""
        if not others:
            return self
        every = [self.numbers, *[other.numbers for other in others]]
        shapes = {tuple(x.shape) for x in every}
        if len(shapes) > 1:
            raise ValueError(f"these states are of different distributions: shapes {shapes}")
        xp = get_backend(*every).xp
        return KLState(merge_numbers(xp.stack(every, axis=-1), axis=-1))

    def result(self, *, base: float | None = None) -> Array:
        """The divergence, one value for each distribution; NaN where there is none."""
        room = get_backend(self.numbers)
        of = _unstack(self.numbers)
        exists = (of.mass > 0) & (of.hi > -math.inf)
        kl = room.xp.where(exists, of.kl, math.nan)
        return kl if base is None else kl * (1 / log_of_base(base))

    def __repr__(self) -> str:
        return f"KLState(distributions={tuple(self.numbers.shape[1:])})"


def merge_numbers(numbers: Array, axis: int = -1) -> Array:
    """The `numbers` of blocks that lie along the negative `axis`, merged: shape (6, ...)."""
    room = get_backend(numbers)
    merged: Array = room.kernel(_Fold(room, (axis,)))(numbers)[0]
    return merged


class _ValueOnly:
    """A rule without derivatives."""

    def vjp(self, g: Array, wanted: tuple[bool, ...], *xs: Array) -> list[Array | None]:
        """Raises TypeError."""
        raise TypeError(_NO_GRADIENT)

    def jvp(self, tangents: tuple[Array | None, ...], *xs: Array) -> Array:
        """Raises TypeError."""
        raise TypeError(_NO_GRADIENT)


_NO_GRADIENT = (
    "a KLState has no gradient: detach its arrays, or differentiate unikl.kl_divergence (which "
    "JAX shards by itself) or unikl.distributed.torch"
)


@dataclass(frozen=True)
class _Leaf(_ValueOnly):
    """The numbers of one block of p and q."""

    room: Backend
    given: tuple[str, str]
    axis: tuple[int, ...]

    @property
    def block(self) -> Reduction:
        """What is inside."""
        return Reduction(self.room, self.given, self.axis).of_any_sum

    def value(self, p: Array, q: Array) -> tuple[Array, ...]:
        xp, room = self.room.xp, self.room
        pair = self.block.pair(p, q)
        of = pair.masses
        has_p, has_q = of.sum_p > 0, of.sum_q > 0
        kl = room.sum(xp.where(pair.lost, math.inf, pair.term), self.axis) / pair.total
        numbers = _Numbers(
            top=xp.where(has_p, of.top_p, xp.where(has_q, of.top_q, 0.0)),
            mass=of.sum_p + 0 * of.sum_q,  # NaN where one of them is, or is infinite
            scale=of.scale,
            hi=of.log_ratio[0],
            lo=of.log_ratio[1],
            kl=kl,
        )
        return (_stack(room, _complete(xp, numbers, has_p, has_q, of.sum_q), self.axis),)


@dataclass(frozen=True)
class _Fold(_ValueOnly):
    """The numbers of blocks along `axis` as those of one: the terms of `core`, of P_c and Q_c."""

    room: Backend
    axis: tuple[int, ...]

    def value(self, numbers: Array) -> tuple[Array, ...]:
        xp, room, axis = self.room.xp, self.room, self.axis
        of = _unstack(numbers)
        has_p, has_q = of.mass > 0, of.hi > -math.inf
        only_q, both = has_q & (of.mass == 0), has_q & has_p

        # p's weights; without any, exp(top) is q's unit.
        top = room.max(xp.where(has_p, of.top, -math.inf), axis)
        top_q = room.max(xp.where(only_q, of.top, -math.inf), axis)
        top = xp.where(top > -math.inf, top, xp.where(top_q > -math.inf, top_q, 0.0))
        below = exp_below(room, xp.where(has_q | has_p, of.top, -math.inf), top)
        mass = room.sum(of.mass * xp.where(has_p, below, 1.0), axis)
        safe_mass = xp.where(mass > 0, mass, 1.0)
        w = xp.where(has_p, of.mass * below, 0.0) / safe_mass

        # h = log(Q_c/P_c) less its mean, exact where the blocks nearly agree.
        scale = room.max(xp.where(both, of.scale, 0.0), axis)
        scale = xp.where(scale > 0, scale, 1.0)
        shift, shift_rest = difference(xp.where(both, of.hi, 0.0), self._log(of, both, scale))
        centre = room.sum(w * xp.where(both, shift, 0.0), axis)
        h = (shift - centre) + (shift_rest + xp.where(both, of.lo, 0.0))

        # Q_c up to a common factor, which d0 is the logarithm of.
        log_w = xp.where(has_p, (of.top - top) + xp.log(of.mass / safe_mass), 0.0)
        alone = below / of.scale * (scale / safe_mass)  # without any of p
        log_alone = xp.log(xp.where(only_q, alone, 1.0)) - centre
        log_z = xp.where(both, log_w + h, xp.where(only_q, log_alone, -math.inf))
        d0 = self._log_total(w, h, log_z, both)
        d = xp.where(both, h - d0, 0.0)
        near = both & (xp.abs(d) < NEAR)
        far = xp.exp(log_z - d0) - w * (1 + d)
        term = xp.where(near, w * chi(room, xp.where(near, d, 0.0)), far)
        inside = xp.where(of.kl == math.inf, of.kl, w * of.kl)
        kl = room.sum(term + inside, axis)

        log_ratio, rest = difference(centre, -d0)
        mass_q = room.sum(xp.where(only_q, below / of.scale, 0.0), axis)
        has_p = mass > 0
        has_q = room.max(log_z, axis) > -math.inf
        merged = _Numbers(top, mass, scale, log_ratio, rest, kl)
        return (_stack(room, _complete(xp, merged, has_p, has_q, mass_q), axis),)

    def _log(self, of: _Numbers, both: Array, scale: Array) -> Array:
        """log(of.scale / scale), also where the two nearly agree."""
        xp = self.room.xp
        off = (of.scale - scale) / scale
        near = both & (xp.abs(off) < 0.5)
        log_far = xp.log(xp.where(both, of.scale / scale, 1.0))
        return xp.where(near, xp.log1p(xp.where(near, off, 0.0)), log_far)

    def _log_total(self, w: Array, h: Array, log_z: Array, both: Array) -> Array:
        """log of the sum of exp(log_z), which is w exp(h) where `both`: small if all h are."""
        xp, room, axis = self.room.xp, self.room, self.axis
        near = both & (xp.abs(h) < NEAR)
        h = xp.where(near, h, 0.0)
        excess = room.sum(xp.where(near, w * (h + chi(room, h)), xp.exp(log_z) - w), axis)
        peak = room.max(log_z, axis)
        huge = peak > 30
        peak = xp.where(huge, peak, 0.0)
        total = room.sum(xp.exp(log_z - peak), axis)
        return xp.where(huge, peak + xp.log(total), xp.log1p(excess))


def _complete(xp: Any, of: _Numbers, has_p: Array, has_q: Array, mass_q: Array) -> _Numbers:
    """With the numbers that stand where p or q has no mass."""
    both, nothing = has_p & has_q, xp.zeros_like(of.mass)
    return of._replace(
        scale=xp.where(both, of.scale, xp.where(has_q, 1 / mass_q, nothing + 1)),
        hi=xp.where(both, of.hi, xp.where(has_q, nothing, -math.inf)),
        lo=xp.where(both, of.lo, 0.0),
        kl=xp.where(both, of.kl, xp.where(has_p, nothing + math.inf, 0.0)),
    )


def _unstack(numbers: Array) -> _Numbers:
    return _Numbers(*[numbers[i, ...] for i in range(len(_Numbers._fields))])


def _stack(room: Backend, of: _Numbers, axis: tuple[int, ...]) -> Array:
    return room.xp.stack([room.xp.squeeze(x, axis=axis) for x in of], axis=0)
