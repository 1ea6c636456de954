"""One frame: a scene drawn into exactly so many lines of exactly so many cells."""

from collections.abc import Mapping

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.box import beside, fitted, framed, joined, spaced, stacked
from imaxproxy.live.screen.glyphs import bar
from imaxproxy.live.screen.layout import SMALLEST, WHOLE, Layout, Stack, layout
from imaxproxy.live.screen.numbers import clock, figure, percent, whole
from imaxproxy.live.screen.panels.economy import economy, economy_alone, engine
from imaxproxy.live.screen.panels.errors import errors
from imaxproxy.live.screen.panels.groups import by
from imaxproxy.live.screen.panels.latency import latency
from imaxproxy.live.screen.panels.nodes import nodes, troubles
from imaxproxy.live.screen.panels.panel import Draw, panel
from imaxproxy.live.screen.panels.points import points
from imaxproxy.live.screen.panels.slowest import slowest
from imaxproxy.live.screen.panels.streams import streams
from imaxproxy.live.screen.panels.throughput import throughput
from imaxproxy.live.screen.scene import SILENT_AFTER_S, Link, Scene
from imaxproxy.live.screen.view import HELP, TABS, View
from imaxproxy.live.snapshot import GROUPS

PANELS: Mapping[str, Draw] = {
    "throughput": throughput,
    "economy": economy,
    "economy_alone": economy_alone,
    "latency": latency,
    "streams": streams,
    "slowest": slowest,
    "errors": errors,
    "engine": engine,
    "points": points,
    "nodes": nodes,
    **{kind: by(kind) for kind in GROUPS},
}
_MEASURED = frozenset({"throughput", "economy", "economy_alone", "latency", "streams", "slowest", "nodes", *GROUPS})
"""Panels whose figures are simulated where the engine is."""


def frame(scene: Scene, width: int, height: int) -> list[Text]:
    """The whole screen."""
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return stacked([_one_line(scene, width)], width, height)
    strips = _strips(scene, width)
    body_rows = height - 2 - len(strips)
    plan = layout(
        width,
        body_rows,
        scene.view.tab,
        has_errors=any(scene.snapshot.errors.values()),
        has_engine=scene.snapshot.engine is not None,
        has_nodes=bool(scene.snapshot.nodes),
    )
    body = _help(scene, width, body_rows) if scene.view.shows_help else _body(scene, plan)
    lines = [_header(scene, width), *strips, *stacked(body, width, body_rows), _footer(scene, plan, width)]
    return stacked(lines, width, height)


