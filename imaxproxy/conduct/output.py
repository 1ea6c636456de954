"""How commands print: tables for people, one JSON object for machines."""

import sys
from typing import Any

import orjson

from imaxproxy.runs import RunDirectory


def print_result(summary: dict[str, Any], run: RunDirectory, *, as_json: bool) -> None:
    """The summary on stdout, as a table or as JSON."""
    if as_json:
        print_json({**summary, "run": str(run.path)})
        return
    from rich.console import Console

    from imaxproxy.report import print_summary

    width = None if sys.stdout.isatty() else 120
    print_summary(Console(highlight=False, width=width), summary, str(run.path))


def print_repeats(result: dict[str, Any], run: RunDirectory, *, as_json: bool) -> None:
    """`repeats.json` on stdout, as a table or as JSON."""
    if as_json:
        print_json({**result, "run": str(run.path)})
        return
    from rich.console import Console

    from imaxproxy.report import print_repeats as print_table

    width = None if sys.stdout.isatty() else 120
    print_table(Console(highlight=False, width=width), result, str(run.path))


def print_json(value: dict[str, Any]) -> None:
    """One indented JSON object on stdout."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def say(message: str) -> None:
    """One line for people, on stderr: stdout is for results."""
    print(message, file=sys.stderr, flush=True)
