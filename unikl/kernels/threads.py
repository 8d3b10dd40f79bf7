"""Threads for kernels that release the GIL: a plain pool, never a second OpenMP runtime.

(One call of a Numba ``parallel=True`` kernel slows torch's own small operations in the same
process 13 to 22 times, because two OpenMP runtimes then fight over the cores.)
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["WORTHWHILE", "available", "split"]

# Below this many elements a second thread costs more than it brings.
WORTHWHILE = 150_000

_pools: dict[int, ThreadPoolExecutor] = {}  # by the number of threads

# The threads of a pool do not survive a fork: waiting for them would hang.


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


def available(framework: int | None = None) -> int:
    """How many threads to use: UNIKL_NUM_THREADS, else the framework's own setting, else all.

    Raises
    ------
    ValueError
        If UNIKL_NUM_THREADS is set and no positive number.
    """
    said = os.environ.get("UNIKL_NUM_THREADS")
    if said is not None:
        if not said.isdecimal() or int(said) < 1:
            raise ValueError(f"UNIKL_NUM_THREADS must be a positive whole number, got {said!r}")
        return int(said)
    if framework:
        return framework
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def split(
    work: Callable[[int, int], Any], length: int, size: int, framework: int | None = None
) -> list[Any]:
    """``work(start, stop)`` over all of range(length), in as many threads as pay for `size`."""
    threads = 1
    if size >= WORTHWHILE and length > 1:
        threads = min(available(framework), length)
    if threads == 1:
        return [work(0, length)]
    pool = _pools.get(threads)
    if pool is None:
        pool = _pools.setdefault(threads, ThreadPoolExecutor(threads - 1, "unikl"))
    bounds = [length * k // threads for k in range(threads + 1)]
    futures = [pool.submit(work, *bounds[k : k + 2]) for k in range(1, threads)]
    first = work(bounds[0], bounds[1])
    return [first, *[future.result() for future in futures]]
