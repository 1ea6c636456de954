"""`imaxproxy report RUN... -o report.html`."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.threshold import threshold_of
from imaxproxy.conduct.output import print_json, say
from imaxproxy.economics import Terms
from imaxproxy.errors import UsageError
from imaxproxy.report.content import DETAILS, Asked, Report
from imaxproxy.report.page import page_of
from imaxproxy.runs.imports import read_baselines
from imaxproxy.runs.points import MACHINE

_OF_THE_PAGE = ("title", "baselines", "by", "details", "threshold")
_FLAG_NAMES = {"baselines": "baseline"}
_MONEY = ("price", "power_price", "pue")
PAGE_OPTIONS = [
    click.option(
        "-o",
        "--output",
        metavar="FILE.html",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write one page that opens offline, of all RUNs.",
    ),
    click.option("--title", help="With -o: its title.  [default: what the runs have in common]"),
    click.option(
        "--baseline",
        "baselines",
        multiple=True,
        metavar="FILE[,NAME=VALUE,..]",
        help="With -o, --charts: what others measured, as `frontier` takes it.  Repeatable.",
    ),
    click.option(
        "--by", help=f"With -o: what of an engine makes a machine of its own.  [default: {','.join(MACHINE)}]"
    ),
    click.option(
        "--details",
        type=click.IntRange(0),
        metavar="N",
        help="With -o: runs with a timeline and requests.  [default: 8]",
    ),
    click.option(
        "--threshold", metavar="X", help="With -o: a change that matters between compared runs.  [default: 5%]"
    ),
]


def page_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """Add them to a command."""
    for option in reversed(PAGE_OPTIONS):
        command = option(command)
    return command


def check_page_flags(flags: dict[str, Any]) -> None:
    """Raises UsageError for flags of pages and pictures where neither is wanted."""
    given = [name for name in _OF_THE_PAGE if flags[name] not in (None, ())]
    if given and flags["output"] is None and flags["charts"] is None:
        raise UsageError(f"--{_FLAG_NAMES.get(given[0], given[0])} goes with -o FILE.html")


def check_output(output: Path | None) -> None:
    """Before anything long is begun. Raises UsageError where the page could not be written."""
    if output is not None and not output.parent.is_dir():
        raise UsageError(f"-o {output}: there is no folder {output.parent}")


def asked_of(flags: dict[str, Any]) -> Asked:
    """What is wanted of the runs. Raises UsageError for flags that cannot be, or a baseline that cannot be read."""
    by = [word.strip() for word in (flags["by"] or ",".join(MACHINE)).split(",") if word.strip()]
    if not by:
        raise UsageError("--by names what makes a machine: model,gpu,engine,precision")
    return Asked(
        baselines=[baseline for spec in flags["baselines"] for baseline in read_baselines(spec)],
        terms=Terms.of(flags) if any(flags[name] is not None for name in _MONEY) else None,
        by=by,
        details=DETAILS if flags["details"] is None else flags["details"],
        threshold=threshold_of(flags["threshold"] or "5%"),
    )


def write_page(report: Report, flags: dict[str, Any], *, as_json: bool = False) -> None:
    """Write the page whole or not at all, say where it lies and what is not in it."""
    output: Path = flags["output"]
    page = page_of(report, flags["title"] or report.title, shlex.join(["imaxproxy", *sys.argv[1:]]))
    _write(output, page)
    if as_json:
        print_json(
            {
                "schema": "imaxproxy.report-written/1",
                "path": str(output),
                "bytes": len(page),
                "points": len(report.points),
                "runs": len(report.runs),
                "left_out": [{"path": each.path, "why": each.why} for each in report.left_out],
                "notes": report.notes,
            }
        )
        return
    for each in report.left_out:
        say(f"left out: {each.path}: {each.why}")
    for note in report.notes:
        say(note)
    print(f"{output}  {len(report.points)} operating points of {len(report.runs)} runs, {len(page) / 1e6:.1f} MB")


def _write(output: Path, page: bytes) -> None:
    beside = output.with_name(f"{output.name}.part")
    try:
        beside.write_bytes(page)
        beside.replace(output)
    except OSError as error:
        raise UsageError(f"-o {output} cannot be written: {error.strerror}") from error
