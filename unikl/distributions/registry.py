"""The pairs: which formula serves KL(p || q) of two families.

+inf if the support of p can never lie within that of q.  Else a formula is found by the classes
of p and q: the most specific registered pair, then the pairs of their views (`base.View`), then
the general rules, which serve every p that knows a few expectations.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends import Array, Backend
from ..core import log_of_base
from ..validation import should_validate
from .base import Condition, Distribution, Support, View, resolve

__all__ = ["Pair", "divergence", "find", "kl", "pairs", "register_kl"]

Formula = Callable[[Backend, Any, Any], Array]


class Pair(NamedTuple):
    """A registered formula."""

    p: type[Distribution]
    q: type[Distribution]
    formula: Formula
    needs: tuple[str, ...]  # methods that p's class must define

    def serves(self, p: type, q: type) -> bool:
        """Can the formula take these classes?"""
        known = all(hasattr(p, name) for name in self.needs)
        return known and issubclass(p, self.p) and issubclass(q, self.q)

    def narrower(self, other: "Pair") -> bool:
        """Is this one at least as specific as `other` in both arguments?"""
        return issubclass(self.p, other.p) and issubclass(self.q, other.q)


_PAIRS: dict[tuple[type, type, tuple[str, ...]], Pair] = {}
_FOUND: dict[tuple[type, type], Formula | None] = {}


def register_kl(
    p: type[Distribution], q: type[Distribution], *, needs: tuple[str, ...] = ()
) -> Callable[[Formula], Formula]:
    """Decorator: the function computes KL(p || q) of these families and their subclasses.

    Parameters
    ----------
    p, q : subclasses of Distribution
    needs : tuple of str
        Methods that the class of p must have: so a general rule, such as one for
        ``(Distribution, Normal)``, offers itself only to families that know their moments.

    The function takes the room (`unikl.backends.Backend`) and the two distributions, with their
    parameters as arrays of one dtype, and returns the divergences in nats.  Invalid parameters
    and supports that do not nest need no care: those results are replaced by NaN and +inf.

    Raises
    ------
    ValueError
        If the pair is registered already.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from typing import Any
    >>> from unikl.distributions import Distribution, kl, register_kl
    >>> from unikl.distributions.base import Condition, positive
    >>> @dataclass(frozen=True, eq=False)
    ... class Rademacher(Distribution):
    ...     scale: Any
    ...     def conditions(self, room):
    ...         return [positive("scale", self.scale)]
    >>> @register_kl(Rademacher, Rademacher)
    ... def _rademacher(room, p, q):
    ...     return room.xp.where(p.scale == q.scale, 0 * p.scale, float("inf"))
    >>> float(kl(Rademacher(1.0), Rademacher(2.0)))
    inf
    """

    def add(formula: Formula) -> Formula:
        key = (p, q, needs)
        if key in _PAIRS:
            raise ValueError(f"KL({p.__name__} || {q.__name__}) is registered already")
        _PAIRS[key] = Pair(p, q, formula, needs)
        _FOUND.clear()
        return formula

    return add


def pairs() -> list[Pair]:
    """All registered formulas."""
    return list(_PAIRS.values())


def find(p: type[Distribution], q: type[Distribution]) -> Formula | None:
    """The formula for two classes; None if there is none.

    Raises
    ------
    TypeError
        If two registered pairs fit and neither is the more specific one.
    """
    key = (p, q)
    if key not in _FOUND:
        _FOUND[key] = _search(p, q, general=False) or _search(p, q, general=True)
    return _FOUND[key]


def _search(
    p: type[Distribution], q: type[Distribution], general: bool, depth: int = 3
) -> Formula | None:
    """Of the pairs that are general rules or of those that are not, also by way of views."""
    fitting = [a for a in _PAIRS.values() if bool(a.needs) == general and a.serves(p, q)]
    best = [a for a in fitting if all(a is b or not b.narrower(a) for b in fitting)]
    if len(best) > 1 or len(best) < len(fitting[:1]):
        names = " and ".join([f"({a.p.__name__}, {a.q.__name__})" for a in best or fitting])
        raise TypeError(
            f"KL({p.__name__} || {q.__name__}) is ambiguous between the registered pairs {names}; "
            "register the pair itself"
        )
    if best or depth == 0:
        return best[0].formula if best else None
    for view_p in (*p.views, View("x", p, _itself)):
        for view_q in (*q.views, View("x", q, _itself)):
            same = view_p.family is p and view_q.family is q
            if view_p.function == view_q.function and not same:
                formula = _search(view_p.family, view_q.family, general, depth - 1)
                if formula is not None:
                    return _through(view_p, view_q, formula)
    return None


def _itself(room: Backend, distribution: Distribution) -> Distribution:
    return distribution


def _through(view_p: View, view_q: View, formula: Formula) -> Formula:
    def viewed(room: Backend, p: Any, q: Any) -> Array:
        return formula(room, view_p.of(room, p), view_q.of(room, q))

    return viewed


# -- supports --------------------------------------------------------------------------------------


def never_nested(p: Support | None, q: Support | None) -> bool:
    """Does p's support stick out of q's whatever the parameters?"""
    if p is None or q is None:
        return False
    if p.lattice != q.lattice:
        return True  # atoms and densities do not mix
    return _sticks_out(p, q) or _sticks_out(_mirror(p), _mirror(q))


def nested(p: Support | None, q: Support | None) -> list[Array]:
    """The comparisons of bounds that decide whether p's support lies within q's."""
    if p is None or q is None:
        return []
    lower = [] if _never_sticks_out(p, q) else [p.lower >= q.lower]
    upper = [] if _never_sticks_out(_mirror(p), _mirror(q)) else [p.upper <= q.upper]
    return lower + upper


def _mirror(s: Support) -> Support:
    return Support(-s.upper, -s.lower, s.lattice, (-s.hull[1], -s.hull[0]))


def _sticks_out(p: Support, q: Support) -> bool:
    """Below, whatever the parameters?  A moving bound is above its hull."""
    if not _is_fixed(p.lower):
        return False
    return bool(p.lower < q.lower if _is_fixed(q.lower) else p.lower <= q.hull[0])


def _never_sticks_out(p: Support, q: Support) -> bool:
    """Above, whatever the parameters?"""
    least = p.lower if _is_fixed(p.lower) else p.hull[0]
    return _is_fixed(q.lower) and bool(least >= q.lower)


def _is_fixed(bound: Any) -> bool:
    return type(bound) in (int, float)  # NumPy's float64 is a float, and a parameter


# -- the divergence --------------------------------------------------------------------------------


def kl(
    p: Distribution, q: Distribution, /, *, base: float | None = None, validate: bool | None = None
) -> Array:
    """Kullback-Leibler divergence KL(p || q) of two distributions, in closed form.

    Parameters
    ----------
    p, q : Distribution
        With parameters of one array library; the batch shapes broadcast.
    base : float, optional
        The base of the logarithm: None for nats, 2 for bits.
    validate : bool, optional
        Whether to raise for invalid parameters.  None does so for values that lie in host memory
        and leaves traced, lazy and accelerator arrays alone; False returns NaN for them.

    Returns
    -------
    array
        One divergence for each pair, of the parameters' library and device.  Never negative; +inf
        where p can be where q cannot.

    Raises
    ------
    NotImplementedError
        If there is no closed form for these families.
    TypeError
        If the parameters come from two libraries, or two registered pairs fit equally well.
    ValueError
        If a parameter is invalid (when validated), or the outcomes have different lengths.

    Examples
    --------
    >>> from unikl.distributions import Normal, kl
    >>> float(kl(Normal(0.0, 1.0), Normal(1.0, 2.0)))
    0.4431471805599453
    """
    room, (p, q) = resolve(p, q)
    if getattr(room, "__name__", "") == "unikl.backends.numpy":  # infinity is an answer
        with np.errstate(all="ignore"):
            value, faults = _value(room, p, q)
    else:
        value, faults = _value(room, p, q)
    if validate is not False and should_validate(room, value, validate):
        _raise_for(room, faults)
    return value if base is None else value * (1 / log_of_base(base))


def _value(
    room: Backend, p: Distribution, q: Distribution
) -> tuple[Array, list[tuple[str, Distribution, Condition]]]:
    """The divergence, and the conditions that it was subject to."""
    faults = [("p", p, c) for c in p.conditions(room)] + [("q", q, c) for c in q.conditions(room)]
    value = divergence(room, p, q)
    for _, _, condition in faults:
        value = room.xp.where(condition.holds, value, math.nan)
    return value, faults


def divergence(room: Backend, p: Distribution, q: Distribution) -> Array:
    """KL(p || q) of resolved distributions with valid parameters, for formulas made of others.

    Raises
    ------
    NotImplementedError
        If there is no closed form for these families.
    """
    supports = p.support(room), q.support(room)
    if never_nested(*supports):
        return _zero(p, q) + math.inf
    formula = find(type(p), type(q))
    if formula is None:
        raise NotImplementedError(
            f"no closed form is registered for KL({type(p).__name__} || {type(q).__name__}); "
            "register one with unikl.distributions.register_kl"
        )
    value = formula(room, p, q)
    # Rounding may leave a sum of terms of both signs below zero: the value moves, the derivatives
    # stay.
    value = value - room.stop_gradient(room.xp.where(value < 0, value, 0.0))
    for inside in nested(*supports):
        value = room.xp.where(inside, value, math.inf)
    return value


def _zero(p: Distribution, q: Distribution) -> Array:
    """0 in the batch shape, for scalar families; the only ones with supports."""
    total: Any = 0.0
    for x in (*p.leaves(), *q.leaves()):
        total = total + 0 * x
    return total


def _raise_for(room: Backend, faults: list[tuple[str, Distribution, Condition]]) -> None:
    for side, distribution, condition in faults:
        holds = np.asarray(room.to_numpy(condition.holds))
        if not holds.all():
            name = f"{type(distribution).__name__}.{condition.parameter}"
            index = tuple(np.argwhere(~holds)[0].tolist())
            where = f" (the first one in the batch that is not: {index})" if index else ""
            raise ValueError(
                f"{name} of {side} must be {condition.requirement}{where}; "
                "pass validate=False to get NaN there instead"
            )
