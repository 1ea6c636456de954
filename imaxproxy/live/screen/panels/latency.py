"""Latency: what users feel, now and over the run, and how it is distributed."""

from collections.abc import Callable

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.box import beside, fitted, joined
from imaxproxy.live.screen.distribution import cells_of, percentile
from imaxproxy.live.screen.glyphs import coloured_columns
from imaxproxy.live.screen.numbers import clock, figure, milliseconds, whole
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.scene import Scene, figure_style
from imaxproxy.live.snapshot import METRICS, Block, Figures

_NAME_CELLS, _CELL, _GAP = 9, 7, 1
_THREE = 3 * (_CELL + _GAP)
_LEAST_HISTOGRAM = 12
_AXIS_FROM = 30
"""Cells of a histogram from which its axis is written beside it."""
_EDGE_CELLS = 7


def latency(scene: Scene, width: int, height: int) -> Content:
    """A row for each metric: p50, p90, p99 now, the same over the run, and a histogram of the run."""
    has_run = width >= _NAME_CELLS + 2 * _THREE
    fixed = _NAME_CELLS + (2 if has_run else 1) * _THREE + 2
    cells = width - fixed if width - fixed >= _LEAST_HISTOGRAM else 0
    tall = max((height - 1) // len(METRICS), 1)
    span = scene.span
    lines = [_heading(scene, cells, has_run=has_run)]
    for name, title, unit in METRICS:
        lines += _metric(scene, span, (name, title, unit), cells, tall, has_run=has_run)
    return Content("Latency", lines, _note(scene, width))


def _note(scene: Scene, width: int) -> Text:
    """What `now` and the columns beside it look back over."""
    snapshot, window = scene.snapshot, scene.view.window
    note = Text(f"now: last {snapshot.window_s:.0f} s, ", style=theme.LABEL)
    if window is None:
        note.append(f"run: {clock(snapshot.elapsed_s)}")
    else:
        text = f"window: {clock(window.span_s(snapshot))} {'still open' if window.end is None else 'frozen'}"
        note.append(text, style=theme.KEY)
    if width >= 110:
        note = Text("green to p50, blue to p90, orange to p99, red beyond; ", style=theme.LABEL).append_text(note)
    return note


def _heading(scene: Scene, cells: int, *, has_run: bool) -> Text:
    over = "run" if scene.view.window is None else "win"
    parts: list[Text | str] = [" " * _NAME_CELLS, _three_heads("now")]
    if has_run:
        parts.append(_three_heads(over))
    if cells:
        name = "run" if scene.view.window is None else "window"
        parts += [
            "  ",
            Text(f"{name}, log scale" if cells < _AXIS_FROM else f"{name}'s values, log scale", theme.LABEL),
        ]
    return joined(parts)


def _three_heads(over: str) -> Text:
    return Text("".join(f"{name:>{_CELL + _GAP}}" for name in (f"{over} p50", "p90", "p99")), style=theme.LABEL)


def _metric(
    scene: Scene, span: Figures, metric: tuple[str, str, str], cells: int, tall: int, *, has_run: bool
) -> list[Text]:
    name, title, unit = metric
    high_is_good = name == "tps_per_user"
    text = figure if high_is_good else milliseconds
    strong = figure_style(scene)
    head: list[Text | str] = [Text(f"{title:<{_NAME_CELLS}}", style=theme.PLAIN)]
    head.append(_three(scene.snapshot.now.block(name), text, strong, high_is_good=high_is_good))
    whole_span = span.block(name)
    if has_run:
        head.append(_three(whole_span, text, theme.PLAIN, high_is_good=high_is_good))
    lines = [joined(head)]
    if tall > 1:
        lines.append(_second(name, unit, scene.snapshot.now.block(name), whole_span, has_run=has_run))
    lines += [Text()] * (tall - len(lines))
    if not cells:
        return lines
    fixed = _NAME_CELLS + (2 if has_run else 1) * _THREE + 2
    graph = _histogram(whole_span, cells, tall, text, high_is_good=high_is_good, stale=scene.is_stale)
    return beside([[fitted(line, fixed) for line in lines], graph])


def _three(block: Block, text: Callable[[float | None], str], style: str, *, high_is_good: bool) -> Text:
    values = (block.p50, block.p90, block.p99)
    if high_is_good:  # the tail that matters is the slow one: so many users in a hundred reach or beat it
        values = (block.p50, _tail(block.p10, block, 0.1), _tail(block.p1, block, 0.01))
    line = Text()
    for value in values:
        line.append(f"{text(value):>{_CELL + _GAP}}", style=style)
    return line


def _tail(known: float | None, block: Block, rank: float) -> float | None:
    return known if known is not None else percentile(block.buckets, rank)


def _second(name: str, unit: str, now: Block, span: Block, *, has_run: bool) -> Text:
    """Unit, mean and count, under the figures."""
    text = figure if name == "tps_per_user" else milliseconds

    def facts(block: Block) -> str:
        if not block.count:
            return " " * _THREE
        return f"{f'mean {text(block.mean)}, {whole(block.count)} n':>{_THREE}}"

    return Text(f"{unit:<{_NAME_CELLS}}{facts(now)}{facts(span) if has_run else ''}", style=theme.LABEL)


def _histogram(
    block: Block, cells: int, tall: int, text: Callable[[float | None], str], *, high_is_good: bool, stale: bool
) -> list[Text]:
    axis = cells >= _AXIS_FROM
    wide = cells - 2 * (_EDGE_CELLS + 1) if axis else cells
    held = cells_of(block.buckets, wide, high_is_good=high_is_good)
    if held is None:
        return [fitted(Text("nothing yet", style=theme.LABEL), cells), *[Text(" " * cells)] * (tall - 1)]
    rows = coloured_columns(held.counts, [theme.LABEL] * wide if stale else held.styles, tall)
    if not axis:
        return rows
    blank = " " * (_EDGE_CELLS + 1)
    marks = ("", "≥") if high_is_good else ("≤", "")
    least, most = (
        Text(f"{mark if held.clips else ''}{text(edge)}", style=theme.LABEL)
        for mark, edge in zip(marks, (held.least, held.most), strict=True)
    )
    last = joined([fitted(least, _EDGE_CELLS, right=True), " ", rows[-1], " ", fitted(most, _EDGE_CELLS)])
    return [*(joined([blank, row, blank]) for row in rows[:-1]), last]
