"""A run over time: arrivals, in flight, tokens/s, watts, one above the other on the same clock."""

from collections.abc import Mapping, Sequence
from typing import Any

from imaxproxy.report.charts.frontier import plain_numbers
from imaxproxy.report.charts.style import COLOURS, MUTED
from imaxproxy.report.content import RunTimeline

_WINDOWS = {"warmup": "#f3ede2", "drain": "#eceff3"}


def draw_timeline(figure: Any, timeline: RunTimeline, windows: Mapping[str, tuple[float, float]]) -> None:  # noqa: ANN401
    """windows: warm-up, steady and drain in seconds, those that the run has: what is not steady is shaded."""
    panels = [
        (
            "requests/s",
            [("sent", timeline.arrivals_per_s, COLOURS[0]), ("failed", timeline.failures_per_s, COLOURS[1])],
        ),
        ("in flight", [("all", timeline.in_flight, COLOURS[0]), ("no token yet", timeline.waiting, COLOURS[3])]),
    ]
    if timeline.tokens_known:
        panels.append(("output tokens/s", [("", timeline.output_tokens_per_s, COLOURS[2])]))
    if timeline.power_w is not None:
        panels.append(("W, boards", [("", timeline.power_w, COLOURS[5])]))
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    edges_s = [min(step * timeline.step_s, timeline.duration_s) for step in range(len(timeline.arrivals_per_s) + 1)]
    for axes, (title, lines) in zip(rows, panels, strict=True):
        _shade(axes, windows, named=axes is rows[0])
        _draw_steps(axes, edges_s, title, lines)
    rows[-1].set_xlabel("seconds from the first send")
    rows[-1].set_xlim(0, timeline.duration_s or 1)


def _draw_steps(
    axes: Any,  # noqa: ANN401
    edges_s: Sequence[float],
    title: str,
    lines: Sequence[tuple[str, Sequence[float], str]],
) -> None:
    for place, (label, values, colour) in enumerate(lines):
        if place and not any(values):  # no failures: no line on the axis
            continue
        axes.stairs(values, edges_s, color=colour, linewidth=1.4, label=label or None, fill=False)
    axes.set_ylabel(title)
    axes.set_ylim(bottom=0)
    plain_numbers(axes.yaxis)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.97), fontsize=8, ncols=2, borderpad=0)


def _shade(axes: Any, windows: Mapping[str, tuple[float, float]], *, named: bool) -> None:  # noqa: ANN401
    for name, colour in _WINDOWS.items():
        if name in windows:
            begin_s, end_s = windows[name]
            axes.axvspan(begin_s, end_s, color=colour, zorder=0, linewidth=0)
            if named and end_s > begin_s:
                at = (begin_s + end_s) / 2
                axes.text(
                    at, 1.02, name, transform=axes.get_xaxis_transform(), fontsize=8, color=MUTED, ha="center",
                )  # fmt: skip
