"""The page as a real proxy serves it: with keys, and over its restart."""

import asyncio
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from chromium import Opened, chromium, opened
from cli.command import Command, Started
from scripted_engine import STREAM_HEAD, Call, ScriptedEngine, in_background, token
from scripted_engine import page as answer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    """Its streams begin, and go on for as long as somebody reads."""

    async def script(call: Call) -> None:
        if not call.request.head.startswith(b"POST"):
            await call.send(answer(404, b"{}"))
            return
        await call.send(STREAM_HEAD, token(" a"))
        while True:
            await asyncio.sleep(0.05)
            await call.send(token(" b"))

    with in_background(ScriptedEngine(script)) as running:
        yield running


def state_is(page: Opened, state: str) -> None:
    page.page.locator(f"#status[data-state='{state}']").wait_for(timeout=20_000)


def start(command: Command, engine: ScriptedEngine, port: int = 0) -> tuple[Started, str]:
    proxy = command.start("serve", "--upstream", engine.url, "--port", port, "--drain-timeout", 0.1)
    return proxy, proxy.url()


def stream(page: Opened, url: str, key: str = "") -> None:
    """A request from the page's own origin, which nobody waits for."""
    page.page.evaluate(
        """([url, key]) => { fetch(url, {method: "POST", body: '{"stream": true}',
        headers: {"Content-Type": "application/json", "X-Imax-Tag": "team=red", Authorization: `Bearer ${key}`}}); }""",
        [f"{url}/v1/chat/completions", key],
    )


def test_a_stream_shows_while_it_goes_on_and_the_page_outlives_the_proxy(
    browser: object, command: Command, engine: ScriptedEngine
) -> None:
    proxy, url = start(command, engine)
    with opened(browser, f"{url}/imax/") as page:
        state_is(page, "live")
        stream(page, url)
        page.page.locator("#streams-table td", has_text="team=red").wait_for()
        page.page.locator("#charts .tokens.figure", has_text=re.compile("[1-9]")).wait_for()
        before = page.page.inner_text("#elapsed")
        page.page.locator("#elapsed", has_not_text=before).wait_for()
        assert page.complaints == []
        assert all(asked.startswith(url) for asked in page.requests)
        proxy.send(signal.SIGKILL)
        proxy.wait()
        state_is(page, "lost")
        assert "no answer from the proxy; trying again" in page.page.inner_text("#alarm")
        start(command, engine, int(url.rpartition(":")[2]))
        state_is(page, "live")


def test_a_proxy_with_keys_asks_for_one(browser: object, command: Command, engine: ScriptedEngine) -> None:
    command.environment["IMAXPROXY_KEYS"] = "alice:sk-alice-of-the-page"
    _, url = start(command, engine)
    with opened(browser, f"{url}/imax/") as page:
        state_is(page, "key")
        page.page.fill("#key", "sk-wrong")
        page.page.press("#key", "Enter")
        page.page.locator("#key[placeholder*='not known']").wait_for()
        page.page.fill("#key", "sk-alice-of-the-page")
        page.page.press("#key", "Enter")
        state_is(page, "live")
        assert not page.page.is_visible("#key-form")
        stream(page, url, "sk-alice-of-the-page")
        page.page.locator("#streams-table td", has_text="alice").wait_for()
    with opened(browser, f"{url}/imax/#key=sk-alice-of-the-page") as page:
        state_is(page, "live")
        assert page.page.url == f"{url}/imax/"
        assert page.complaints == []
