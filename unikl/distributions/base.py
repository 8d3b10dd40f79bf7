"""What every family of distributions has: parameters of any library, a support, and views.

A family is a frozen dataclass with the parameters of its namesake in torch.distributions.  It
keeps them as they are given; `resolve` brings those of several distributions into one library
and one dtype, which is where a divergence starts.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

from ..backends import Array, Backend, get_backend

__all__ = [
    "Condition",
    "Distribution",
    "Support",
    "View",
    "positive",
    "real",
    "resolve",
    "unit_interval",
]

Self = TypeVar("Self", bound="Distribution")


class Condition(NamedTuple):
    """What a parameter must satisfy, and whether it does."""

    parameter: str
    holds: Array  # one boolean for each distribution of the batch
    requirement: str


class Support(NamedTuple):
    """The interval or lattice that a distribution lives on.

    A bound is a number where it is the same for all members of the family, an array where it
    depends on their parameters.  An array bound lies strictly inside `hull`.
    """

    lower: Any
    upper: Any
    lattice: bool = False  # integers; otherwise the distribution has a density
    hull: tuple[float, float] = (-float("inf"), float("inf"))


class View(NamedTuple):
    """The distribution of a one-to-one function of x, in the same order of arguments.

    KL is the same before and after a one-to-one function, so two families with views through the
    same `function` share the formula of their `family`.  "x" says that the family is a special
    case of the other one.
    """

    function: str
    family: "type[Distribution]"
    of: Callable[[Backend, Any], "Distribution"]


@dataclass(frozen=True, eq=False)
class Distribution:
    """A family of probability distributions; its parameters broadcast to the batch shape.

    Subclasses are frozen dataclasses (``eq=False``) whose fields are parameters: arrays, Python
    numbers, other distributions or tuples of them, or None for an alternative that is not used.
    JAX takes them as PyTrees.

    Methods that say more about a family (`mean`, `entropy`, ...) take the room, work on resolved
    parameters, and are defined only by the families that have them: general rules look for them.
    """

    #: Groups of fields of which exactly one is given, such as ("probs", "logits").
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()
    #: Fields that hold plain data, such as a number of dimensions.
    static: ClassVar[tuple[str, ...]] = ()
    #: How many trailing axes one outcome has.
    event_rank: ClassVar[int] = 0
    #: Families that this one is another picture of.
    views: ClassVar[tuple[View, ...]] = ()

    def __post_init__(self) -> None:
        for group in self.alternatives:
            given = [name for name in group if getattr(self, name) is not None]
            if len(given) != 1:
                raise ValueError(
                    f"{type(self).__name__} takes exactly one of {', '.join(group)}, got "
                    f"{' and '.join(given) or 'none'}"
                )
        _register_with_jax(type(self))

    def support(self, room: Backend) -> Support | None:
        """Where the distribution lives; None if no interval or lattice of numbers says it."""
        return None

    def conditions(self, room: Backend) -> list[Condition]:
        """What the (resolved) parameters must satisfy."""
        raise NotImplementedError(f"{type(self).__name__} has no conditions()")

    def leaves(self) -> Iterator[Any]:
        """The parameters, and those of the distributions inside."""
        for value in _children(self):
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, Distribution):
                    yield from one.leaves()
                elif one is not None:
                    yield one

    def map(self: Self, function: Callable[[Any], Any]) -> Self:
        """The same distribution with `function` applied to each parameter."""
        new = [getattr(self, name) for name in _names(type(self))]
        for k, name in enumerate(_names(type(self))):
            if name not in self.static:
                new[k] = _apply(function, new[k])
        return type(self)(*new)


def _apply(function: Callable[[Any], Any], x: Any) -> Any:
    if x is None:
        return None
    if isinstance(x, tuple):
        return tuple([_apply(function, one) for one in x])
    return x.map(function) if isinstance(x, Distribution) else function(x)


def resolve(*distributions: Distribution) -> tuple[Backend, tuple[Any, ...]]:
    """The room of all parameters, and the distributions with arrays of one dtype.

    Python numbers take the dtype and device of the arrays that they come with.  float16 and
    bfloat16 become float32.
    """
    leaves = [x for d in distributions for x in d.leaves()]
    room = get_backend(*(leaves or [0.0]))
    typed = [x for x in leaves if hasattr(x, "dtype")]
    like = typed[0] if typed else None
    for x in typed:  # as_tensor-like functions widen numbers to the dtype of `like`
        if "64" in str(x.dtype) and "float" in str(x.dtype):
            like = x
    dtype = room.float_dtype(tuple(typed or [room.asarray(x) for x in leaves]))

    def convert(x: Any) -> Array:
        array = room.asarray(x, like)
        return array if array.dtype == dtype else room.xp.astype(array, dtype)

    return room, tuple([d.map(convert) for d in distributions])


# -- conditions ------------------------------------------------------------------------------------

_INF = float("inf")


def positive(parameter: str, x: Array) -> Condition:
    """A positive number."""
    return Condition(parameter, (x > 0) & (x < _INF), "positive and finite")


def real(parameter: str, x: Array) -> Condition:
    """A finite number."""
    return Condition(parameter, (x > -_INF) & (x < _INF), "finite")


def unit_interval(parameter: str, x: Array) -> Condition:
    """A probability."""
    return Condition(parameter, (x >= 0) & (x <= 1), "between 0 and 1")


# -- PyTrees ---------------------------------------------------------------------------------------

_KNOWN_TO_JAX: set[type] = set()


def _names(cls: type[Distribution]) -> tuple[str, ...]:
    """The fields; not through dataclasses.fields, which Dynamo cannot trace."""
    names: tuple[str, ...] = cls.__match_args__
    return names


def _children(distribution: Distribution) -> list[Any]:
    static = distribution.static
    return [getattr(distribution, n) for n in _names(type(distribution)) if n not in static]


def _static(distribution: Distribution) -> tuple[Any, ...]:
    return tuple([getattr(distribution, name) for name in distribution.static])


def _register_with_jax(cls: type[Distribution]) -> None:
    """Make the family a PyTree as soon as there is a JAX in the process; never imports it."""
    if cls in _KNOWN_TO_JAX or "jax" not in sys.modules:
        return
    torch = sys.modules.get("torch")
    if torch is not None and torch.compiler.is_compiling():
        return
    _KNOWN_TO_JAX.add(cls)
    changing = [name for name in _names(cls) if name not in cls.static]

    def unflatten(static: Any, children: Any) -> Distribution:
        # Not through __init__: JAX also puts markers in the places of parameters.
        new = object.__new__(cls)
        for name, value in (
            *zip(changing, children, strict=True),
            *zip(cls.static, static, strict=True),
        ):
            object.__setattr__(new, name, value)
        return new

    sys.modules["jax"].tree_util.register_pytree_node(
        cls, lambda d: (_children(d), _static(d)), unflatten
    )
