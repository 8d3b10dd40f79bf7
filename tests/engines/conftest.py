"""Processes that end: whatever a collective does, no test waits longer than it says."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]

# These need a cluster in a box and its installation: `make test-engines` sets the variable.
collect_ignore_glob = [] if os.environ.get("UNIKL_ENGINES") else ["test_ray*.py", "test_spark*.py"]

_GRACE = 10.0  # seconds that the other ranks have to notice that one is gone


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes
    ----------
    code : int
        The exit code; minus the signal's number where one ended it.
    out, err : str
        What it wrote.
    stopped : bool
        Whether it was ended from here, because it was late or another rank had failed.
    """

    code: int
    out: str
    err: str
    stopped: bool


Ranks = Callable[..., list[Ended]]


@pytest.fixture(scope="session")
def ranks() -> Ranks:
    """Run Python in `world` processes at a time, within `timeout` seconds.

    ``ranks(script, *words, world=1, timeout=60, env={}, check=True)`` runs ``python script *words``
    with the variables RANK and WORLD_SIZE, and gives an `Ended` for each.  The processes and all
    that they started are gone when it returns: they are killed when they are late, or soon after
    one of them has failed.  Unless `check` is false, it fails if any did not end well.
    """
    return run_ranks


def run_ranks(
    *words: object,
    world: int = 1,
    timeout: float = 60,
    env: dict[str, str] | None = None,
    check: bool = True,
) -> list[Ended]:
    """What the fixture `ranks` gives."""
    deadline = time.monotonic() + timeout
    started: list[_Process] = []
    try:
        for rank in range(world):
            more = {**(env or {}), "RANK": str(rank), "WORLD_SIZE": str(world)}
            started.append(_Process(list(map(str, words)), more))
        while any(each.running() for each in started) and time.monotonic() < deadline:
            if any(each.popen.returncode not in (None, 0) for each in started):
                deadline = min(deadline, time.monotonic() + _GRACE)
            time.sleep(0.02)
    finally:
        ended = [each.end() for each in started]
    for rank, each in enumerate(ended) if check else ():
        how = "was stopped" if each.stopped else f"ended with {each.code}"
        assert each.code == 0, f"rank {rank} {how}:\n{each.out}\n{each.err}"
    return ended


class _Process:
    """A process with a group of its own; its output goes to files, as a full pipe would stop it."""

    def __init__(self, words: Sequence[str], env: dict[str, str]) -> None:
        self.files: tuple[IO[str], IO[str]] = (TemporaryFile("w+"), TemporaryFile("w+"))  # noqa: SIM115
        self.popen = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=self.files[0],
            stderr=self.files[1],
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            start_new_session=True,
        )

    def running(self) -> bool:
        return self.popen.poll() is None

    def end(self) -> Ended:
        stopped = self.running()
        with contextlib.suppress(ProcessLookupError):  # all of the group have ended by themselves
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        texts = []
        for file in self.files:
            with file:
                file.seek(0)
                texts.append(file.read())
        return Ended(self.popen.returncode, texts[0], texts[1], stopped)


@pytest.fixture
def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
