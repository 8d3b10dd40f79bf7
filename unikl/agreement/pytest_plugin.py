"""The pytest plugin: the fixture ``agree`` and the marker ``backends``.

    @pytest.mark.backends("torch", "jax")
    def test_focal(agree):
        agree({"torch": torch_focal, "jax": jax_focal}, arrays((4, 3)))

Frameworks are imported when a test calls ``agree``, not when pytest starts. A check leaves nothing
behind, so that tests may run in any process and order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from unikl.agreement.outcome import Outcome

_MARKER = "backends(*names): the frameworks that the fixture `agree` compares, each installed"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def agree(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """Assert that a function gives the same in every framework: `unikl.agreement.check`, which
    fails with what was called, what it gave and what it should, and the smallest such input."""
    from unikl import agreement

    marker = request.node.get_closest_marker("backends")

    def agree(fn: Any, /, *inputs: Any, **options: Any) -> Outcome:
        __tracebackhide__ = True  # the failure is the test's line
        if marker is not None:
            options.setdefault("backends", marker.args)
        try:
            outcome = agreement.check(fn, *inputs, **options)
        except ImportError as error:
            pytest.skip(str(error))
        if not outcome.ok:
            pytest.fail(_message(outcome, fn), pytrace=True)
        return outcome

    return agree


def _message(outcome: Outcome, fn: Any) -> str:
    """The table and the failures, and the call that shows them again."""
    if outcome.minimal is None:
        return str(outcome)
    found = outcome.minimal
    inputs = ", ".join(str(x) for x in found["inputs"])
    name = outcome.title if callable(fn) else "{...}"
    call = f"agree({name}, {inputs}, dtypes=[{found['dtype']!r}], modes=[{found['mode']!r}])"
    return f"{outcome}\ncall: {call}"
