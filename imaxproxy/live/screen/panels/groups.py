"""The same figures by upstream, model, client or tag."""

from collections.abc import Callable

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.glyphs import bar
from imaxproxy.live.screen.numbers import figure, milliseconds, whole
from imaxproxy.live.screen.panels.panel import Content, Draw
from imaxproxy.live.screen.panels.rows import arranged, holds, scrolled
from imaxproxy.live.screen.scene import Scene
from imaxproxy.live.screen.table import Column, table
from imaxproxy.live.snapshot import Group

_BAR_CELLS = 8
_BY: dict[str, Callable[[Group], float | str]] = {
    "now": lambda group: -group.in_flight,
    "done": lambda group: -group.requests,
    "bad": lambda group: -group.errors,
    "tok/s": lambda group: -(group.output_tokens_per_s or 0.0),
    "TTFT p50": lambda group: -(group.ttft_ms.p50 or 0.0),
    "name": lambda group: group.name,
}


def by(kind: str) -> Draw:
    """The panel of one of `GROUPS`."""

    def draw(scene: Scene, width: int, height: int) -> Content:
        return _grouped(scene, kind, width, height)

    return draw


def _columns(kind: str) -> tuple[Column, ...]:
    return (
        Column(kind, 10, 0, right=False, grows=True, most=48),
        Column("now", 5, 1),
        Column("done", 7, 4),
        Column("bad", 5, 2),
        Column("tok/s", 7, 1),
        Column("", _BAR_CELLS, 8, right=False),
        Column("TTFT p50", 8, 3),
        Column("p99", 7, 6),
        Column("TPS/user", 8, 5),
    )


def _grouped(scene: Scene, kind: str, width: int, height: int) -> Content:
    view, groups = scene.view, scene.snapshot.by.get(kind, ())
    kept = [group for group in groups if holds(view, group.name)]
    order = view.sorted_by("group")
    most = max((group.output_tokens_per_s or 0.0 for group in kept), default=0.0)
    rows = [_row(group, most) for group in arranged(view, kept, _BY[order])]
    seen = scrolled(view, rows, height - 1, is_large=view.tab == kind)
    lines = table(_columns(kind), seen, width, sorted_by=kind if order == "name" else order)
    if not rows:
        return Content(f"By {kind}", [Text("none named yet", style=theme.LABEL)])
    return Content(
        f"By {kind}", lines, Text(f"{len(seen)} of {len(groups)}" if len(seen) < len(groups) else "", theme.LABEL)
    )


def _row(group: Group, most: float) -> list[Text]:
    name = Text(group.name or "–")
    if group.up is False:
        name = Text.assemble(("DOWN ", f"bold {theme.BAD}"), group.name)
    share = (group.output_tokens_per_s or 0.0) / most if most else 0.0
    return [
        name,
        Text(whole(group.in_flight), style=theme.SERIES["in_flight"]),
        Text(whole(group.requests)),
        Text(whole(group.errors), style=f"bold {theme.BAD}" if group.errors else theme.LABEL),
        Text(figure(group.output_tokens_per_s), style=theme.FIGURE),
        bar(share, _BAR_CELLS, theme.SERIES["output_tokens_per_s"], theme.BORDER),
        Text(milliseconds(group.ttft_ms.p50)),
        Text(milliseconds(group.ttft_ms.p99), style=theme.LABEL),
        Text(figure(group.tps_per_user.p50)),
    ]
