"""What is computed: the inputs, and their divergence and gradients in higher precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Form = Literal["probs", "logits", "vae"]
Task = Literal["forward", "gradient", "both"]
Level = Literal["quick", "default", "full"]

LEVELS: tuple[Level, ...] = ("quick", "default", "full")
TASKS: dict[Task, str] = {
    "forward": "value",
    "gradient": "value and gradient in q",
    "both": "value and both gradients",
}
ALL: tuple[Task, ...] = ("forward", "gradient", "both")
_ROWS_CHECKED = 16  # the gradients of these are compared with the reference
_BLOCK = 1 << 20  # elements that the reference takes at a time


@dataclass(frozen=True)
class Workload:
    """One problem; `cells` says in which dtypes, and there with which gradients."""

    name: str
    form: Form
    shape: tuple[int, int]
    cells: dict[str, tuple[Task, ...]]
    level: Level = "default"
    near: bool = False  # q = p (1 + 1e-3 N), where most formulas lose their digits
    compiled: dict[str, tuple[Task, ...]] = field(default_factory=dict)  # by slow compilers, too
    sweep: bool = False  # a point of the curves

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]


class Cell(NamedTuple):
    """One row of the table: every candidate computes this."""

    workload: Workload
    dtype: str
    task: Task
    compiled: bool  # also by compilers that take seconds


def _sweep(power: int) -> Workload:
    n = 10**power
    shape = (1, n) if n <= 1000 else (n // 1000, 1000)
    level: Level = "quick" if power <= 5 else "default" if power <= 7 else "full"
    return Workload(f"1e{power}", "probs", shape, {"float32": ("forward",)}, level, sweep=True)


# In the order in which they are run, as time may run out; quick runs take a sixteenth of the rows.
WORKLOADS = (
    Workload(
        "W1",
        "probs",
        (4096, 1000),
        {"float32": ALL, "float64": ("forward", "gradient")},
        "quick",
        compiled={"float32": ("forward", "both")},
    ),
    Workload(
        "W2",
        "logits",
        (256, 32768),
        {"float32": ALL, "float64": ("forward",), "bfloat16": ("forward", "gradient")},
        "quick",
        compiled={"float32": ("forward", "gradient")},
    ),
    Workload("W3", "probs", (1, 10), {"float32": ("forward", "gradient")}, "quick"),
    *[_sweep(power) for power in range(1, 9)],
    Workload(
        "W5",
        "vae",
        (4096, 512),
        {"float32": ("forward", "both"), "float64": ("forward",)},
        "quick",
        compiled={"float32": ("forward",)},
    ),
    Workload("W1 near", "probs", (4096, 1000), {"float32": ("forward",)}, near=True),
    Workload("W2b", "logits", (64, 131072), {"float32": ("forward",)}),
    Workload(
        "W4",
        "probs",
        (1, 100_000_000),
        {"float32": ("forward",), "float64": ("forward",)},
        "full",
    ),
)


def chosen(level: Level, names: tuple[str, ...] | None = None) -> list[Workload]:
    """The workloads of a level, or those of these names, whatever their level."""
    unknown = set(names or ()) - {each.name for each in WORKLOADS}
    if unknown:
        known = ", ".join(each.name for each in WORKLOADS)
        raise ValueError(f"no workload {', '.join(sorted(unknown))}; there are {known}")
    return [
        _quick(each) if level == "quick" else each
        for each in WORKLOADS
        if (each.name in names if names else LEVELS.index(each.level) <= LEVELS.index(level))
    ]


def _quick(workload: Workload) -> Workload:
    rows, columns = workload.shape
    cells = {"float32": workload.cells["float32"]}
    if workload.sweep:
        return workload
    return Workload(
        workload.name, workload.form, (max(rows // 16, 1), columns), cells, near=workload.near
    )


def cells(workloads: list[Workload], level: Level) -> Iterator[Cell]:
    for workload in workloads:
        for dtype, tasks in workload.cells.items():
            for task in tasks:
                compiled = level == "full" or task in workload.compiled.get(dtype, ())
                yield Cell(workload, dtype, task, compiled)


def inputs(workload: Workload, dtype: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same numbers in every process; bfloat16 as float32 that bfloat16 can hold."""
    rng = np.random.default_rng(20)
    kind: Any = np.float64 if dtype == "float64" else np.float32
    if workload.form == "vae":
        return _normal(rng, workload.shape, kind), 0.5 * _normal(rng, workload.shape, kind)
    if workload.form == "logits":
        a, b = (2 * _normal(rng, workload.shape, kind) for _ in range(2))
        return (_round_bfloat16(a), _round_bfloat16(b)) if dtype == "bfloat16" else (a, b)
    p = _probs(rng, workload.shape, kind)
    if not workload.near:
        return p, _probs(rng, workload.shape, kind)
    q = p * (1 + 1e-3 * _normal(rng, workload.shape, kind))
    return p, (q / q.sum(-1, keepdims=True)).astype(kind)


def _normal(rng: np.random.Generator, shape: tuple[int, int], kind: Any) -> NDArray[Any]:
    drawn: NDArray[Any] = rng.standard_normal(shape, dtype=kind)
    return drawn


