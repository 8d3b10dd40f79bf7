"""What the caller passed, made ready for the algorithm: forms, axes, dtypes, shapes, masks."""

import math
from typing import Any, Literal, NamedTuple, get_args

from .backends import Array, Backend

__all__ = ["LINEAR", "Form", "Inputs", "read_forms", "read_inputs"]

Form = Literal["probs", "log_probs", "logits", "counts"]
_FORMS: tuple[str, ...] = get_args(Form)
LINEAR = ("probs", "counts")  # weights; the other forms are logarithms


class Inputs(NamedTuple):
    """p and q in one floating dtype and one shape, with masked categories emptied."""

    p: Array
    q: Array
    given: tuple[str, str]
    axis: tuple[int, ...]  # negative
    dtypes: tuple[Any, Any]  # as they came

    @property
    def linear(self) -> tuple[bool, bool]:
        """Which argument holds weights; the other ones hold logarithms."""
        return self.given[0] in LINEAR, self.given[1] in LINEAR


def read_inputs(
    room: Backend, p: Any, q: Any, where: Any, given: Any, axis: int | tuple[int, ...] | None
) -> Inputs:
    """Check and convert the arguments of a divergence."""
    if where is None and _are_ready(room, p, q, given, axis):
        axes = _read_axis(axis, len(p.shape))
        return Inputs(p, q, (given, given), axes, (p.dtype, q.dtype))
    forms = read_forms(given)
    typed = [hasattr(x, "dtype") for x in (p, q)]
    like = p if typed[0] else q if typed[1] else None
    p, q = room.asarray(p, like), room.asarray(q, like)
    # Python lists and numbers have no dtype of their own: the other argument's is taken.
    say = [x for x, has in zip((p, q), typed, strict=True) if has or not any(typed)]
    dtype, dtypes = room.float_dtype(tuple(say)), (p.dtype, q.dtype)
    shapes = [room.shape(p), room.shape(q)]
    arrays = [_cast(room, p, dtype), _cast(room, q, dtype)]
    if where is not None:
        mask = room.asarray(where, like)
        if not room.xp.isdtype(mask.dtype, "bool"):
            raise TypeError(f"where must be a boolean array, got dtype {mask.dtype}")
        arrays.append(mask)
    ranks = [None if s is None else len(s) for s in [*shapes, *map(room.shape, arrays[2:])]]
    rank = None if None in ranks else max([r for r in ranks if r is not None])
    axes = _read_axis(axis, rank)
    _check_lengths(shapes, axes)
    if len(arrays) > 2 or None in ranks or shapes[0] != shapes[1] or None in (shapes[0] or ()):
        arrays = room.broadcast(tuple(arrays), axes)
    p, q = arrays[:2]
    if where is not None:
        # A masked category has no mass: zero as a weight, -inf as a logarithm.
        empty = [0.0 if form in LINEAR else -math.inf for form in forms]
        p = room.xp.where(arrays[2], p, empty[0])
        q = room.xp.where(arrays[2], q, empty[1])
    return Inputs(p, q, forms, axes, dtypes)


def _are_ready(room: Backend, p: Any, q: Any, given: Any, axis: Any) -> bool:
    """Is there nothing to convert?  For the time that the long way would take."""
    if not (hasattr(p, "dtype") and hasattr(q, "dtype")) or given not in _FORMS:
        return False
    dtype = p.dtype
    if dtype != q.dtype or (dtype != room.xp.float32 and dtype != room.xp.float64):
        return False
    if room.asarray(p) is not p or room.asarray(q) is not q:
        return False
    shape = room.shape(p)
    if not shape or shape != room.shape(q) or None in shape:
        return False
    return isinstance(axis, int) and -len(shape) <= axis < 0


def _check_lengths(shapes: list[Any], axis: tuple[int, ...]) -> None:
    """The category axes must agree, as far as the shapes are known: no broadcast along them."""
    for one in axis:
        known = [s[one] if len(s) >= -one else 1 for s in shapes if s is not None]
        lengths = {n for n in known if n is not None}
        if len(lengths) > 1:
            raise ValueError(
                f"p and q have {' and '.join(map(str, known))} categories along axis {one}; "
                "they must have the same number (the category axis is not broadcast)"
            )


def _cast(room: Backend, x: Array, dtype: Any) -> Array:
    return x if x.dtype == dtype else room.xp.astype(x, dtype)


def read_forms(given: Any) -> tuple[str, str]:
    """What p holds and what q holds, checked."""
    forms = (given, given) if isinstance(given, str) else tuple(given)
    for form in forms:
        if form not in _FORMS:
            raise ValueError(f"given must be one of {', '.join(_FORMS)}, got {form!r}")
    if len(forms) != 2:
        raise ValueError(f"given must be one form or a pair (of p, of q), got {given!r}")
    return forms[0], forms[1]


def _read_axis(axis: int | tuple[int, ...] | None, rank: int | None) -> tuple[int, ...]:
    """The axes as distinct negative numbers."""
    if axis is None and rank is not None:
        axis = tuple(range(rank))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if any(not isinstance(one, int) for one in axes):
        if axis is None:
            raise ValueError("axis=None needs arrays of known rank; pass negative axes instead")
        raise TypeError(f"axis must be an int, a tuple of ints or None, got {axis!r}")
    ints: list[int] = [one for one in axes if isinstance(one, int)]
    if rank is None:
        if any(one >= 0 for one in ints):
            raise ValueError(f"the rank is not known here: count axis {axis} from the end")
    elif rank == 0 or not ints:
        raise ValueError("a divergence needs at least one category axis")
    elif any(not -rank <= one < rank for one in ints):
        raise ValueError(f"axis {axis} is out of bounds for arrays with {rank} axes")
    if rank is None:
        negative = tuple(ints)
    else:  # out of a range, because Dynamo makes an axis that varies between calls a symbol
        places = range(-rank, 0)
        negative = tuple([k for one in ints for k in places if one == k or one == k + rank])
    if len(set(negative)) != len(negative):
        raise ValueError(f"axis {axis} names an axis twice")
    return negative
