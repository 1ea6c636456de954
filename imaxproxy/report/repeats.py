"""Repeated runs as people read them: each figure with its interval."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_SHOWN = (
    ("ttft_ms.p50", "TTFT p50 ms"),
    ("ttft_ms.p99", "TTFT p99 ms"),
    ("itl_ms.p50", "ITL p50 ms"),
    ("itl_ms.p99", "ITL p99 ms"),
    ("tpot_ms.p50", "TPOT p50 ms"),
    ("e2e_ms.p50", "E2E p50 ms"),
    ("e2e_ms.p99", "E2E p99 ms"),
    ("requests_per_s", "requests/s"),
    ("output_tokens_per_s", "output tokens/s"),
    ("total_tokens_per_s", "input + output tokens/s"),
)


def print_repeats(console: Console, result: dict[str, Any], where: str) -> None:
    """The mean of each figure over the runs, and the mean's 95 % confidence interval."""
    mark = "  [bold magenta]SIMULATED[/]" if result["simulated"] else ""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column(f"{len(result['runs'])} runs, {result['window']}{mark}", min_width=24)
    for title in ("mean", "95 % interval of the mean", "lowest run", "highest run"):
        table.add_column(title, justify="right")
    for name, title in _SHOWN:
        if (figure := result["figures"][name]) is not None:
            table.add_row(title, f"{figure['mean']:,.2f}", _interval(figure), *_extremes(figure["values"]))
    console.print(table)
    invalid = result["meter_valid"].count(False)
    if invalid:
        console.print(f"[bold red]the meter was not valid in {invalid} of {len(result['runs'])} runs[/]")
    if (met := [value for value in result["slo_met"] if value is not None]) != []:
        console.print(f"SLO met in {met.count(True)} of {len(met)} runs")
    console.print(f"run  {escape(where)}")


def _interval(figure: dict[str, Any]) -> str:
    return "\u2013" if figure["low"] is None else f"{figure['low']:,.2f} to {figure['high']:,.2f}"


def _extremes(values: list[float]) -> tuple[str, str]:
    return f"{min(values):,.2f}", f"{max(values):,.2f}"
