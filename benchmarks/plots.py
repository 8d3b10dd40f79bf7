"""The plots of a run: time against size, peak memory against size, ratios."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.ratios import comparisons
from benchmarks.report import FAMILY_NAMES

Row = dict[str, Any]

_STYLES = {"eager": "-", "C": ":", "jit": "--", "tf.function": "-.", "XLA": "--"}
_COLORS = {"unikl": "tab:red", "library": "tab:blue", "by hand": "tab:green", "ceiling": "0.6"}
_SHADES = ("tab:blue", "tab:purple", "tab:cyan", "tab:brown")  # of several libraries


def draw(found: dict[str, Any], page: Path) -> list[Path]:
    """Beside `page`, and named after it."""
    import matplotlib

    matplotlib.use("agg")
    files = [page.with_name(f"{page.stem}-{name}.png") for name in ("time", "memory", "ratios")]
    times = [
        row
        for row in found["cells"]
        if row["sweep"] and row["malloc"] == "default" and row["status"] == "ok"
    ]
    _curves(times, lambda row: 1e9 * row["seconds"] / _size(row), "ns per element", files[0])
    peaks = [row for row in found["memory"] if row["sweep"] and row["status"] == "ok"]
    _curves(peaks, lambda row: max(row["peak_bytes"], 4096) / 2**20, "peak extra MiB", files[1])
    _bars(found, files[2])
    return files


def _size(row: Row) -> int:
    rows, columns = row["shape"]
    return int(rows * columns)


def _panels(rows: list[Row]) -> dict[str, str]:
    """The frameworks that there is something of; all of them where there is nothing."""
    there = {row["family"] for row in rows} or set(FAMILY_NAMES)
    return {family: name for family, name in FAMILY_NAMES.items() if family in there}


def _grid(panels: dict[str, str]) -> tuple[int, int]:
    return (len(panels) + 1) // 2, min(len(panels), 2)


def _curves(rows: list[Row], value: Callable[[Row], float], label: str, file: Path) -> None:
    """A panel for each framework, a line for each candidate, over the sizes of the sweep."""
    import matplotlib.pyplot as plt

    panels = _panels(rows)
    figure, axes = plt.subplots(
        *_grid(panels),
        figsize=(11, 8),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (family, title) in zip(axes.flat, panels.items(), strict=False):
        lines: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for row in rows:
            if row["family"] == family:
                lines[row["kind"], row["candidate"], row["mode"]].append(row)
        libraries = list(dict.fromkeys(name for kind, name, _ in lines if kind == "library"))
        for (kind, name, mode), points in lines.items():
            points.sort(key=_size)
            color = _COLORS[kind] if kind != "library" else _SHADES[libraries.index(name) % 4]
            axis.loglog(
                [_size(row) for row in points],
                [value(row) for row in points],
                _STYLES.get(mode, "--"),
                color=color,
                marker=".",
                linewidth=2.5 if kind == "unikl" else 1.2,
                label=f"{name}, {mode}",
            )
        axis.set_title(title)
        axis.grid(alpha=0.3)
        if lines:
            axis.legend(fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("elements of each array (probs, float32, value)")
    for axis in axes[:, 0]:
        axis.set_ylabel(label)
    figure.savefig(file, dpi=100)
    plt.close(figure)


def _bars(found: dict[str, Any], file: Path) -> None:
    """The smaller ratios of both malloc modes; right of 1 unikl is the faster."""
    import matplotlib.pyplot as plt

    lines = [line for line in comparisons(found) if not line.sweep]
    panels = _panels(found["cells"])
    tallest = max([sum(line.family == family for line in lines) for family in panels])
    size = (12, 2 + 0.2 * _grid(panels)[0] * tallest)
    figure, axes = plt.subplots(
        *_grid(panels), figsize=size, sharex=True, squeeze=False, layout="constrained"
    )
    for axis, (family, title) in zip(axes.flat, panels.items(), strict=False):
        own = [line for line in lines if line.family == family][::-1]
        for shift, kind in ((0.2, "library"), (-0.2, "by hand")):
            rivals = [line.library if kind == "library" else line.by_hand for line in own]
            at = [place + shift for place, rival in enumerate(rivals) if rival]
            beyond = [rival.honest - 1 for rival in rivals if rival]
            name = "fastest library" if kind == "library" else "formula by hand"
            axis.barh(at, beyond, 0.38, left=1, color=_COLORS[kind], label=name)
        axis.set_yticks(
            range(len(own)), [f"{line.label} ({line.mode})" for line in own], fontsize=7
        )
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.set_title(f"{title}: time of the other over unikl's", fontsize=10)
        axis.grid(axis="x", alpha=0.3)
        axis.legend(fontsize=7)
    figure.savefig(file, dpi=100)
    plt.close(figure)
