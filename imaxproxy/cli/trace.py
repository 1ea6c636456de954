"""`imaxproxy trace inspect | validate`."""

from pathlib import Path

import click

from imaxproxy.cli.output import print_json
from imaxproxy.errors import UsageError
from imaxproxy.traces import FORMATS, inspect_trace, open_trace


def _options(command: "click.decorators.FC") -> "click.decorators.FC":
    command = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")(command)
    command = click.option("--format", "format_", type=click.Choice(["auto", *FORMATS]), default="auto")(command)
    return click.argument("file", metavar="FILE", type=click.Path(path_type=Path))(command)


@click.group(short_help="Look at a trace: what is in it, is it sound.")
def trace() -> None:
    """Look at a trace file before you replay it."""


@trace.command()
@_options
@click.option("--skip-bad", is_flag=True, help="Count lines that are broken instead of stopping at the first.")
def inspect(file: Path, format_: str, *, as_json: bool, skip_bad: bool) -> None:
    """Say what a trace is: format, requests, sessions, lengths, arrivals, prefix reuse."""
    described = inspect_trace(open_trace(file, format=format_, skip_bad=skip_bad))
    if as_json:
        print_json(described)
        return
    for name, value in _flat(described):
        click.echo(f"{name:34} {value}")


@trace.command()
@_options
def validate(file: Path, format_: str, *, as_json: bool) -> None:
    """Read every line; exit 2 and name the first broken ones when there are any."""
    checked = open_trace(file, format=format_, skip_bad=True)
    for _ in checked:
        pass
    if as_json:
        counts = {"format": checked.format, "requests": checked.rows, "broken": checked.skipped}
        print_json({**counts, "examples": checked.skipped_examples, "unknown_fields": dict(checked.unknown_fields)})
    else:
        for example in checked.skipped_examples:
            click.echo(example, err=True)
        click.echo(f"{checked.format}: {checked.rows} requests, {checked.skipped} broken lines")
    if checked.skipped:
        raise UsageError(f"{file}: {checked.skipped} broken lines; `imaxproxy replay --skip-bad` would leave them out")


def _flat(value: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, item in value.items():
        if isinstance(item, dict):
            rows += _flat(item, f"{prefix}{name}.")
        elif item not in (None, []):
            rows.append((f"{prefix}{name}", f"{item:,.4g}" if isinstance(item, float) else item))
    return rows
