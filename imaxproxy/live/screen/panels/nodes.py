"""The nodes of a run on a cluster: which of them speaks, which is slow, which is lost."""

from collections import Counter
from collections.abc import Callable, Sequence

from rich.text import Text

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.numbers import figure, milliseconds, whole
from imaxproxy.live.screen.panels.panel import Content
from imaxproxy.live.screen.panels.rows import arranged, holds, scrolled
from imaxproxy.live.screen.scene import Scene
from imaxproxy.live.screen.table import Column, table
from imaxproxy.live.snapshot import Node

_COLUMNS = (
    Column("", 1, 0, right=False),
    Column("node", 8, 0, right=False, grows=True, most=48),
    Column("heard", 6, 1),
    Column("work", 4, 9),
    Column("now", 5, 2),
    Column("done", 7, 5),
    Column("bad", 5, 8),
    Column("tok/s", 7, 3),
    Column("TTFT p50", 8, 4),
    Column("send", 6, 7),
    Column("loop", 6, 6),
    Column("what", 4, 4, right=False, grows=True, most=60),
)
_MARKS = {
    "playing": ("●", theme.STREAMING),
    "silent": ("◌", theme.BAD),
    "lost": ("✗", theme.BAD),
    "done": ("■", theme.LABEL),
}
_BY: dict[str, Callable[[Node], float | str]] = {
    "trouble": lambda node: -trouble(node),
    "now": lambda node: -node.in_flight,
    "done": lambda node: -node.requests,
    "tok/s": lambda node: -(node.output_tokens_per_s or 0.0),
    "TTFT p50": lambda node: -(node.ttft_now_ms.p50 or 0.0),
    "node": lambda node: node.name,
}


def nodes(scene: Scene, width: int, height: int) -> Content:
    """Those in trouble first. TTFT is that of the last seconds; lags are of the run."""
    all_, view = scene.snapshot.nodes, scene.view
    if not all_:
        return Content("Nodes", [Text("one machine plays, or none: --ray", style=theme.LABEL)])
    order, names = view.sorted_by("nodes"), short_names([node.name for node in all_])
    rows = [
        _row(node, names[node.name])
        for node in arranged(view, [each for each in all_ if holds(view, each.name)], _BY[order])
    ]
    seen = scrolled(view, rows, height - 1, is_large=view.tab == "nodes")
    note = f"{len(seen)} of {len(all_)}" if len(seen) < len(all_) else "lags of sending and loop: p99, ms"
    return Content("Nodes", table(_COLUMNS, seen, width, sorted_by=order), Text(note, theme.LABEL))


def trouble(node: Node) -> int:
    """How bad it stands with it: lost, silent, slow."""
    return 3 * (node.state == "lost") + 2 * (node.state == "silent") + bool(node.slow or node.why)


def troubles(scene: Scene) -> str:
    """A line of those that are silent or lost, for the top of the screen; empty where none is."""
    said, names = [], short_names([node.name for node in scene.snapshot.nodes])
    for node in scene.snapshot.nodes:
        name = names[node.name]
        if node.state == "silent":
            said.append(f"node {name} has said nothing for {node.age_s or 0:.0f} s: its last figures stand here")
        elif node.why:
            said.append(f"node {name} {'is lost' if node.state == 'lost' else 'has lost something'}: {node.why}")
    return "; ".join(said)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """A name is host, address and id: the host where that tells them apart, else the id beside it."""
    hosts = Counter(name.partition(" ")[0] for name in names)
    return {
        name: host if hosts[host := name.partition(" ")[0]] == 1 else f"{host} {name.rpartition(' ')[2]}"
        for name in names
    }


def _row(node: Node, name: str) -> list[Text]:
    mark, style = _MARKS.get(node.state, ("·", theme.LABEL))
    is_old = node.state == "silent"
    return [
        Text(mark, style=style),
        Text(name, style=theme.BAD if node.state in ("silent", "lost") else theme.PLAIN),
        Text("–" if node.age_s is None else f"{node.age_s:.1f} s", style=theme.BAD if is_old else theme.LABEL),
        Text(whole(node.workers), style=theme.LABEL),
        Text(whole(node.in_flight), style=theme.SERIES["in_flight"]),
        Text(whole(node.requests)),
        Text(whole(node.errors), style=f"bold {theme.BAD}" if node.errors else theme.LABEL),
        Text(figure(node.output_tokens_per_s), style=theme.LABEL if is_old else theme.FIGURE),
        Text(milliseconds(node.ttft_now_ms.p50), style=theme.WARN if node.slow else theme.PLAIN),
        Text(milliseconds(node.send_lag_ms.p99), style=theme.LABEL),
        Text(milliseconds(node.loop_lag_ms.p99), style=theme.LABEL),
        _what(node),
    ]


def _what(node: Node) -> Text:
    if node.state == "silent":
        return Text("SILENT", style=f"bold {theme.BAD}")
    if node.why:
        return Text(node.why, style=theme.BAD)
    return Text(f"SLOW: {node.slow}", style=theme.WARN) if node.slow else Text("")
