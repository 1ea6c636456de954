"""Errors by kind."""

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.glyphs import bar
from imaxproxy.live.screen.numbers import whole
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.panels.rows import arranged, holds, scrolled
from imaxproxy.live.screen.scene import Scene
from imaxproxy.live.screen.table import Column, table

_COLUMNS = (
    Column("error", 16, 0, right=False, grows=True, most=40),
    Column("count", 7, 1),
    Column("", 12, 2, right=False),
)


def errors(scene: Scene, width: int, height: int) -> Content:
    """How often each kind of failure came; docs/metrics.md says what the names mean."""
    view, found = scene.view, scene.snapshot.errors
    kept = [(kind, count) for kind, count in found.items() if holds(view, kind) and count]
    if not kept:
        return Content("Errors", [Text("none", style=theme.GOOD)])
    order = view.sorted_by("errors")
    most = max(count for _, count in kept)
    ordered = arranged(view, kept, (lambda each: -each[1]) if order == "count" else (lambda each: each[0]))
    rows = [[Text(kind), _count(count), bar(count / most, 12, theme.BAD, theme.BORDER)] for kind, count in ordered]
    seen = scrolled(view, rows, height - 1, is_large=view.tab == "errors")
    total = Text(f"{sum(found.values()):,} in all", style=f"bold {theme.BAD}")
    return Content("Errors", table(_COLUMNS, seen, width, sorted_by=order), total)


def _count(count: int) -> Text:
    return Text(whole(count), style=f"bold {theme.BAD}")
