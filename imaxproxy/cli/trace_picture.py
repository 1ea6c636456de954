"""What `imaxproxy trace inspect` shows a person: tables, and small pictures of lengths and arrivals."""

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN_KEYS = 12


def print_trace(console: Console, found: dict[str, Any]) -> None:
    """A trace as `inspect_trace` described it."""
    console.print(
        Group(
            Text(f"{found['path']}", style="bold"),
            _facts(found),
            *_lengths(found),
            *_arrivals(found),
            *_reuse(found),
            *_complaints(found),
        )
    )


def _facts(found: dict[str, Any]) -> Table:
    table = _grid()
    table.add_row("format", found["format"])
    table.add_row("requests", f"{found['requests']:,}")
    agents = f", {found['subagent_sessions']:,} of them sub-agents" if found["subagent_sessions"] else ""
    table.add_row("sessions", f"{found['sessions']:,}{agents}")
    for name, title in (("request_kinds", "kinds"), ("models", "models"), ("output_modes", "output modes")):
        if found[name]:
            table.add_row(title, _listed(found[name]))
    if found["cancelled"]:
        table.add_row("given up", f"{found['cancelled']:,} requests by their client")
    return table


def _lengths(found: dict[str, Any]) -> list[RenderableType]:
    rows = [
        (title, found[name], 1.0)
        for name, title in (
            ("input_length", "input, tokens"),
            ("output_length", "output, tokens"),
            ("reasoning_length", "reasoning, tokens"),
            ("turns", "turns a session"),
        )
    ]
    rows.append(("wait between turns, s", found["wait_ms"], 1e-3))
    known = [(title, values, scale) for title, values, scale in rows if values]
    if not known:
        return [Text("no lengths: the trace is text; `imaxproxy trace convert --tokenizer DIR` counts it", style="dim")]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "count", "mean", "p50", "p90", "p99", "max"):
        table.add_column(name, justify="right" if name else "left")
    for title, values, scale in known:
        shown = [_number(values[name] * scale) for name in ("mean", "p50", "p90", "p99", "max")]
        table.add_row(title, f"{values['count']:,}", *shown)
    return [Text(), table]


def _arrivals(found: dict[str, Any]) -> list[RenderableType]:
    if found["span_s"] is None:
        return [Text("no timestamps that differ: replay it with --rate or --concurrency", style="dim")]
    table = _grid()
    unit = f"; read as {found['time_unit']}"
    table.add_row("arrivals", f"over {_number(found['span_s'])} s, {_number(found['rate_per_s'])} requests/s{unit}")
    table.add_row("", Text(_spark(found["arrivals"]), style="cyan"))
    tick = f"; ticks of {found['tick_ms']:g} ms" if found["tick_ms"] else ""
    table.add_row("CV of gaps", f"{found['gap_cv']:.2f} (1 is Poisson); {found['tied_share']:.1%} ties{tick}")
    return [Text(), table]


def _reuse(found: dict[str, Any]) -> list[RenderableType]:
    reuse = found["prefix_reuse"]
    if reuse is None:
        return []
    table = _grid()
    for name, title in (
        ("token_weighted", "prefix reuse by tokens"),
        ("block_weighted", "by blocks"),
        ("mean_per_request", "mean of requests"),
    ):
        if reuse[name] is not None:
            table.add_row(title, f"{reuse[name]:6.1%} {_bar(reuse[name])}")
    return [Text(), table]


def _complaints(found: dict[str, Any]) -> list[RenderableType]:
    lines = [Text(f"note: {note}", style="yellow") for note in found["notes"]]
    if found["over_context"] and found["over_context"]["requests"]:
        over = found["over_context"]
        lines.append(Text(f"{over['requests']:,} requests are over {over['limit']:,} tokens", style="yellow"))
    if found["clamped"]:
        lines.append(Text(f"{found['clamped']:,} lengths of 0 are read as 1", style="yellow"))
    if found["unknown_fields"]:
        lines.append(Text(f"unknown fields, kept: {_listed(found['unknown_fields'])}", style="dim"))
    if found["skipped"]:
        lines.append(Text(f"{found['skipped']:,} broken lines left out", style="red"))
    lines += [Text(f"broken: {count:,} x {kind}", style="red") for kind, count in found["broken"].items()]
    lines += [Text(f"  {example}", style="red") for example in (*found["skipped_examples"], *found["broken_examples"])]
    return [Text(), *lines] if lines else []


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    return table


def _listed(counts: dict[str, int]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:_SHOWN_KEYS]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def _spark(counts: list[int]) -> str:
    most = max(counts)
    return "".join(_BARS[round(count / most * (len(_BARS) - 1))] if count else " " for count in counts)


def _bar(share: float) -> str:
    return "█" * round(share * 40)
