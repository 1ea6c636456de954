"""The options with which every `imaxproxy trace` command opens its FILE."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from imaxproxy.traces import FORMATS, Trace, open_trace


def options(
    *decorators: Callable[["click.decorators.FC"], "click.decorators.FC"],
) -> Callable[["click.decorators.FC"], "click.decorators.FC"]:
    """Several options as one decorator, in this order in `--help`."""

    def decorate(command: "click.decorators.FC") -> "click.decorators.FC":
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


reading = options(
    click.argument("file", metavar="FILE", type=click.Path(path_type=Path)),
    click.option(
        "--format", "format_", type=click.Choice(["auto", *FORMATS]), default="auto", help="Overrules what is found."
    ),
    click.option("--skip-bad", is_flag=True, help="Count broken records instead of stopping at the first."),
    click.option("--limit", type=int, metavar="N", help="Read the first N requests only."),
    click.option("--time-unit", type=click.Choice(["s", "ms", "us", "ns"]), help="The stamps' unit, where it is odd."),
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")


def opened(flags: dict[str, Any]) -> Trace:
    """The trace that the `reading` options name."""
    return open_trace(
        flags["file"],
        format=flags["format_"],
        skip_bad=flags["skip_bad"],
        limit=flags["limit"],
        time_unit=flags["time_unit"],
    )
