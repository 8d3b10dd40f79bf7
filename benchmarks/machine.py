"""What was measured on: for the header of the tables, and the name of their file."""

from __future__ import annotations

import datetime
import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.ceiling import threads

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "UNIKL_NUM_THREADS", "XLA_FLAGS")


def describe() -> dict[str, Any]:
    """Date, processor, cores, memory, system, and the variables that set numbers of threads."""
    return {
        "date": datetime.datetime.now().isoformat(" ", "minutes"),
        "processor": processor(),
        "cores": threads(),
        "memory_gib": round(_memory() / 2**30),
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "compiler": "gcc" if shutil.which("gcc") else "none: no C ceiling",
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {each: _version(each) for each in packages}


def _version(package: str) -> str:
    if package == "unikl":
        import unikl

        return unikl.__version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.M) if info.exists() else None
    name = found[1] if found else platform.processor() or platform.machine()
    wide = " (AVX-512)" if info.exists() and " avx512f " in info.read_text() else ""
    return name + wide


def _memory() -> int:
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return 0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def stem(machine: dict[str, Any]) -> str:
    """The name of the results: the date, the processor and its cores."""
    name = re.sub(r"[^a-z0-9]+", "-", str(machine["processor"]).lower()).strip("-")
    return f"{str(machine['date'])[:10]}-{name}-{machine['cores']}-cores"