def waiting(title: str, link: Link, message: str, width: int, height: int) -> list[Text]:
    """Before the first snapshot: what is waited for, and what is wrong."""
    lines = [Text.assemble((" imaxproxy ", theme.BRAND), f" {title}"), Text()]
    lines.append(Text(f" waiting for the first figures, {clock(link.quiet_s)}", style=theme.LABEL))
    if link.detail:
        lines.append(Text(f" {link.detail}", style=theme.BAD))
    if message:
        lines.append(Text(f" {message}", style=theme.WARN))
    above = max((height - len(lines) - 1) // 3, 0)
    body = stacked([*[Text()] * above, *lines], width, max(height - 1, 1))
    return stacked([*body, fitted(Text.assemble((" q", theme.KEY), (" quit", theme.LABEL)), width)], width, height)


def _body(scene: Scene, plan: Layout) -> list[Text]:
    lines = [line for row in plan.rows for line in beside([_stack(scene, stack) for stack in row])]
    if scene.is_stale and scene.link.state != "ended":
        for line in lines:
            line.stylize("dim")
    return lines


def _stack(scene: Scene, stack: Stack) -> list[Text]:
    return [
        line
        for name, rows in stack.panels
        for line in panel(PANELS[name], scene, stack.width, rows, marked=name in _MEASURED)
    ]


def _header(scene: Scene, width: int) -> Text:
    snapshot = scene.snapshot
    left = Text.assemble((" imaxproxy ", theme.BRAND), " ")
    right = Text()
    if snapshot.simulated:
        right.append(" SIMULATED ", style=theme.SIMULATED).append(" ")
    right.append_text(_status(scene))
    right.append(f" {clock(snapshot.elapsed_s)} ")
    room = width - left.cell_len - right.cell_len - 1
    if room < 0:  # whether figures are simulated, and fresh, matters more than who shows them
        return fitted(right, width)
    if room > 8:
        left.append_text(_named(snapshot.source, snapshot.title, room))
    return spaced(left, right, width)


def _named(source: str, title: str, room: int) -> Text:
    """The command and what it is about, which a title may begin with too."""
    rest = title.removeprefix(source).strip()
    text = Text.assemble((source, "bold"), " ", (rest, theme.LABEL))
    return fitted(text, min(text.cell_len, room))


def _status(scene: Scene) -> Text:
    link, view = scene.link, scene.view
    if view.held is not None:
        return Text("‖ paused", style=theme.KEY)
    if link.state == "live" and not scene.is_stale:
        return Text("● live", style=theme.GOOD)
    if link.state == "ended":
        return Text("■ ended", style="bold")
    return Text("● stale" if link.state == "live" else "✗ no answer", style=f"bold {theme.BAD}")


def _strips(scene: Scene, width: int) -> list[Text]:
    """Lines under the header that are there only when they have something to say."""
    found = [strip for strip in (_alarm(scene), _trouble(scene), _paused(scene)) if strip is not None]
    strips = [fitted(strip, width) for strip in found]
    if scene.snapshot.progress is not None or scene.snapshot.remaining_s is not None:
        strips.append(_progress(scene, width))
    if scene.message:
        strips.append(fitted(Text(f" {scene.message}", style=theme.WARN), width))
    return strips


def _alarm(scene: Scene) -> Text | None:
    link, meter = scene.link, scene.snapshot.meter
    if link.state == "ended":
        return Text(f" {link.detail or 'the run has ended'}; these are its last figures ", style="bold reverse")
    if scene.is_stale:
        why = link.detail or "no news comes"
        again = "" if link.state == "live" else " (trying again)"
        return Text(f" {link.quiet_s:.0f} s old: {why}{again} ", style=theme.ALARM)
    if meter.get("valid") is False:
        reasons = "; ".join(map(str, meter.get("reasons") or ()))
        return Text(f" these figures are not to be believed: {reasons} ", style=theme.ALARM)
    return None


def _trouble(scene: Scene) -> Text | None:
    said = troubles(scene)
    return Text(f" {said} ", style=theme.ALARM) if said else None


def _paused(scene: Scene) -> Text | None:
    view = scene.view
    if view.held is None:
        return None
    ago_s = view.past[-1].elapsed_s - view.held.elapsed_s if view.past else 0.0
    ago = f", {ago_s:.0f} s ago" if ago_s >= 1 else ""
    return Text(f" paused at {clock(view.held.elapsed_s)}{ago}: ← → step, space goes on ", style=theme.BRAND)


def _progress(scene: Scene, width: int) -> Text:
    snapshot = scene.snapshot
    progress = snapshot.progress or {}
    done, of, unit = progress.get("done"), progress.get("of"), progress.get("unit") or ""
    texts = []
    if of:
        texts = [f"{whole(done)} of {whole(of)} {unit}", percent((done or 0) / of)]
    elif done is not None:
        texts = [f"{whole(done)} {unit}"]
    if snapshot.remaining_s is not None:
        texts.append(f"{clock(snapshot.remaining_s)} left")
    text = fitted(Text("  ".join(texts)), min(len("  ".join(texts)), max(width - 14, 1)))
    share = _share(snapshot.elapsed_s, snapshot.remaining_s, done, of)
    cells = width - text.cell_len - 3
    gauge = bar(share, cells, theme.SERIES["output_tokens_per_s"], theme.BORDER) if share is not None else Text()
    return joined([" ", gauge, " " if gauge.cell_len else "", text, " "])


def _share(elapsed_s: float, remaining_s: float | None, done: float | None, of: float | None) -> float | None:
    if of:
        return (done or 0) / of
    if remaining_s is not None and elapsed_s + remaining_s > 0:
        return elapsed_s / (elapsed_s + remaining_s)
    return None


def _footer(scene: Scene, plan: Layout, width: int) -> Text:
    view = scene.view
    if view.is_typing:
        text = Text.assemble(
            (" filter: ", theme.KEY), (view.filter, "bold"), "▏", ("  enter: keep  esc: all", theme.LABEL)
        )
        return fitted(text, width)
    sort = f"sort: {view.sorted_by(view.sort_kind)}{' ▲' if view.upside_down else ''}" if view.sort_kind else "sort"
    hints = [
        ("q", scene.leave_word),
        ("?", "help"),
        ("space", "pause" if view.held is None else "go on"),
        ("tab", "next panel"),
        ("s", sort),
        ("/", f"“{view.filter}”" if view.filter else "filter"),
        ("w", _window_word(view)),
    ]
    right, left = _left_out(scene, plan, width), Text()
    room = width - (right.cell_len if plan.left_out else 0)
    for key, word in hints:
        hint = Text.assemble((f" {key}", theme.KEY), (f" {word} ", theme.LABEL))
        if left.cell_len + hint.cell_len > room:
            break
        left.append_text(hint)
    return spaced(left, right if left.cell_len + right.cell_len <= width else Text(), width)


def _window_word(view: View) -> str:
    if view.window is None:
        return "window"
    return "close window" if view.window.end is None else "whole run"


def _left_out(scene: Scene, plan: Layout, width: int) -> Text:
    """What has no place on so small a terminal; else what the violet frames mean."""
    if plan.left_out:
        size = f" ({WHOLE[0]}x{WHOLE[1]} shows all)" if width >= 60 else ""
        return Text(f"no room: {', '.join(plan.left_out)}{size} ", style=theme.WARN)
    if scene.snapshot.simulated:
        return Text("simulated: no GPU was measured ", style="color(133)")
    return Text()


def _help(scene: Scene, width: int, height: int) -> list[Text]:
    keys = [Text.assemble((f"{key:>16}  ", theme.KEY), word) for key, word in HELP]
    tabs = ", ".join(f"{number % 10} {tab}" for number, tab in enumerate(TABS, 1))
    lines = [*keys, Text(), Text(tabs, style=theme.LABEL)] if height >= len(keys) + 4 else keys
    wide = min(width, 80)
    box = framed(Text("Keys", style="bold"), Text(), lines, wide, min(len(lines) + 2, height), scene.border)
    left = " " * ((width - wide) // 2)
    return [Text()] * max((height - len(box)) // 2, 0) + [joined([left, line]) for line in box]


def _one_line(scene: Scene, width: int) -> Text:
    snapshot = scene.snapshot
    mark = "SIMULATED " if snapshot.simulated else ""
    old = f"{scene.link.quiet_s:.0f} s old! " if scene.link.quiet_s > SILENT_AFTER_S else ""
    texts = (f"{figure(snapshot.now.output_tokens_per_s)} tok/s", f"{whole(snapshot.in_flight)} in flight")
    return fitted(Text(f"{old}{mark}{' '.join(texts)}"), width)
