"""One picture: what it is called, who draws it, and how it becomes a file that is the same for the same data."""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imaxproxy.errors import UsageError
from imaxproxy.report.charts.style import INK, MUTED, SIMULATED_INK, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")
_DPI = 144
_SIMULATED = "SIMULATED, not measured"
_TITLE_IN, _LINE_IN = 0.36, 0.2
"""Height of a title, and of a line of small print, in inches."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a picture shows. `draw` is handed an empty subfigure, below the title and above the small print."""

    name: str
    """Of its file, without a suffix."""
    title: str
    draw: Callable[[Any], None]
    simulated: bool
    subtitle: str = ""
    notes: tuple[str, ...] = ()
    """Small print: what it leaves out, what to know before it is believed."""
    size_in: tuple[float, float] = (10.0, 5.6)


def write_charts(charts: Iterable[Chart], folder: Path, format: str) -> list[Path]:
    """Draw them all. Raises UsageError without matplotlib, or where the folder cannot be written."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("charts need matplotlib: pip install 'imaxproxy[charts]'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(chart, folder / f"{chart.name}.{format}", format) for chart in charts]
    except OSError as error:
        raise UsageError(f"--charts {folder} cannot be written: {error.strerror}") from error


def _write(chart: Chart, path: Path, format: str) -> Path:
    import matplotlib

    style: Any = {**STYLE, "svg.hashsalt": chart.name}  # whether its names are typed depends on what is installed
    with matplotlib.rc_context(style):
        figure = _figure(chart)
        metadata = {"Date": None, "Creator": "imaxproxy"} if format == "svg" else {"Software": "imaxproxy"}
        beside = path.with_name(f"{path.name}.part")
        figure.savefig(beside, format=format, dpi=_DPI, metadata=metadata)
    beside.replace(path)
    return path


def _figure(chart: Chart) -> "Figure":
    """Title and mark on top, the drawing, small print below: each has its own strip, so none lies on another."""
    from matplotlib.figure import Figure

    wide, high = chart.size_in
    head = _TITLE_IN + (_LINE_IN if chart.subtitle else 0.0)
    foot = _LINE_IN * len(chart.notes) + (0.08 if chart.notes else 0.0)
    whole = Figure(figsize=(wide, high + head + foot), layout="constrained")
    rows = [head, high] + ([foot] if chart.notes else [])
    parts: Any = whole.subfigures(len(rows), 1, height_ratios=rows, hspace=0)
    _write_head(parts[0], chart, head)
    chart.draw(parts[1])
    if chart.notes:
        for number, note in enumerate(chart.notes):
            at = 1 - (number + 0.5) * _LINE_IN / foot
            parts[2].text(0.012, at, note, fontsize=8, color=MUTED, va="center")
    _settle(whole)
    return whole


def _settle(figure: Any) -> None:  # noqa: ANN401 (matplotlib)
    """Lay it out once and round: the solver's places differ from run to run in their last bits, and so would files."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.p0, part.bbox_relative.p1 = part.bbox_relative.p0.round(6), part.bbox_relative.p1.round(6)
        for axes in part.axes:
            axes.set_position([round(edge, 6) for edge in axes.get_position().bounds])


def _write_head(part: Any, chart: Chart, height_in: float) -> None:  # noqa: ANN401 (matplotlib's SubFigure)
    part.text(0.012, 1 - 0.2 / height_in, chart.title, fontsize=12.5, fontweight="bold", color=INK, va="center")
    if chart.subtitle:
        part.text(0.012, 0.12 / height_in, chart.subtitle, fontsize=9, color=MUTED, va="center")
    if chart.simulated:
        box = {"boxstyle": "round,pad=0.35", "facecolor": SIMULATED_INK, "edgecolor": "none"}
        part.text(
            *(0.988, 1 - 0.2 / height_in), _SIMULATED, fontsize=9, fontweight="bold", color="white", ha="right",
            va="center", bbox=box,
        )  # fmt: skip
