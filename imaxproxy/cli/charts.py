"""`imaxproxy report --charts`: its flags, and the pictures it writes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.report.charts import AXIS_PAIRS, FORMATS, charts_of, write_charts
from imaxproxy.report.content import Report
from imaxproxy.runs.axes import AXES

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def chart_options(function: _Decorated) -> _Decorated:
    """The flags of pictures."""
    for option in (
        click.option(
            "--axes",
            "axis_pairs",
            multiple=True,
            metavar="X:Y",
            help="With --charts: these frontiers and no others, by the names of `frontier --x`.  Repeatable.",
        ),
        click.option(
            "--format",
            "chart_format",
            type=click.Choice(FORMATS),
            default=FORMATS[0],
            help="Of the charts.",
            show_default=True,
        ),
        click.option(
            "--charts", type=click.Path(path_type=Path), metavar="DIR", help="Write every chart of RUN... as a picture."
        ),
    ):
        function = option(function)
    return function


def draw_charts(report: Report, flags: dict[str, Any]) -> list[Path]:
    """Write the pictures, and say where. Raises UsageError for what cannot be drawn, or has nothing to draw."""
    folder: Path = flags["charts"]
    pairs = [_pair(text) for text in flags["axis_pairs"]] or AXIS_PAIRS
    paths = write_charts(charts_of(report, pairs), folder, flags["chart_format"])
    if not paths:
        raise UsageError("there is nothing to draw: one run without latencies, or metrics that no two points have")
    say(f"imaxproxy: {len(paths)} charts in {folder}")
    for each in report.left_out:
        say(f"imaxproxy: left out: {each.path}: {each.why}")
    for note in report.notes:
        say(f"imaxproxy: {note}")
    return paths


def check_chart_flags(flags: dict[str, Any]) -> None:
    """Before anything is read. Raises UsageError for axes that are none."""
    pairs: Sequence[str] = flags["axis_pairs"]
    if pairs and flags["charts"] is None:
        raise UsageError("--axes says which charts to draw: add --charts DIR, or leave it out")
    for text in pairs:
        _pair(text)


def _pair(text: str) -> tuple[str, str]:
    x, colon, y = text.partition(":")
    for name in (x, y) if colon else ():
        if name not in AXES:
            raise UsageError(
                f"--axes {text}: there is no metric {name or 'without a name'}; there are {', '.join(AXES)}"
            )
    if not colon or x == y:
        raise UsageError(f"--axes is two metrics, interactivity:total_per_gpu, not {text}")
    return x, y
