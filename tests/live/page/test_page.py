"""The live page in a browser: what a person sees, with a mouse, with a keyboard, on a telephone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from chromium import DESKTOP, PHONE, Opened, chromium, opened

from imaxproxy.live.page import live_site
from imaxproxy.live.screen.distribution import percentile
from imaxproxy.live.screen.numbers import age, clock, figure, milliseconds, percent, whole
from live.samples import MEASURED, row
from live.screen.feeds import Handler, serving

pytestmark = pytest.mark.browser

SITE = live_site()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


class Feed:
    """What the page is told; it can be changed while it is open."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows

    def __call__(self, asked: Handler) -> None:
        path = asked.path.partition("?")[0]
        if path == "/imax/live":
            asked.events(*self.rows)
            asked.rfile.read()  # until it is let go
        elif path in SITE:
            asked.head(200, SITE[path].content_type)
            asked.wfile.write(SITE[path].body)
        else:
            asked.head(404, "text/plain")


@contextmanager
def shown(
    browser: Any,  # noqa: ANN401
    *rows: dict[str, Any],
    size: tuple[int, int] = DESKTOP,
    **context: Any,  # noqa: ANN401
) -> Iterator[Opened]:
    with (
        serving(Feed(*rows)) as server,
        opened(browser, f"http://127.0.0.1:{server.port}/imax/", size, **context) as page,
    ):
        until(page, "document.getElementById('status').dataset.state === 'live'")
        yield page
        assert page.complaints == []
        assert all(url.startswith(f"http://127.0.0.1:{server.port}/imax/") for url in page.requests)


def until(opened: Opened, condition: str) -> None:
    opened.page.wait_for_function(condition, timeout=15_000)


def text(opened: Opened, selector: str) -> str:
    return str(opened.page.inner_text(selector))


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_panels_fit(browser: object, size: tuple[int, int], scheme: str) -> None:
    with shown(browser, row(2, **MEASURED), size=size, color_scheme=scheme) as page:
        for wanted in ("6,214 W", "$0.43 per million output", "98.2 %", "valid", "114 running"):
            assert wanted in text(page, "#economy")
        assert figure(row()["now"]["output_tokens_per_s"]) in text(page, "#throughput")
        assert milliseconds(row()["now"]["ttft_ms"]["p50"]) in text(page, "#latency")
        assert row()["in_flight"]["streams"][0]["id"] in text(page, "#streams")
        assert "DOWN b" in text(page, "#groups")
        assert next(iter(row()["errors"])) in text(page, "#errors")
        assert "1,750 of 4,000 requests, 1:23 left" in text(page, "#progress")
        assert page.overflow_px <= 0
        ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(14, 17, 22)") == (scheme == "dark")


def test_simulated_figures_say_so(browser: object) -> None:
    with shown(browser, row(2)) as page:
        assert text(page, "#simulated") == "SIMULATED"
        assert page.page.title().startswith("SIMULATED")
        after = page.page.evaluate("getComputedStyle(document.querySelector('#latency h2'), '::after').content")
        assert "simulated" in after
    with shown(browser, row(2, **MEASURED)) as page:
        assert not page.page.is_visible("#simulated")


def test_a_meter_that_is_not_valid_is_shouted(browser: object) -> None:
    meter = row()["meter"] | {"valid": False, "reasons": ["loop lag p99 is 9 ms"]}
    with shown(browser, row(2, meter=meter)) as page:
        assert text(page, "#alarm") == "these figures are not to be believed: loop lag p99 is 9 ms"


def test_names_from_the_network_are_text(browser: object) -> None:
    bad = "<img src=x onerror=alert(1)>"
    streams = {"count": 1, "waiting": 0, "left_off": 0, "streams": [row()["in_flight"]["streams"][0] | {"id": bad}]}
    with shown(browser, row(2, in_flight=streams, title=bad, errors={bad: 1})) as page:
        assert bad in text(page, "#streams")
        assert text(page, "#title") == bad
        assert page.page.query_selector("img") is None


