"""`imaxproxy report --list`: its flags, and what it prints."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from imaxproxy.conduct.output import print_json
from imaxproxy.errors import UsageError
from imaxproxy.runs.catalogue import catalogue
from imaxproxy.runs.selection import Selection, moment

SCHEMA = "imaxproxy.catalogue/1"
_HOME = Path("imax-runs")
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_FILTERS = ("models", "gpus", "engines", "tags", "since", "until")


def list_options(function: _Decorated) -> _Decorated:
    """The flags of the catalogue."""
    for option in (
        click.option("--until", metavar="DAY", help="... to that day or moment."),
        click.option("--since", metavar="DAY", help="With --list: begun from that day or moment on, UTC ..."),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="With --list: runs with that tag."),
        click.option("--engine", "engines", multiple=True, metavar="NAME", help="With --list: of an engine or recipe."),
        click.option("--gpu", "gpus", multiple=True, metavar="NAME", help="With --list: on that GPU; b* for several."),
        click.option("--model", "models", multiple=True, metavar="PART", help="With --list: of models named so."),
        click.option("--list", "as_list", is_flag=True, help="List all runs below the folders given, newest first."),
    ):
        function = option(function)
    return function


def check_list_flags(flags: dict[str, Any]) -> None:
    """Raises UsageError for a filter without --list."""
    if flags["as_list"]:
        return
    if given := [name for name in _FILTERS if flags[name]]:
        raise UsageError(
            f"--{given[0].removesuffix('s')} chooses among the runs of --list: add --list, or leave it out"
        )


def list_runs(folders: Sequence[Path], flags: dict[str, Any]) -> None:
    """Print the catalogue of all runs below the folders; without any, of where runs go by default."""
    if not folders and not _HOME.is_dir():
        raise UsageError(f"there is no {_HOME} here: name the folders that your runs are in")
    selection = Selection(
        flags["models"],
        flags["gpus"],
        flags["engines"],
        flags["tags"],
        None if flags["since"] is None else moment(flags["since"], "--since"),
        None if flags["until"] is None else moment(flags["until"], "--until", is_end=True),
    )
    found = catalogue(folders or [_HOME])
    chosen = [entry for entry in found if entry in selection]
    if flags["as_json"]:
        print_json({"schema": SCHEMA, "found": len(found), "runs": [entry.as_dict() for entry in chosen]})
        return
    from rich.console import Console

    from imaxproxy.report.catalogue import print_catalogue

    print_catalogue(Console(highlight=False, width=None if sys.stdout.isatty() else 200), chosen, len(found))
