"""Writes what was found: Markdown, JSON, and the part of the documentation that shows it."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.machine import stem
from benchmarks.ratios import Comparison, Rival, comparisons
from benchmarks.workloads import TASKS, WORKLOADS

Row = dict[str, Any]

FAMILY_NAMES = {
    "numpy": "NumPy",
    "torch": "PyTorch",
    "jax": "JAX",
    "tensorflow": "TensorFlow",
}
_MARKERS = ("<!-- results -->", "<!-- end of results -->")


def write(found: dict[str, Any], folder: Path) -> Path:
    """``<date>-<machine>.md`` and ``.json`` in `folder`; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    name = stem(found["machine"])
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    page = folder / f"{name}.md"
    page.write_text(markdown(found, f"{name}-"))
    return page


def markdown(found: dict[str, Any], pictures: str) -> str:
    """Everything on one page; `pictures` is what the names of the plots begin with."""
    parts = [
        f"# Benchmarks, {found['machine']['date'][:10]}",
        header(found),
        "## Ratios",
        "The time of the fastest other over unikl's, in the same framework, mode and process.",
        ratio_table(comparisons(found)),
        f"![ratios]({pictures}ratios.png)",
        "## Time against size",
        f"![ns per element against size]({pictures}time.png)",
        "## Peak memory",
        memory_table(found),
        f"![peak memory against size]({pictures}memory.png)",
        "## Every candidate",
        "Medians (from the fastest to the slowest sample) of one call, in milliseconds. `~`: no "
        "round was quiet. Off by: value, then gradient, from the reference, in eps.",
        *_details(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def header(found: dict[str, Any]) -> str:
    """The machine, the versions, the numbers of threads, and what is missing."""
    machine = found["machine"]
    timed = [row for row in found["cells"] if row["status"] == "ok"]
    disturbed = sum(not row["quiet"] for row in timed)
    lines = [
        f"* {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; {machine['date']}",
        f"* {_list(f'{name} {version}' for name, version in found['versions'].items())}",
        f"* threads: {_list(found['threads'].values())}"
        + "".join(f", {name}={value}" for name, value in machine["environment"].items()),
        f"* rounds: {found['rounds']}, of samples of {1000 * found['sample']:g} ms; {disturbed} of "
        f"{len(timed)} medians had no quiet round; {found['seconds']} s in all; C ceiling: "
        f"{machine['compiler']}",
        *[f"* not run, out of time: {each}" for each in found["skipped"]],
        *[f"* **failed**: {each}" for each in found["failed"]],
    ]
    return "\n".join(lines)


def ratio_table(lines: Iterable[Comparison]) -> str:
    rows = [
        [
            line.workload,
            TASKS[line.task],  # type: ignore[index]  # out of JSON
            line.dtype,
            f"{FAMILY_NAMES[line.family]} {line.mode}",
            _ms(line.ours["default"]["seconds"]) if "default" in line.ours else "",
            *_rival(line.library),
            *_rival(line.by_hand)[1:],
        ]
        for line in lines
        if not line.sweep
    ]
    columns = [
        *("workload", "computes", "dtype", "in", "unikl, ms"),
        *("fastest library", "ratio: default, retained malloc", "**ratio**"),
        *("by hand: default, retained", "**ratio**"),
    ]
    return _table(columns, rows)


def _rival(rival: Rival | None) -> list[str]:
    if rival is None:
        return ["", "", ""]
    both = ", ".join(f"{ratio:.2g}" for ratio in rival.ratios.values())
    return [rival.name, both, f"**{rival.honest:.2g}**"]


def memory_table(found: dict[str, Any]) -> str:
    """Peaks above the inputs, in MiB and in units of one of the two arrays."""
    rows = [
        [
            row["workload"],
            TASKS[row["task"]],
            f"{FAMILY_NAMES[row['family']]} {row['mode']}",
            row["candidate"],
            *(
                (
                    f"{row['peak_bytes'] / 2**20:.1f}",
                    f"{row['peak_bytes'] / row['array_bytes']:.2f}",
                )
                if row["status"] == "ok"
                else (row.get("error", row["status"]), "")
            ),
        ]
        for row in found["memory"]
    ]
    if not rows:
        return "Not measured."
    return _table(
        ["workload", "computes", "in", "by", "peak extra memory, MiB", "input arrays"], rows
    )


def _details(found: dict[str, Any]) -> Iterable[str]:
    shapes = {each.name: each for each in WORKLOADS}
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in found["cells"]:
        cells[row["workload"], row["dtype"], row["task"]].append(row)
    for (workload, dtype, task), rows in cells.items():
        shape = "x".join(map(str, rows[0]["shape"]))
        form = "nearly equal probs" if shapes[workload].near else rows[0]["form"]
        yield f"### {workload}: {form} [{shape}], {dtype}, {TASKS[task]}"  # type: ignore[index]
        yield _table(
            ["in", "by", "ms", "ms, retained malloc", "ns per element", "off by"],
            _detail_rows(rows),
        )


def _detail_rows(rows: list[Row]) -> list[list[str]]:
    """The two allocator modes side by side, the fastest of each framework first."""
    pairs: dict[tuple[str, str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        pairs[row["family"], row["mode"], row["candidate"]][row["malloc"]] = row
    order = sorted(
        pairs.items(),
        key=lambda item: (
            list(FAMILY_NAMES).index(item[0][0]),
            min(row.get("seconds", float("inf")) for row in item[1].values()),
        ),
    )
    lines = []
    for (family, mode, candidate), found in order:
        first = next(iter(found.values()))
        size = first["shape"][0] * first["shape"][1]
        per_element = f"{1e9 * first['seconds'] / size:.3g}" if first["status"] == "ok" else ""
        times = [
            _time(found[malloc]) if malloc in found else "" for malloc in ("default", "retained")
        ]
        name = f"**{candidate}**" if first["kind"] == "unikl" else candidate
        where = f"{FAMILY_NAMES[family]} {mode}"
        lines.append([where, name, *times, per_element, _off(first)])
    return lines


def _time(row: Row) -> str:
    if row["status"] != "ok":
        return f"failed: {row['error']}"
    disturbed = "" if row["quiet"] else "~"
    spread = f"({_ms(row['fastest'])} to {_ms(row['slowest'])})"
    return f"{disturbed}{_ms(row['seconds'])} {spread}"


def _off(row: Row) -> str:
    found = [row.get("value_eps"), row.get("gradient_eps")]
    return ", ".join(
        each if isinstance(each, str) else f"{each:.2g}" for each in found if each is not None
    )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def _table(columns: list[str], rows: Iterable[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def between_markers(documentation: Path) -> re.Match[str]:
    """Where in `documentation` the results go; ValueError if it does not say."""
    start, end = _MARKERS
    if documentation.is_file():
        pattern = f"^{re.escape(start)}$.*^{re.escape(end)}$"
        found = re.search(pattern, documentation.read_text(), re.S | re.M)
        if found:
            return found
    raise ValueError(f"{documentation} has no lines {start} and {end} to put the results between")


def update(documentation: Path, found: dict[str, Any], page: Path) -> None:
    """Put the ratios, the memory and the plots between the markers of `documentation`."""
    place = between_markers(documentation)
    folder = Path(os.path.relpath(page.parent, documentation.parent)).as_posix()
    pictures = f"{folder}/{page.stem}-"
    parts = [
        _MARKERS[0],
        header(found),
        ratio_table(comparisons(found)),
        f"![ratios]({pictures}ratios.png)",
        f"![ns per element against size]({pictures}time.png)",
        f"![peak memory against size]({pictures}memory.png)",
        memory_table({"memory": [row for row in found["memory"] if not row["sweep"]]}),
        f"Every candidate, with its spread and its error: [{page.stem}]({folder}/{page.name}).",
        _MARKERS[1],
    ]
    text = place.string
    documentation.write_text(text[: place.start()] + "\n\n".join(parts) + text[place.end() :])
