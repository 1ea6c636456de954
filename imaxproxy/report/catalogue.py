"""The catalogue of runs as people read it: a line a run, and below it what is wrong with those that are not whole."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imaxproxy.runs.catalogue import FINISHED, RUNNING, CatalogueEntry

_UNKNOWN = "–"
_STYLES = {FINISHED: "", RUNNING: "cyan"}


def print_catalogue(console: Console, entries: Sequence[CatalogueEntry], found: int) -> None:
    """entries: those to show.  found: how many runs there are in all."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title in ("begun (UTC)", "state", "model", "machine", "load"):
        table.add_column(title, overflow="fold")
    for title in ("requests", "tok/s/GPU", "tok/s/user", "TTFT p99 ms"):
        table.add_column(title, justify="right")
    for title in ("tags", "run"):
        table.add_column(title, overflow="fold")
    for entry in entries:
        table.add_row(*_cells(entry))
    if entries:
        console.print(table)
    for entry in entries:
        if entry.note is not None:
            console.print(f"{escape(entry.run)}: {escape(entry.note)}", style="yellow", soft_wrap=True)
    console.print(f"{len(entries)} of {found} runs" if len(entries) < found else f"{found} runs")


def _cells(entry: CatalogueEntry) -> tuple[str, ...]:
    style = _STYLES.get(entry.state, "yellow")
    figures = entry.figures or {}
    return (
        (entry.started_at or _UNKNOWN)[:16].replace("T", " "),
        f"[{style}]{escape(entry.state)}[/]" if style else escape(entry.state),
        escape((entry.model or _UNKNOWN).rsplit("/", 1)[-1]),
        _machine(entry),
        escape(entry.load or _UNKNOWN),
        _UNKNOWN if entry.requests is None else f"{entry.requests:,}",
        *(_number(figures.get(name)) for name in ("total_per_gpu", "interactivity", "ttft_p99")),
        escape(", ".join(entry.tags)),
        escape(entry.run),
    )


def _machine(entry: CatalogueEntry) -> str:
    gpus = f"{entry.gpus} x {entry.gpu}" if entry.gpu and entry.gpus else entry.gpu
    words = " ".join(word for word in (gpus, entry.engine, entry.precision) if word)
    return (escape(words) or _UNKNOWN) + (" [magenta](sim)[/]" if entry.simulated else "")


def _number(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
