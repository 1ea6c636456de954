"""Requests as bars over time: waiting for the first token, reasoning, answering."""

from typing import Any

from imaxproxy.report.charts.style import COLOURS, INK
from imaxproxy.report.content import Bar, Waterfall

_PARTS = {"waiting": "#c9ced6", "reasoning": COLOURS[5], "answer": COLOURS[2]}


def draw_waterfall(figure: Any, waterfall: Waterfall) -> None:  # noqa: ANN401 (matplotlib's figure)
    """The sample that the waterfall is, first sent on top; a cross ends what failed or was cut."""
    axes = figure.subplots()
    spans: dict[str, list[tuple[int, float, float]]] = {name: [] for name in _PARTS}
    crosses: list[tuple[float, int]] = []
    for row, bar in enumerate(waterfall.bars):
        for name, begin_ms, end_ms in _parts(bar):
            spans[name].append((row, begin_ms / 1000, end_ms / 1000))
        if bar.outcome in ("failed", "truncated"):
            crosses.append((bar.ended_ms / 1000, row))
    for name, colour in _PARTS.items():
        rows = [row for row, _, _ in spans[name]]
        lefts = [begin for _, begin, _ in spans[name]]
        widths = [end - begin for _, begin, end in spans[name]]
        if rows:
            axes.barh(rows, widths, left=lefts, height=0.82, color=colour, label=name, linewidth=0)
    if crosses:
        axes.plot(*zip(*crosses, strict=True), "x", color=COLOURS[1], markersize=5, label="failed or cut")
    axes.set_ylim(len(waterfall.bars) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.set_ylabel("requests, by send", color=INK)
    axes.set_xlabel("seconds from the first send")
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside right upper")


def _parts(bar: Bar) -> list[tuple[str, float, float]]:
    """What it did from when to when, in ms; what never came is left out."""
    if bar.first_token_ms is None:
        return [("waiting", bar.sent_ms, bar.ended_ms)]
    parts = [("waiting", bar.sent_ms, bar.first_token_ms)]
    answer_ms = bar.first_answer_ms
    if answer_ms is None:
        return [*parts, ("reasoning", bar.first_token_ms, bar.ended_ms)]
    if answer_ms > bar.first_token_ms:
        parts.append(("reasoning", bar.first_token_ms, answer_ms))
    return [*parts, ("answer", answer_ms, bar.ended_ms)]