def test_the_keyboard_reaches_everything(browser: object) -> None:
    with shown(browser, row(1), row(2)) as page:
        press = page.page.keyboard.press
        press("Space")
        assert "paused at" in text(page, "#alarm")
        assert page.page.get_attribute("#pause", "aria-pressed") == "true"
        press("Space")
        press("2")
        assert next(iter(row()["by"]["model"])) in text(page, "#groups")
        press("/")
        wanted = row()["in_flight"]["streams"][1]["id"]
        page.page.keyboard.type(wanted[:10])
        assert page.page.locator("#streams-table tbody tr").count() == 1
        press("Escape")
        assert page.page.locator("#streams-table tbody tr").count() > 1
        press("?")
        assert page.page.is_visible("#keys")
        press("Escape")
        assert not page.page.is_visible("#keys")
        reached = set()
        for _ in range(60):
            press("Tab")
            reached.add(page.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert {"pause", "window", "theme", "help", "filter", "age", "model"} <= reached


def test_heads_of_columns_sort(browser: object) -> None:
    with shown(browser, row(2)) as page:
        head = page.page.locator("#streams-table th", has_text="age")
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        first = "#streams-table tbody tr:first-child"
        ages = [stream["age_s"] for stream in row()["in_flight"]["streams"]]
        assert age(max(ages)) in text(page, first)
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert age(min(ages)) in text(page, first)


def test_a_frozen_window_holds_what_came_within(browser: object) -> None:
    feed = Feed(row(1))
    with serving(feed) as server, opened(browser, f"http://127.0.0.1:{server.port}/imax/") as page:
        until(page, "document.getElementById('status').dataset.state === 'live'")
        page.page.click("#window")
        feed.rows = (row(2),)
        server.let_go()
        seconds = clock(row(2)["elapsed_s"] - row(1)["elapsed_s"])
        until(page, f"document.getElementById('latency-table').textContent.includes('window {seconds}')")
        counts = [row(number)["run"]["ttft_ms"]["count"] for number in (1, 2)]
        counted = page.page.inner_text("#latency-table tbody tr:first-child td.count")
        assert counted == whole(counts[1] - counts[0])


def test_a_proxy_that_dies_is_told_and_found_again(browser: object) -> None:
    feed = Feed(row(1))
    with serving(feed) as server, opened(browser, f"http://127.0.0.1:{server.port}/imax/") as page:
        until(page, "document.getElementById('status').dataset.state === 'live'")
        feed.rows = ()
        server.answer = lambda asked: asked.head(503, "application/json")
        server.let_go()
        until(page, "document.getElementById('status').dataset.state === 'lost'")
        until(page, "document.getElementById('alarm').textContent.includes('the proxy answers 503; trying again')")
        until(page, "document.getElementById('main').hasAttribute('data-stale')")
        feed.rows = (row(2),)
        server.answer = feed
        until(page, "document.getElementById('status').dataset.state === 'live'")
        until(page, f"document.getElementById('elapsed').textContent === '{clock(row(2)['elapsed_s'])}'")


def test_the_page_counts_as_the_terminal_does(browser: object) -> None:
    """One meter, one way to write a number."""
    values = [None, 0, 4.2e-4, 0.042, 0.42, 4.21, 9.996, 42.1, 99.96, 421, 4210, 999_499, 999_600, 4.2e7, 4.2e9]
    shares = [None, 0, 1e-5, 0.0042, 0.123, 0.982, 0.9996, 1]
    writers: dict[str, tuple[Callable[[Any], str], list[Any]]] = {
        "figure": (figure, values),
        "whole": (whole, values),
        "age": (age, [None, 0.04, 0.996, 4.2, 9.96, 42, 99.6, 724]),
        "clock": (clock, [0, 42.9, 724, 3723]),
        "percent": (percent, shares),
    }
    with shown(browser, row(2)) as page:
        for name, (writer, given) in writers.items():
            wrote = page.page.evaluate(
                f"async (given) => given.map((await import('./figures.js')).{name})",
                given,
            )
            assert wrote == [writer(value) for value in given], name
        for metric in ("ttft_ms", "itl_ms", "tps_per_user", "e2e_ms"):
            buckets = row()["run"][metric]["buckets"]
            found = page.page.evaluate(
                "async (buckets) => (await import('./figures.js')).percentile(buckets, 0.9)", buckets
            )
            assert found == pytest.approx(percentile(tuple((upper, count) for upper, count in buckets), 0.9))
