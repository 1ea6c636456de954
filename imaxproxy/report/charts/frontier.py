"""Operating points on two axes, with the frontier of each machine through them."""

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imaxproxy.economics import Axis, Frontier, Spot
from imaxproxy.report.charts.style import MUTED, Look, label_of, look_of, told_apart
from imaxproxy.report.content import PUBLISHED, OperatingPoint
from imaxproxy.runs.axes import AXES

_CURVE_STEPS = 80
_LOG_FROM = 25.0
"""A span of values above which small ones would lie on the axis."""
_LABELLED = 40
"""Points whose load is written beside them, at most: more would be a smear."""
_TITLE_LETTERS = 44
"""What fits beside a picture's height."""
_NAMES = {"interactivity": "Interactivity", "e2e_interactivity": "Interactivity over E2E"}


@dataclass(frozen=True, slots=True)
class Series:
    """One machine on two axes."""

    name: str
    simulated: bool
    published: bool
    spots: tuple[Spot, ...]


def series_of(points: Sequence[OperatingPoint], x: str, y: str) -> list[Series]:
    """By machine, in the order of their first points; points that lack either metric are left out."""
    by_machine: dict[str, list[OperatingPoint]] = defaultdict(list)
    for point in points:
        if x in point.values and y in point.values:
            by_machine[point.machine].append(point)
    return [
        Series(
            name,
            any(point.simulated for point in found),
            all(point.kind == PUBLISHED for point in found),
            tuple(Spot(point.values[x], point.values[y], point.load) for point in found),
        )
        for name, found in by_machine.items()
    ]


def metric_title(axis: Axis) -> str:
    """What it is and its unit, as people say it: `TTFT p99, ms`."""
    unit = axis.unit
    if unit.startswith("ms, "):
        return f"{unit.removeprefix('ms, ')}, ms"
    named = next((name for key, name in _NAMES.items() if axis.name.startswith(key)), None)
    return f"{named}: {unit}" if named else unit


def axis_title(axis: Axis) -> str:
    """What stands beside an axis: the metric, and which way is better; of two lines where one would be too long."""
    better = f"({'higher' if axis.higher_is_better else 'lower'} is better)"
    title = metric_title(axis)
    return (
        "\n".join(textwrap.wrap(f"{title} {better}", _TITLE_LETTERS))
        if len(title) > _TITLE_LETTERS
        else f"{title}  {better}"
    )


def draw_frontier(figure: Any, series: Sequence[Series], x: str, y: str) -> None:  # noqa: ANN401 (matplotlib's figure)
    """Points, error bars of repeats, the curve through each frontier; what is beaten is pale.

    An axis is logarithmic where its values span more than 25 to 1. Raises ValueError without a series.
    """
    if not series:
        raise ValueError("a frontier needs a series")
    x_axis, y_axis = AXES[x][0], AXES[y][0]
    axes = figure.subplots()
    short = told_apart([one.name for one in series])
    labelled = sum(len(one.spots) for one in series) <= _LABELLED
    for place, one in enumerate(series):
        look = look_of(place, simulated=one.simulated, published=one.published)
        frontier = Frontier(x_axis, y_axis, one.spots)
        _draw(axes, frontier, look, label_of(short[one.name], simulated=one.simulated))
        if labelled:
            _write_loads(axes, frontier.spots, rises=x_axis.higher_is_better != y_axis.higher_is_better)
    for name, axis in (("x", x_axis), ("y", y_axis)):
        values = [getattr(spot, name).mean for one in series for spot in one.spots]
        getattr(axes, f"set_{name}label")(axis_title(axis))
        if min(values) > 0 and max(values) / min(values) > _LOG_FROM:
            getattr(axes, f"set_{name}scale")("log")
        else:
            getattr(axes, f"set_{name}lim")(0, max(values) * 1.08 or 1)
        plain_numbers(getattr(axes, f"{name}axis"))
    legend_beside(figure, axes)


def _draw(axes: Any, frontier: Frontier, look: Look, label: str) -> None:  # noqa: ANN401
    least, most = frontier.reach
    if most > least:
        xs = [least + (most - least) * step / _CURVE_STEPS for step in range(_CURVE_STEPS + 1)]
        read = [(at, estimate.y) for at in xs if (estimate := frontier.at(at)) is not None]
        axes.plot(*zip(*read, strict=True), **look.line, zorder=2)
    for spots, alpha in ((frontier.dominated, 0.35), (frontier.spots, 1.0)):
        xs, ys = [spot.x.mean for spot in spots], [spot.y.mean for spot in spots]
        if any(spot.x.count > 1 for spot in spots):
            bars = {"xerr": _reaches(spots, "x"), "yerr": _reaches(spots, "y")}
            axes.errorbar(
                xs, ys, **bars, fmt="none", ecolor=look.colour, capsize=3, elinewidth=1, alpha=alpha, zorder=3
            )
        axes.plot(xs, ys, linestyle="none", markersize=6, alpha=alpha, zorder=4, **look.points)
    style = {**look.points, **look.line}
    axes.plot([], [], label=label, markersize=6, **style)  # the legend's: line and point in one


def _reaches(spots: Sequence[Spot], name: str) -> list[list[float]]:
    """How far each interval reaches to either side; 0 where a load was played once."""
    intervals = [getattr(spot, name) for spot in spots]
    return [
        [0.0 if one.low is None else max(0.0, one.mean - one.low) for one in intervals],
        [0.0 if one.high is None else max(0.0, one.high - one.mean) for one in intervals],
    ]


def _write_loads(axes: Any, spots: Sequence[Spot], *, rises: bool) -> None:  # noqa: ANN401
    """Beside the curve: below one that rises, above one that falls."""
    for spot in spots:
        text = spot.label.replace("concurrency ", "c").replace("rate ", "")
        beside = {"textcoords": "offset points", "xytext": (5, -10 if rises else 5)}
        axes.annotate(text, (spot.x.mean, spot.y.mean), fontsize=7, color=MUTED, zorder=5, **beside)


def plain_numbers(axis: Any) -> None:  # noqa: ANN401
    """20,000 and 0.05, on linear and logarithmic axes alike; these have a number at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_beside(figure: Any, axes: Any) -> None:  # noqa: ANN401
    """Right of the drawing, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside right upper", handlelength=3.2)
