"""Streams in flight: how old each is, how fast, and which of them stand still."""

from collections.abc import Callable

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.numbers import age, figure, milliseconds, whole
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.panels.rows import arranged, holds, scrolled
from imaxproxy.live.screen.scene import Scene
from imaxproxy.live.screen.table import Column, table
from imaxproxy.live.snapshot import Stream

_IDLE_LONG_S, _IDLE_VERY_LONG_S = 1.0, 5.0
_COLUMNS = (
    Column("", 1, 0, right=False),
    Column("stream", 8, 1, right=False, grows=True, most=36),
    Column("age", 6, 2),
    Column("TTFT", 7, 3),
    Column("tokens", 7, 4),
    Column("tok/s", 6, 2),
    Column("idle", 6, 5),
    Column("model", 10, 6, right=False, grows=True, most=28),
    Column("upstream", 10, 7, right=False, grows=True, most=28),
    Column("client", 8, 8, right=False, grows=True, most=20),
    Column("tag", 8, 9, right=False, grows=True, most=24),
)
_BY: dict[str, Callable[[Stream], float | str]] = {
    "age": lambda stream: -stream.age_s,
    "TTFT": lambda stream: -(stream.ttft_ms if stream.ttft_ms is not None else stream.age_s * 1000),
    "tokens": lambda stream: -(stream.tokens or 0),
    "tok/s": lambda stream: stream.tps if stream.tps is not None else -1.0,
    "idle": lambda stream: -(stream.idle_s if stream.idle_s is not None else stream.age_s),
    "model": lambda stream: stream.model,
    "upstream": lambda stream: stream.upstream,
    "client": lambda stream: stream.client,
    "tag": lambda stream: stream.tag,
}


def streams(scene: Scene, width: int, height: int) -> Content:
    """The meter tells of the slowest; the note says how many there are in all."""
    snapshot, view = scene.snapshot, scene.view
    kept = [each for each in snapshot.streams if holds(view, each.id, each.model, each.upstream, each.client, each.tag)]
    by = view.sorted_by("streams")
    rows = [_row(stream) for stream in arranged(view, kept, _BY.get(by))]
    lines = table(_COLUMNS, scrolled(view, rows, height - 1, is_large=view.tab == "streams"), width, sorted_by=by)
    if not rows:
        lines = [Text("none" if not snapshot.in_flight else "none of them holds these letters", style=theme.LABEL)]
    return Content("In flight", lines, _note(scene, len(kept)))


def _row(stream: Stream) -> list[Text]:
    waits = stream.state == "waiting"
    style = theme.WAITING if waits else theme.STREAMING
    return [
        Text("◌" if waits else "●", style=style),
        Text(stream.id),
        Text(age(stream.age_s), style=theme.WARN if waits and stream.age_s > _IDLE_VERY_LONG_S else theme.PLAIN),
        Text(milliseconds(stream.ttft_ms)),
        Text(whole(stream.tokens)),
        Text(figure(stream.tps), style="bold" if stream.tps else theme.LABEL),
        Text(age(stream.idle_s), style=_idle_style(stream.idle_s)),
        *(Text(name, style=theme.LABEL) for name in (stream.model, stream.upstream, stream.client, stream.tag)),
    ]


def _idle_style(idle_s: float | None) -> str:
    if idle_s is None or idle_s < _IDLE_LONG_S:
        return theme.LABEL
    return theme.WARN if idle_s < _IDLE_VERY_LONG_S else f"bold {theme.BAD}"


def _note(scene: Scene, kept: int) -> Text:
    snapshot, view = scene.snapshot, scene.view
    note = Text(f"{snapshot.in_flight:,} streams", style=theme.LABEL)
    if snapshot.left_off:
        note.append(f", the slowest {len(snapshot.streams)} listed")
    if view.filter:
        note.append(f", {kept} with “{view.filter}”", style=theme.KEY)
    return note
