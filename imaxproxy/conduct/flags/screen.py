"""The live screen of the commands that measure: on a terminal by itself, elsewhere the lines as ever."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.errors import UsageError

if TYPE_CHECKING:
    from imaxproxy.live.screen.host import HostedScreen


def screen_option(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flag that `screen_of` reads."""
    return click.option(
        "--screen/--no-screen",
        default=None,
        help="The live screen while it runs.  [default: on a terminal]",
    )(command)


@contextlib.contextmanager
def screen_of(
    flags: dict[str, Any], title: str, *, url: str | None = None, key: str | None = None
) -> "Iterator[HostedScreen | None]":
    """Open while the command runs; None where there is none. Raises UsageError for `--screen` without a terminal.

    url, key: of the proxy that it asks by itself; without, snapshots are handed to it.
    """
    from imaxproxy.live.screen.host import HostedScreen, can_show

    wanted = flags["screen"]
    if wanted and not can_show():
        raise UsageError("--screen needs a terminal for keys and for stderr: leave it out")
    if wanted is False or not can_show():
        yield None
        return
    with HostedScreen(title, url=url, key=key) as screen:
        yield screen
