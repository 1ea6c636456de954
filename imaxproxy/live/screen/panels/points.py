"""The points of a sweep, or the probes of a search: which are done, which is being played, what they came to."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.numbers import figure
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.panels.rows import holds, scrolled
from imaxproxy.live.screen.scene import Scene
from imaxproxy.live.screen.table import Column, table
from imaxproxy.live.snapshot import printable

_COLUMNS = (
    Column("", 1, 0, right=False),
    Column("point", 16, 1, right=False, grows=True, most=60),
    Column("tok/s/GPU", 9, 2),
    Column("tok/s/user", 10, 3),
    Column("why", 10, 4, right=False, grows=True, most=60),
)
_MARKS = {
    "done": ("✓", theme.GOOD),
    "failed": ("✗", theme.BAD),
    "skipped": ("–", theme.LABEL),
    "met": ("✓", theme.GOOD),
    "missed": ("✗", theme.BAD),
    "playing": ("▶", theme.SERIES["output_tokens_per_s"]),
}


def points(scene: Scene, width: int, height: int) -> Content:
    """In the order in which they are played."""
    rows = [_row(each) for each in _of(scene) if holds(scene.view, printable(each.get("name")))]
    if not rows:
        return Content("Points", [Text("this is no sweep, and no search", style=theme.LABEL)])
    is_large = scene.view.tab == "points"
    title = "Probes" if scene.snapshot.source == "search" else "Points"
    return Content(title, table(_COLUMNS, scrolled(scene.view, rows, height - 1, is_large=is_large), width))


def _of(scene: Scene) -> list[Mapping[str, Any]]:
    return list((scene.snapshot.progress or {}).get("points") or ())


def _row(point: Mapping[str, Any]) -> list[Text]:
    mark, style = _MARKS.get(printable(point.get("state")), ("·", theme.LABEL))
    return [
        Text(mark, style=style),
        Text(printable(point.get("name")), style=theme.FIGURE if mark == "▶" else theme.PLAIN),
        Text(figure(point.get("total_tokens_per_s_per_gpu")), style=theme.FIGURE),
        Text(figure(point.get("tps_per_user"))),
        Text(printable(point.get("reason")), style=theme.BAD if mark == "✗" else theme.LABEL),
    ]
