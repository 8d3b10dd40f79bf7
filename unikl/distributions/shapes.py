"""What families with a location and a scale, or with a scale alone, have in common."""

import math
from dataclasses import dataclass
from typing import Any

from ..backends import Backend
from .base import Condition, Distribution, Support, positive, real

__all__ = ["_OnHalfLine", "_OnLine"]  # not families themselves


@dataclass(frozen=True, eq=False)
class _OnLine(Distribution):
    """``loc + scale x`` of a variable x on the real line."""

    loc: Any
    scale: Any

    def support(self, room: Backend) -> Support:
        """The real line."""
        return Support(-math.inf, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A real location, a positive scale."""
        return [real("loc", self.loc), positive("scale", self.scale)]


@dataclass(frozen=True, eq=False)
class _OnHalfLine(Distribution):
    """``scale x`` of a positive variable x."""

    scale: Any

    def support(self, room: Backend) -> Support:
        """The positive numbers."""
        return Support(0, math.inf)

    def conditions(self, room: Backend) -> list[Condition]:
        """A positive scale."""
        return [positive("scale", self.scale)]
