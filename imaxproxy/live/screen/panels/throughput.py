"""Throughput: what the machine delivers, now and over the last minutes."""

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.box import beside, fitted, joined, labelled
from imaxproxy.live.screen.glyphs import binned, columns, steps_a_cell
from imaxproxy.live.screen.numbers import figure, whole
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.scene import Scene, figure_style

_FIGURE_CELLS = 7
_NAME_CELLS = 15
_HEAD_CELLS = _FIGURE_CELLS + 1 + _NAME_CELLS


def throughput(scene: Scene, width: int, height: int) -> Content:
    """A graph for each series, as tall as there is room, and the totals below."""
    rows = _series(scene, height - 1)
    tall = max((height - 1) // len(rows), 1)
    spare = max(height - 1 - tall * len(rows), 0)
    lines: list[Text] = []
    for index, row in enumerate(rows):
        lines += _graph(scene, row, width, tall + (1 if index < spare and tall > 1 else 0))
    cells = max(width - _HEAD_CELLS - 1, 1)
    seconds = cells * steps_a_cell(cells) * scene.snapshot.history.step_s
    return Content("Throughput", [*lines, _totals(scene)], Text(_span(seconds), style=theme.LABEL))


def _series(scene: Scene, height: int) -> list[tuple[str, str, float | None, str]]:
    """Field of the history, unit, value now, and what it was over the run."""
    snapshot, span = scene.snapshot, scene.span
    over = "window" if scene.view.window else "run"
    rows = [
        (
            "output_tokens_per_s",
            "output tok/s",
            snapshot.now.output_tokens_per_s,
            _over(over, span.output_tokens_per_s),
        ),
        ("requests_per_s", "requests/s", snapshot.now.requests_per_s, _over(over, span.requests_per_s)),
        ("in_flight", "in flight", float(snapshot.in_flight), f"{whole(snapshot.waiting)} waiting"),
    ]
    if snapshot.power is not None and height >= 4 * 2:
        rows.append(("power_w", "W", snapshot.power.get("watts"), ""))
    return rows


def _over(name: str, value: float | None) -> str:
    return f"{name} {figure(value)}"


def _graph(scene: Scene, row: tuple[str, str, float | None, str], width: int, height: int) -> list[Text]:
    name, unit, value, second = row
    style = theme.SERIES[name]
    written = whole if name == "in_flight" else figure
    head = [joined([fitted(Text(written(value), style=_bold(scene, style)), _FIGURE_CELLS, right=True), f" {unit}"])]
    cells = width - _HEAD_CELLS - 1
    if cells < 4:
        return head
    history = scene.snapshot.history
    newest = round(scene.snapshot.elapsed_s / history.step_s)
    values = binned(history.series.get(name, ()), cells, newest=newest)
    peak = max((value for value in values if value is not None), default=0.0)
    if height >= 2:
        head.append(Text(" " * (_FIGURE_CELLS + 1) + second, style=theme.LABEL))
    if height >= 3:
        head.append(Text(" " * (_FIGURE_CELLS + 1) + f"peak {written(peak)}", style=theme.LABEL))
    head += [Text()] * (height - len(head))
    graph = columns(values, height, theme.LABEL if scene.is_stale else style)
    return beside([[fitted(line, _HEAD_CELLS + 1) for line in head[:height]], graph])


def _bold(scene: Scene, style: str) -> str:
    return theme.LABEL if scene.is_stale else f"bold {style}"


def _totals(scene: Scene) -> Text:
    snapshot, strong = scene.snapshot, figure_style(scene)
    requests = snapshot.requests
    bad = requests["failed"] + requests["truncated"]
    line = Text(" ")
    line.append_text(labelled(whole(requests["completed"]), "done", strong))
    line.append_text(
        Text("  ").append_text(labelled(whole(bad), "failed", f"bold {theme.BAD}" if bad else theme.PLAIN))
    )
    if requests["aborted"]:
        line.append_text(Text("  ").append_text(labelled(whole(requests["aborted"]), "aborted", theme.PLAIN)))
    line.append_text(Text("  ").append_text(labelled(whole(snapshot.tokens.get("output")), "tok out", strong)))
    return line.append_text(Text("  ").append_text(labelled(whole(snapshot.tokens.get("input")), "in", theme.PLAIN)))


def _span(seconds: float) -> str:
    return f"last {seconds:.0f} s" if seconds < 120 else f"last {seconds / 60:.0f} min"
