"""One long row in several threads: its parts are reduced, or written, by themselves.

A row of weights takes one sweep, whose sums add up over the parts; its gradients, of which each
depends on its own category and on what is saved of the row, are parts of their own at any rate.
"""

import math
from typing import Any

import numpy as np

from . import threads

__all__ = ["LONG", "reduce"]

LONG = 2**20  # elements of one row: from here on its parts go to threads


def reduce(cpu: Any, kernel: Any, cores: int | None, *arrays: Any) -> float | None:
    """What the kernel would do with its arrays, which have one row; None: call it instead."""
    if kernel is cpu.weights and arrays[5] is None and arrays[6] is None:
        return _weights(cpu, cores, *arrays)
    if kernel in (cpu.weights_gradients, cpu.latents_gradients):
        return _gradients(kernel, cores, *arrays)
    return None


def _slices(length: int) -> list[slice]:
    return [slice(start, start + LONG) for start in range(0, length, LONG)]


def _weights(cpu: Any, cores: int | None, *arrays: Any) -> float | None:
    p, q, *numbers, _, _, saved = arrays
    parts = _slices(p.size)
    sums = np.empty((len(parts), 4))

    def work(start: int, stop: int) -> None:
        for k in range(start, stop):
            cpu.part_of_row(p[0, parts[k]], q[0, parts[k]], sums[k])

    threads.split(work, len(parts), p.size, cores)
    row = cpu.whole_row(p[0], sums, None if saved is None else saved[0])
    if math.isnan(row[0]):
        return None
    for out, value in zip(numbers, row, strict=True):
        if out is not None:
            out[0] = value
    return float(max(abs(row[1] - 1), abs(row[2] - 1)))


def _gradients(kernel: Any, cores: int | None, *arrays: Any) -> float:
    p, q, saved, upstream, dp, dq = arrays
    parts = _slices(p.size)

    def work(start: int, stop: int) -> float:
        offs = []
        for part in parts[start:stop]:
            mine: list[Any] = [None if x is None else x[:, part] for x in (p, q, dp, dq)]
            offs.append(kernel(mine[0], mine[1], saved, upstream, mine[2], mine[3]))
        return float(max(offs))

    offs: list[float] = threads.split(work, len(parts), p.size, cores)
    return max(offs)