def _probs(rng: np.random.Generator, shape: tuple[int, int], kind: Any) -> NDArray[Any]:
    p: NDArray[Any]
    if shape[1] > 1_000_000:
        p = rng.random(shape, dtype=kind) + kind(1e-6)  # quicker to make
    else:
        p = np.exp(_normal(rng, shape, kind))
    p /= p.sum(-1, keepdims=True)
    return p


def _round_bfloat16(x: NDArray[Any]) -> NDArray[Any]:
    bits = x.view(np.uint32)
    kept = (bits + (0x7FFF + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
    return kept.astype(np.uint32).view(np.float32)


class Reference(NamedTuple):
    """The mean over rows in higher precision, and the gradients of the first rows."""

    raw: float  # sum p log(p/q) of the numbers as they are
    normalised: float  # after each row was divided by its sum
    raw_gradients: tuple[NDArray[Any], NDArray[Any]]
    gradients: tuple[NDArray[Any], NDArray[Any]]


def reference(
    workload: Workload, dtype: str, x: NDArray[Any], y: NDArray[Any], cache: Path | None = None
) -> Reference:
    """Mathematics as written, with more digits, independent of unikl.

    In float64 for float32, in the machine's long double for float64; kept in `cache` (a folder),
    because each process of a run needs the same.
    """
    rows, columns = workload.shape
    file = cache and cache / f"{workload.name}-{dtype}-{rows}x{columns}.npz"
    if file and file.exists():
        found = np.load(file)
        raw, value = found["values"]
        return Reference(raw, value, (found["rp"], found["rq"]), (found["p"], found["q"]))
    wide: Any = np.longdouble if dtype == "float64" else np.float64
    sums = [_values(workload.form, x[i], y[i], wide) for i in _blocks(workload.shape)]
    raw, value = (float(sum(column) / rows) for column in zip(*sums, strict=True))
    forward_only = all(tasks == ("forward",) for tasks in workload.cells.values())
    few = slice(0 if forward_only else _ROWS_CHECKED)
    raw_gradients, gradients = _gradients(
        workload.form, x[few].astype(wide), y[few].astype(wide), rows
    )
    if file:
        rp, rq = raw_gradients
        np.savez(file, values=[raw, value], rp=rp, rq=rq, p=gradients[0], q=gradients[1])
    return Reference(raw, value, raw_gradients, gradients)


def _blocks(shape: tuple[int, int]) -> Iterator[slice]:
    step = max(_BLOCK // shape[1], 1)
    for start in range(0, shape[0], step):
        yield slice(start, start + step)


def _values(form: Form, x: NDArray[Any], y: NDArray[Any], wide: Any) -> tuple[Any, Any]:
    """The sum over these rows, raw and normalised."""
    if form == "probs":
        raw, mass_p, mass_q = _row_sums(x, y, wide)
        return raw.sum(), (raw / mass_p - np.log(mass_p / mass_q)).sum()
    x, y = x.astype(wide), y.astype(wide)
    if form == "vae":
        value = ((x * x + np.expm1(2 * y) - 2 * y) / 2).sum()
    else:
        w, _, log_ratio = _weights(x, y)
        value = (w * log_ratio).sum()
    return value, value


def _row_sums(p: NDArray[Any], q: NDArray[Any], wide: Any) -> Any:
    """sum p log(p/q), sum p and sum q of each row, a stretch of columns at a time."""
    sums: Any = np.zeros((3, p.shape[0]), dtype=wide)
    for start in range(0, p.shape[1], _BLOCK):
        x, y = (each[:, start : start + _BLOCK].astype(wide) for each in (p, q))
        sums += np.stack([(x * np.log(x / y)).sum(-1), x.sum(-1), y.sum(-1)])
    return sums


def _weights(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """softmax(a), softmax(b) and the logarithm of their ratio."""
    log_w, log_z = (
        c - c.max(-1, keepdims=True) - np.log(np.exp(c - c.max(-1, keepdims=True)).sum(-1))[:, None]
        for c in (a, b)
    )
    return np.exp(log_w), np.exp(log_z), log_w - log_z


def _gradients(
    form: Form, x: NDArray[Any], y: NDArray[Any], rows: int
) -> tuple[tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
    """Of the mean over all `rows`: of the raw sum, and of the normalised divergence."""

    def scaled(*gradients: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        first, second = ((g / rows).astype(np.float64) for g in gradients)
        return first, second

    if form == "vae":
        both = scaled(x, np.expm1(2 * y))
        return both, both
    if form == "logits":
        w, z, log_ratio = _weights(x, y)
        kl = (w * log_ratio).sum(-1, keepdims=True)
        both = scaled(w * (log_ratio - kl), z - w)
        return both, both
    mass_p, mass_q = x.sum(-1, keepdims=True), y.sum(-1, keepdims=True)
    log_ratio = np.log(x / y) - np.log(mass_p / mass_q)
    kl = (x / mass_p * log_ratio).sum(-1, keepdims=True)
    tangent = scaled((log_ratio - kl) / mass_p, 1 / mass_q - x / mass_p / y)
    return scaled(np.log(x / y) + 1, -x / y), tangent
