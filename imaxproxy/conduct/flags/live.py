"""`--live-port`: a replay's live feed for viewers in other processes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import click

from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.live.feed import PlayerFeed

LIVE_PORT_OPTION = click.option(
    "--live-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve /imax/live on 127.0.0.1 there while the load runs, for `imaxproxy top` and curl. 0: any free one.",
)


def check_live_port(flags: dict[str, Any]) -> None:
    """Raises UsageError where there is nothing to watch."""
    if flags.get("live_port") is None:
        return
    if flags.get("virtual"):
        raise UsageError("--live-port: --virtual is over before anybody can watch; leave one out")


@contextlib.contextmanager
def served_live(feed: PlayerFeed, port: int | None) -> Iterator[None]:
    """Within, viewers can come. Raises UsageError when the port cannot be had."""
    if port is None:
        yield
        return
    from imaxproxy.live.feed.server import PATH, FeedServer

    server = FeedServer(port, feed.watch)
    say(f"imaxproxy: watch it live: imaxproxy top {server.url} (or curl -N {server.url}{PATH})")
    try:
        yield
    finally:
        server.close()
