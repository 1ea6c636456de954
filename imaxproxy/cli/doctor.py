"""`imaxproxy doctor`."""

import sys
from dataclasses import asdict

import click

from imaxproxy.cli.machine import BAD, Finding, look
from imaxproxy.conduct.output import print_json

_COLOURS = {"ok": "green", "note": "yellow", BAD: "bold red"}


@click.command(short_help="Look at this machine: what would spoil a measurement, and what mends it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def doctor(as_json: bool) -> int:
    """Look at what a measurement on this machine depends on: Python, event loop, clock, descriptors, cores, sensors.

    Exit 1 when something is bad: figures taken here would not be worth much.
    """
    findings = look()
    if as_json:
        print_json({"schema": "imaxproxy.doctor/1", "findings": [asdict(each) for each in findings]})
    else:
        _print(findings)
    return 1 if any(each.state == BAD for each in findings) else 0


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for width in (4, 12):
        grid.add_column(width=width)
    grid.add_column(overflow="fold")
    for each in findings:
        mend = f"; {each.mend}" if each.mend else ""
        grid.add_row(f"[{_COLOURS[each.state]}]{each.state}[/]", each.what, escape(each.says + mend))
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(grid)
