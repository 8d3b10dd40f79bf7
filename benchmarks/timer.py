"""Interleaved samples, and whether the machine was quiet while they were taken."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Call = Callable[[], Any]

_STAT = Path("/proc/stat")
_TICK = 0.01  # the kernel counts the time of others in these, seconds
OTHERS = 0.15  # of one core: what other processes may use in a quiet round
_RETRIES = 2  # rounds more than asked for
_PATIENCE = 2.0  # seconds for one candidate; a slow one stops at two samples


@dataclass
class Times:
    """Seconds for one call, sample by sample, of one candidate."""

    calls: int  # in each sample
    quiet: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)
    spent: float = 0.0

    @property
    def kept(self) -> list[float]:
        """The quiet samples; all of them where there is none."""
        return self.quiet or self.disturbed

    @property
    def median(self) -> float:
        return statistics.median(self.kept)


def interleaved(calls: Sequence[Call], rounds: int, sample: float) -> list[Times]:
    """Time warm `calls` in the order A B C, C B A, A B C, ...

    A slow drift of the machine then reaches all alike, and none always follows the same other.
    Each sample repeats its call for about `sample` seconds; a round that others disturbed is
    repeated, but not for ever.
    """
    times = [Times(_repeats(call, sample)) for call in calls]
    order, quiet, disturbed = list(range(len(calls))), 0, 0
    while quiet < rounds and quiet + disturbed < rounds + _RETRIES:
        samples, others = _watched(lambda: _round(calls, times, order))
        calm = others <= OTHERS * sum(samples.values()) + 2 * _TICK  # two cores, counted in ticks
        quiet, disturbed = quiet + calm, disturbed + (not calm)
        for index, seconds in samples.items():
            kept = times[index].quiet if calm else times[index].disturbed
            kept.append(seconds / times[index].calls)
        order.reverse()
    return times


def _round(calls: Sequence[Call], times: list[Times], order: list[int]) -> dict[int, float]:
    """Seconds of one sample of each, but for the slow ones that have enough."""
    samples = {}
    for index in order:
        own = times[index]
        if own.spent > _PATIENCE and len(own.quiet + own.disturbed) > 1:
            continue
        samples[index] = _seconds(calls[index], own.calls)
        own.spent += samples[index]
    return samples


def _repeats(call: Call, sample: float) -> int:
    repeats = 1
    while True:
        seconds = _seconds(call, repeats)
        if seconds >= sample / 4:
            return max(1, math.ceil(repeats * sample / seconds))
        repeats *= 4


def _seconds(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - start


def _watched(run: Callable[[], dict[int, float]]) -> tuple[dict[int, float], float]:
    """What `run` returns, and the processor time that other processes took meanwhile."""
    busy, own = _busy(), time.process_time()
    found = run()
    return found, (_busy() - busy) - (time.process_time() - own)


def _busy() -> float:
    """Processor seconds of the whole machine; 0 where the system does not say.

    Time that the hypervisor gave to others (steal) counts as busy.
    """
    if not _STAT.exists():
        return 0.0
    with _STAT.open() as file:
        ticks = [int(number) for number in file.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) * _TICK
