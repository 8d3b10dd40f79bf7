"""What a check of one function across frameworks found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from unikl.agreement.report import plain

_SHOWN = 10


@dataclass(frozen=True)
class Row:
    """One comparison of one array."""

    case: str
    """Which input: "input 3", a file's name, or a case's label."""
    backend: str
    mode: str
    """"eager" or "compiled"."""
    dtype: str
    quantity: str
    """"value", "value[1]" (the second output), "gradient of input 0"."""
    status: Literal["agrees", "differs", "error", "skipped"]
    error: float | None
    """In eps of the dtype against the truth; None where there is nothing to compare."""
    ulp: float | None
    """Distance of the worst element, in units of its last place."""
    what: str = ""
    """One line, what is wrong."""
    got: str = ""
    """The worst element."""
    expected: str = ""
    index: tuple[int, ...] | None = None
    """Of the worst element."""

    @property
    def wrong(self) -> bool:
        """Whether it differs from the truth, or raised."""
        return self.status in ("differs", "error")

    def __str__(self) -> str:
        where = f" at {list(self.index)}" if self.index else ""
        numbers = f": got {self.got}, expected {self.expected}{where}" if self.got else ""
        name = f"{self.backend}, {self.mode}, {self.dtype}, {self.case}, {self.quantity}"
        return f"{name}: {self.what}{numbers}"


@dataclass(frozen=True)
class Outcome:
    """The answer of `unikl.agreement.check`; ``str`` of it is the table for a terminal."""

    title: str
    rows: tuple[Row, ...]
    truth: str
    """"mpmath, 60 digits", "given" or "consensus"."""
    limit: float
    """The error allowed, in eps."""
    versions: dict[str, str]
    devices: dict[str, str]
    blamed: tuple[str, ...]
    """The backends that are wrong, where that can be told."""
    minimal: dict[str, Any] | None
    """The smallest failing input: ``inputs`` (nested lists), ``dtype``, ``backend``, ``what``."""
    seed: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether something was compared, and all of it agrees."""
        compared = any(row.status == "agrees" for row in self.rows)
        return compared and not any(row.wrong for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON can hold it: inf and nan become strings."""
        whole: dict[str, Any] = plain({"schema": 1, "ok": self.ok, **asdict(self)})
        return whole

    def __str__(self) -> str:
        wrong = [row for row in self.rows if row.wrong]
        lines = [f"{self.title}: {self._verdict(len(wrong))}", "", *_table(self), ""]
        lines += [str(row) for row in wrong[:_SHOWN]]
        if len(wrong) > _SHOWN:
            lines.append(f"... and {len(wrong) - _SHOWN} more")
        lines += _skipped(self.rows)
        if self.minimal is not None:
            lines += _smallest(self.minimal)
        return "\n".join(lines).rstrip()

    def _verdict(self, wrong: int) -> str:
        cases = len({row.case for row in self.rows})
        count = f"{len(self.rows)} comparisons of {cases} input{'s' if cases != 1 else ''}"
        about = f"{count}, truth: {self.truth}, limit {self.limit:g} eps, seed {self.seed}"
        if self.ok:
            return f"all agree ({about})"
        if not wrong:
            return f"nothing could be compared ({about})"
        if not self.blamed:
            return f"no agreement, and it cannot be told who is wrong ({about})"
        return f"{' and '.join(self.blamed)} {_is(self.blamed)} wrong ({about})"


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _table(outcome: Outcome) -> list[str]:
    """The worst errors by backend, mode and dtype, in aligned columns."""
    cells: list[tuple[str, ...]] = [
        ("backend", "mode", "dtype", "value, eps", "gradient, eps", "compared", "wrong")
    ]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in outcome.rows:
        groups.setdefault((row.backend, row.mode, row.dtype), []).append(row)
    for (backend, mode, dtype), rows in groups.items():
        if any(row.status != "skipped" for row in rows):
            name = f"{backend} {outcome.versions.get(backend, '')}".rstrip()
            values = [row for row in rows if row.quantity.startswith("value")]
            gradients = [row for row in rows if row.quantity.startswith("gradient")]
            counts = [sum(row.status != "skipped" for row in rows), sum(row.wrong for row in rows)]
            shown = (_worst(values), _worst(gradients), *(str(count) for count in counts))
            cells.append((name, mode, dtype, *shown))
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _worst(rows: Sequence[Row]) -> str:
    errors = [row.error for row in rows if row.error is not None]
    if any(row.status == "error" for row in rows):
        return "error"
    if not errors:
        return "-"
    worst = max(errors, key=lambda error: math.inf if math.isnan(error) else error)
    return f"{worst:.2f}" if worst < 1e4 else f"{worst:.0e}"


def _skipped(rows: Sequence[Row]) -> list[str]:
    """Why something was not run, each reason once."""
    reasons = [f"skipped: {row.backend}: {row.what}" for row in rows if row.status == "skipped"]
    return list(dict.fromkeys(reasons))


def _smallest(minimal: dict[str, Any]) -> list[str]:
    inputs = ", ".join(str(value) for value in minimal["inputs"])
    return ["", f"smallest failing input, in {minimal['dtype']}: {inputs}", minimal["what"]]
