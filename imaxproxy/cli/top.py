"""`imaxproxy top`: a running proxy, on the screen."""

import sys
from typing import Any

import click

from imaxproxy.errors import UsageError
from imaxproxy.wire import BaseUrl


@click.command(short_help="Watch a running proxy: throughput, latency, streams in flight.")
@click.argument("url", metavar="[URL]", default="http://127.0.0.1:8080")
@click.option("--key", envvar="IMAXPROXY_KEY", help="Of a proxy that asks for keys.  [env: IMAXPROXY_KEY]")
@click.option("--once", is_flag=True, help="One look, then end.")
@click.option("--json", "as_json", is_flag=True, help="The snapshots themselves, one JSON object a line.")
@click.option("--plain", is_flag=True, help="One line of text a second instead of the screen.")
def top(url: str, key: str | None, **flags: Any) -> int:  # noqa: ANN401 (click hands over what the options above name)
    """Watch the proxy at URL (http://127.0.0.1:8080) while traffic flows, requests still in flight included.

    \b
    imaxproxy top
    imaxproxy top http://10.0.0.7:8080 --once
    imaxproxy top --json | jq .now.output_tokens_per_s

    On a terminal it is a screen with keys (? lists them), elsewhere a line a second. docs/live.md has the whole.
    """
    at = _at(url)
    if flags["once"]:
        return _once(at, key, as_json=flags["as_json"])
    if flags["as_json"] or flags["plain"] or not _has_screen():
        return _lines(at, key, as_json=flags["as_json"])
    return _screen(at, key)


def _at(url: str) -> BaseUrl:
    """The proxy; any of its own pages names it too."""
    address = url if "://" in url else f"http://{url}"
    head, own, _ = address.partition("/imax")
    parsed = BaseUrl.parse(head if own else address, "URL")
    if parsed.port == 0:
        raise UsageError(f"URL {url} names port 0: give the port that the proxy said it listens on")
    return parsed


def _has_screen() -> bool:
    from imaxproxy.live.screen.host import can_show

    return can_show() and sys.stdout.isatty()


def _once(url: BaseUrl, key: str | None, *, as_json: bool) -> int:
    from imaxproxy.conduct.output import print_json
    from imaxproxy.live.screen.feed import once
    from imaxproxy.live.snapshot import Snapshot

    row = once(url, key)
    snapshot = Snapshot.of(row)
    if as_json:
        print_json(row)
        return 0
    from rich.console import Console
    from rich.text import Text

    from imaxproxy.live.screen.frame import frame
    from imaxproxy.live.screen.scene import Link, Scene
    from imaxproxy.live.screen.view import View

    console = Console(highlight=False, markup=False)
    width, height = console.size if sys.stdout.isatty() else (120, 40)
    lines = frame(Scene(snapshot, View(), Link("live")), width, height - 1)[:-1]
    Console(highlight=False, markup=False, width=width).print(Text("\n").join(lines), soft_wrap=True)
    return 0


def _lines(url: BaseUrl, key: str | None, *, as_json: bool) -> int:
    """To the feed's end; that it cannot be had is told on stderr, with exit 1."""
    import orjson

    from imaxproxy.live.screen.feed import events
    from imaxproxy.live.screen.plain import line
    from imaxproxy.live.snapshot import Snapshot

    for row in events(url, key):
        snapshot = Snapshot.of(row)
        print(orjson.dumps(row).decode() if as_json else line(snapshot), flush=True)
    return 0


def _screen(url: BaseUrl, key: str | None) -> int:
    from imaxproxy.live.screen.app import App
    from imaxproxy.live.screen.feed import EventFeed
    from imaxproxy.live.screen.terminal import Terminal

    with Terminal(0, 1) as terminal:
        App(terminal, EventFeed(url, key), str(url)).run()
    return 0
