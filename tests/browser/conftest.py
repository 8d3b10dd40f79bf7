"""A real browser, headless: Debian's Chromium, driven by Playwright.

``make test-browser`` installs both and sets ``UNIKL_BROWSER=required``, with which a missing
browser fails; without it, these tests are skipped where there is none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_PROBES = (Path(__file__).parent / "probes.js").read_text()


@dataclass
class Page:
    """A page in the browser, and what it did behind the user's back."""

    tab: Any
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and exceptions that nobody caught."""
    requests: list[str] = field(default_factory=list)
    """All that was fetched but for the page itself."""

    def probe(self, name: str) -> Any:
        """What a function of ``probes.js`` finds in the page."""
        return self.tab.evaluate(f"() => {{ {_PROBES}\nreturn {name}(); }}")

    def text(self, selector: str) -> str:
        """The visible text of the first match."""
        return str(self.tab.locator(selector).first.inner_text())


Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser, one for all tests."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path, missing = None, "playwright is not installed"
    else:
        missing = f"there is none of {', '.join(_NAMES)}"
    if path is None:
        reason = f"no browser: {missing}; `make test-browser` installs it on Debian"
        if os.environ.get("UNIKL_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as in a container; the pages are ours.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def load(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Open HTML from a file, offline, in the colour scheme and width asked for."""
    contexts: list[Any] = []

    def load(html: str, scheme: str = "light", width: int = 1280) -> Page:
        file = tmp_path / f"{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        size = {"width": width, "height": 900}
        context = browser.new_context(
            color_scheme=scheme, viewport=size, offline=True, reduced_motion="reduce"
        )
        contexts.append(context)
        page = Page(context.new_page())
        page.tab.on(
            "console",
            lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.tab.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.tab.on("request", lambda request: page.requests.append(request.url))
        page.tab.goto(file.as_uri())
        page.requests.remove(file.as_uri())
        return page

    yield load
    for context in contexts:
        context.close()
