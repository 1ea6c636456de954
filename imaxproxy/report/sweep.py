"""A sweep's curve as people read it: a line a point, failed and skipped ones with their reason."""

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Row = tuple[str, str, str, Mapping[str, float | None] | None]
"""A point's name, its state, the reason of it, its figures."""


def print_curve(
    console: Console, name: str, columns: Mapping[str, str], rows: Iterable[Row], *, simulated: bool
) -> None:
    """One table, then the reasons, each once."""
    mark = "  [bold magenta]SIMULATED[/]" if simulated else ""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column(f"{escape(name)}{mark}", min_width=30, overflow="fold")
    for title in columns.values():
        table.add_column(title, justify="right")
    reasons: dict[str, None] = {}
    for point, state, reason, figures in rows:
        if figures is None:
            table.add_row(f"{escape(point)} [bold]{state}[/]", *("–" for _ in columns))
        else:
            table.add_row(escape(point), *(_number(figures[column]) for column in columns))
        if reason:
            reasons[f"{state}: {reason}"] = None
    console.print(table)
    for reason in reasons:
        console.print(escape(reason), style="yellow", soft_wrap=True)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
