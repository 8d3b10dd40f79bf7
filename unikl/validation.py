"""Do the arrays hold what the caller says?  Read off the row sums and the result."""

import math
from typing import Any

from .backends import Array, Backend
from .inputs import Inputs

__all__ = ["check_result", "should_validate"]


def should_validate(room: Backend, kl: Array, validate: bool | None) -> bool:
    """None: where the values lie in host memory.  True: wherever they can be read."""
    if validate is None:
        return room.concrete(kl)
    if validate and not room.readable(kl):
        raise ValueError(
            "validate=True needs values that can be read, and these are traced or lazy; "
            "validate outside of the transformation, or pass validate=None"
        )
    return validate


def check_result(room: Backend, inputs: Inputs, kl: Array, masses: tuple[Array, Array]) -> None:
    """Raise ValueError if a row is no distribution, or its divergence is NaN.

    Costs O(rows): the data themselves are read again only to say what is wrong with them.
    """
    for which, form in enumerate(inputs.given):
        if form in ("probs", "log_probs"):
            _check_mass(room, inputs, which, room.to_numpy(masses[which]))
    values = room.to_numpy(kl)
    nan = values != values
    if nan.any():
        rows = _indices(nan)
        causes = [f"{'pq'[which]} {_fault(room, inputs, which, rows[0])}" for which in (0, 1)]
        blamed = [c for c in causes if not c.endswith("is fine")]
        raise ValueError(
            f"the divergence is NaN{_at(rows[0], inputs)}: {' and '.join(blamed or causes)}; "
            "pass validate=False to get NaN there instead"
        )


def _check_mass(room: Backend, inputs: Inputs, which: int, mass: Any) -> None:
    came, computed = inputs.dtypes[which], (inputs.p, inputs.q)[which].dtype
    dtype = came if came == computed or "float" in str(came) else computed
    tolerance = math.sqrt(room.eps(dtype))
    off = abs(mass - 1) > tolerance
    if off.any():
        rows = _indices(off)
        raise ValueError(
            f"rows of {'pq'[which]} sum to between {mass[off].min():.3g} and "
            f"{mass[off].max():.3g}, not 1 ({len(rows)} of {mass.size} rows"
            f"{_at(rows[0], inputs, ', the first one')}; tolerance {tolerance:.1e} for {dtype}); "
            "for unnormalised weights pass given='counts', for logits given='logits'"
        )


def _indices(flags: Any) -> list[tuple[int, ...]]:
    return [tuple(map(int, index)) for index in zip(*flags.nonzero(), strict=True)]


def _at(index: tuple[int, ...], inputs: Inputs, prefix: str = "") -> str:
    """The row in the caller's terms: without the category axes, silent if there is one row."""
    reduced = {len(index) + one for one in inputs.axis}
    row = tuple([i for k, i in enumerate(index) if k not in reduced])
    return f"{prefix} in row {row[0] if len(row) == 1 else row}" if row else ""


def _fault(room: Backend, inputs: Inputs, which: int, index: tuple[int, ...]) -> str:
    values = room.to_numpy((inputs.p, inputs.q)[which])
    reduced = {len(index) + one for one in inputs.axis}
    row = values[tuple([slice(None) if k in reduced else i for k, i in enumerate(index)])]
    linear = inputs.linear[which]
    if row.size == 0:
        return "has no categories"
    if (row != row).any():
        return "holds NaN"
    if (row == math.inf).any():
        return "holds +inf"
    if linear and (row < 0).any():
        return "holds a negative number (for logits or log-probabilities say so in given=)"
    if (row == (0.0 if linear else -math.inf)).all():
        return "has no mass (every category is zero or masked out)"
    return "is fine"
