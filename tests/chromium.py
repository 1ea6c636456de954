"""Debian's Chromium, headless, driven by playwright: what tests with the `browser` marker open pages in."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DESKTOP, PHONE = (1280, 900), (390, 844)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser. Skips the test, with its reason, where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: scripts/test-browser")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on PATH: scripts/debian chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page, and all that it complained of or asked the network for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def overflow_px(self) -> int:
        """How much wider than the window the page is: 0 where nothing has to be scrolled sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@contextmanager
def opened(
    browser: Any,  # noqa: ANN401 (playwright may not be installed)
    url: str | Path,
    size: tuple[int, int] = DESKTOP,
    **context: Any,  # noqa: ANN401
) -> Iterator[Opened]:
    """The page at a URL or of a file. context: of playwright's `new_context`."""
    with browser.new_context(
        viewport={"width": size[0], "height": size[1]}, has_touch=size == PHONE, **context
    ) as made:
        page = made.new_page()
        page.set_default_timeout(10_000)
        found = Opened(page)
        page.on("console", lambda line: found.complaints.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(url.resolve().as_uri() if isinstance(url, Path) else url)
        yield found
