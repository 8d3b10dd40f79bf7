"""The grid as test parameters, and the marker of the tests that run a compiler for seconds."""

from __future__ import annotations

import pytest

from conformance.grid import works
from unikl.agreement import runners


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "compile: compiles for seconds; skip with -m 'not compile'")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test with the argument `work` each case in each of its module's BACKEND and MODES."""
    if "work" not in metafunc.fixturenames:
        return
    backend = metafunc.module.BACKEND
    if backend not in runners.installed():
        skip = pytest.mark.skip(reason=f"{runners.PACKAGES[backend]} is not installed")
        metafunc.parametrize("work", [pytest.param(None, id=backend, marks=skip)])
        return
    params = [
        pytest.param(work, id=f"{backend}-{work[1]}-{work[2].dtype}-{work[2].name}")
        for work in works(backend, metafunc.module.MODES)
    ]
    metafunc.parametrize("work", params)
