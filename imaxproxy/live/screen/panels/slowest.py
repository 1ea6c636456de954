"""The slowest requests that have ended, by name."""

from collections.abc import Callable

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.numbers import UNKNOWN, clock, figure, milliseconds
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.panels.rows import arranged, holds, scrolled
from imaxproxy.live.screen.scene import Scene
from imaxproxy.live.screen.table import Column, table
from imaxproxy.live.snapshot import Finished

_COLUMNS = (
    Column("request", 8, 0, right=False, grows=True, most=36),
    Column("E2E", 7, 1),
    Column("TTFT", 7, 2),
    Column("tok/s", 6, 3),
    Column("ended", 7, 4),
    Column("model", 10, 5, right=False, grows=True, most=28),
    Column("upstream", 10, 6, right=False, grows=True, most=28),
)
_BY: dict[str, Callable[[Finished], float | str]] = {
    "E2E": lambda each: -(each.e2e_ms or 0.0),
    "TTFT": lambda each: -(each.ttft_ms or 0.0),
    "tok/s": lambda each: each.tps if each.tps is not None else float("inf"),
    "ended": lambda each: -(each.at_s or 0.0),
}


def slowest(scene: Scene, width: int, height: int) -> Content:
    """The ten with the longest E2E of the run."""
    view = scene.view
    kept = [each for each in scene.snapshot.slowest if holds(view, each.id, each.model, each.upstream)]
    by = view.sorted_by("slowest")
    rows = [_row(each) for each in arranged(view, kept, _BY[by])]
    lines = table(_COLUMNS, scrolled(view, rows, height - 1, is_large=view.tab == "slowest"), width, sorted_by=by)
    return Content("Slowest that ended", lines if rows else [Text("none yet", style=theme.LABEL)], _unit())


def _unit() -> Text:
    return Text("ms", style=theme.LABEL)


def _row(each: Finished) -> list[Text]:
    return [
        Text(each.id),
        Text(milliseconds(each.e2e_ms), style=theme.FIGURE),
        Text(milliseconds(each.ttft_ms)),
        Text(figure(each.tps)),
        Text(clock(each.at_s) if each.at_s is not None else UNKNOWN, style=theme.LABEL),
        Text(each.model, style=theme.LABEL),
        Text(each.upstream, style=theme.LABEL),
    ]
