"""How the objects of one library are read: a table of classes, and what they share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...backends import Array, get_backend
from ..base import Distribution
from . import families

__all__ = ["Reader", "Table", "all_same", "build", "exp", "read", "same"]

Reader = Callable[[Any], Distribution]
Table = dict[str, Reader]


def read(x: Any, table: Table, library: str) -> Distribution:
    """The object, by the first of its classes that the table knows."""
    for cls in type(x).__mro__:
        if cls.__name__ in table:
            return table[cls.__name__](x)
    raise NotImplementedError(
        f"{library}'s {type(x).__name__} has no counterpart in unikl.distributions"
    )


def build(name: str, /, **parameters: Any) -> Distribution:
    """The family of that name with these parameters; those of value None are left out."""
    family = families().get(name)
    if family is None:
        raise NotImplementedError(f"unikl.distributions has no family {name}")
    return family(**{key: value for key, value in parameters.items() if value is not None})


@dataclass(frozen=True)
class Same:
    """A reader for a class whose parameters are those of one of our families."""

    family: str
    given: Callable[[Any, str], Any]  # a parameter, or None for an alternative that is not used
    renamed: dict[str, str]  # ours to theirs, where they differ

    def __call__(self, x: Any) -> Distribution:
        family = families().get(self.family)
        if family is None:
            raise NotImplementedError(f"unikl.distributions has no family {self.family}")
        alternatives = [one for group in family.alternatives for one in group]
        values: dict[str, Any] = {}
        names: tuple[str, ...] = family.__match_args__
        for field in names:
            theirs = self.renamed.get(field, field)
            values[field] = self.given(x, theirs) if field in alternatives else getattr(x, theirs)
        return family(**values)


def same(family: str, given: Callable[[Any, str], Any], /, **renamed: str) -> Same:
    """The reader, with our names for the library's where they differ."""
    return Same(family, given, renamed)


def all_same(names: str, given: Callable[[Any, str], Any]) -> Table:
    """Readers for classes that have our families' names and parameters."""
    return {name: Same(name, given, {}) for name in names.split()}


def exp(x: Array) -> Array:
    """exp(x) in the library of x."""
    return get_backend(x).xp.exp(x)
