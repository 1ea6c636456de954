"""Frontiers as people read them: the points of each machine, and all machines at the same x."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_UNKNOWN = "–"


def print_frontier(console: Console, result: dict[str, Any]) -> None:
    """`imaxproxy frontier`'s object."""
    x, y = result["x"], result["y"]
    for machine in result["machines"]:
        mark = "  [bold magenta]SIMULATED[/]" if machine["simulated"] else ""
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        table.add_column(f"{escape(machine['name'])}{mark}", min_width=30, overflow="fold")
        table.add_column(x["name"], justify="right")
        table.add_column(y["name"], justify="right")
        table.add_column("repeats", justify="right")
        if machine["published"]:
            table.caption = f"published: {escape(_days(machine['published']))}"
            table.caption_justify = "left"
        for point in machine["frontier"]:
            table.add_row(escape(point["load"]), _number(point["x"]), _number(point["y"]), str(point["repeats"]))
        for point in machine["dominated"]:
            cells = (_number(point["x"]), _number(point["y"]), str(point["repeats"]))
            table.add_row(f"{escape(point['load'])} (beaten)", *cells, style="dim")
        console.print(table)
    if result["iso"]:
        console.print(_iso(result))
    console.print(f"{x['name']}: {x['unit']}; {y['name']}: {y['unit']}; {result['window']} of each run; \u00b1: 95 %")
    for warning in result["warnings"]:
        console.print(f"[bold yellow]warning[/]  {escape(warning)}")


def _iso(result: dict[str, Any]) -> Table:
    names = [machine["name"] for machine in result["machines"]]
    short = _told_apart(names)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column(f"at {result['x']['name']}", justify="right")
    for machine in result["machines"]:
        mark = " [magenta](sim)[/]" if machine["simulated"] else ""
        table.add_column(f"{escape(short[machine['name']])}{mark}", justify="right", overflow="fold")
    for name in names[1:]:
        table.add_column(f"{escape(short[name])} / {escape(short[names[0]])}", justify="right", overflow="fold")
    for row in result["iso"]:
        cells = [_number(row["at"][name]) for name in names]
        cells += [_number(row["advantage"][name], "x") for name in names[1:]]
        table.add_row(f"{row['x']:g}", *cells)
    return table


def _days(published: list[dict[str, Any]]) -> str:
    """Of which days, and where the first of them was read."""
    days = sorted({row["as_of"] or "undated" for row in published})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"{span}, {published[0]['source']}"


def _told_apart(names: list[str]) -> dict[str, str]:
    """Each name without the words that all of them have; whole where nothing would be left of one."""
    common = set.intersection(*(set(name.split()) for name in names))
    short = {name: " ".join(word for word in name.split() if word not in common) for name in names}
    return short if all(short.values()) else {name: name for name in names}


def _number(estimate: dict[str, Any] | None, unit: str = "") -> str:
    """A value, and how far its interval reaches to either side."""
    if estimate is None:
        return "not reached"
    text = f"{_short(estimate['mean'])}{unit}"
    low, high = estimate["low"], estimate["high"]
    return text if low is None or high is None else f"{text} \u00b1 {_short((high - low) / 2)}"


def _short(value: float) -> str:
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"
