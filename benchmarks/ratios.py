"""How much faster than the fastest other, in the same framework and the same mode."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Key = tuple[str, str, str, str, str]  # workload, dtype, task, framework, mode


@dataclass(frozen=True)
class Rival:
    """The fastest candidate of a kind, in each allocator mode."""

    names: dict[str, str]  # by allocator mode; the same one is not always the fastest
    ratios: dict[str, float]  # its time over unikl's, in the same process

    @property
    def honest(self) -> float:
        """The smallest of the ratios."""
        return min(self.ratios.values())

    @property
    def name(self) -> str:
        """Of the one that the honest ratio is about."""
        return self.names[min(self.ratios, key=lambda mode: self.ratios[mode])]


@dataclass(frozen=True)
class Comparison:
    """One line of the table of ratios."""

    workload: str
    dtype: str
    task: str
    family: str
    mode: str
    sweep: bool
    ours: dict[str, Row]  # unikl's rows, by allocator mode
    library: Rival | None
    by_hand: Rival | None

    @property
    def label(self) -> str:
        return f"{self.workload}, {self.task}" + (
            "" if self.dtype == "float32" else f", {self.dtype}"
        )


def comparisons(found: dict[str, Any]) -> list[Comparison]:
    """In the order in which they were measured; without unikl's time there is none."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in found["cells"]:
        key = row["workload"], row["dtype"], row["task"], row["family"], row["mode"]
        groups[key].append(row)
    compared = []
    for key, rows in groups.items():
        timed = [row for row in rows if row["status"] == "ok"]
        ours = {row["malloc"]: row for row in timed if row["kind"] == "unikl"}
        if ours:
            rivals = (_rival(timed, ours, kind) for kind in ("library", "by hand"))
            compared.append(Comparison(*key, rows[0]["sweep"], ours, *rivals))
    return compared


def _rival(rows: list[Row], ours: dict[str, Row], kind: str) -> Rival | None:
    names, ratios = {}, {}
    for malloc, own in ours.items():
        others = [row for row in rows if row["kind"] == kind and row["malloc"] == malloc]
        if others:
            fastest = min(others, key=lambda row: row["seconds"])
            names[malloc] = fastest["candidate"]
            ratios[malloc] = fastest["seconds"] / own["seconds"]
    return Rival(names, ratios) if ratios else None
