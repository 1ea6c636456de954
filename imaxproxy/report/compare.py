"""Run against run, for a terminal and as Markdown for a pull request."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_UNKNOWN = "–"
_STYLES = {"regression": "bold red", "improvement": "bold green", "same": "green", "undecided": "yellow"}
_LEAST_P = 1e-4
"""Smaller ones are no surer for it: the normal approximation ends long before."""
_HEAD = ("metric", "A", "B", "change", "95 % interval", "p", "verdict")


def print_compare(console: Console, result: dict[str, Any]) -> None:
    """One comparison: a row a metric, then what differs between the same requests."""
    a, b = result["a"], result["b"]
    console.print(f"A  {escape(_side(a))}\nB  {escape(_side(b))}")
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column(_HEAD[0], min_width=28)
    for title in _HEAD[1:]:
        table.add_column(title, justify="right")
    for row in result["rows"]:
        *cells, verdict = _cells(row)
        style = _STYLES.get(verdict, "")
        table.add_row(*map(escape, cells), f"[{style}]{verdict}[/]" if style else verdict)
    console.print(table)
    for line in _notes(result):
        console.print(escape(line))
    for warning in result["warnings"]:
        console.print(f"[bold yellow]warning[/]  {escape(warning)}")
    style = _STYLES[result["verdict"]]
    console.print(f"[{style}]{result['verdict'].upper()}[/] at a threshold of {_percent(result['threshold'])}")


def markdown_compare(result: dict[str, Any]) -> str:
    """The same as Markdown."""
    lines = [
        f"**{result['verdict'].upper()}** of B against A at a threshold of {_percent(result['threshold'])}",
        "",
        f"- A: {_side(result['a'])}",
        f"- B: {_side(result['b'])}",
        "",
        f"| {' | '.join(_HEAD)} |",
        f"|---|{'---:|' * (len(_HEAD) - 2)}---|",
    ]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in _cells(row))} |" for row in result["rows"]]
    lines += ["", *(f"- {line}" for line in _notes(result))]
    lines += [f"- :warning: {warning}" for warning in result["warnings"]]
    return "\n".join(lines) + "\n"


def _side(about: dict[str, Any]) -> str:
    said = dict(about["engine"])
    gpus = said.pop("gpus", None)
    if gpus and said.get("gpu"):
        said["gpu"] = f"{gpus} x {said['gpu']}"
    engine = " ".join(str(value) for value in said.values() if value is not None)
    mark = "SIMULATED, " if about["simulated"] else ""
    return (
        f"{about['path']}: {mark}{engine or 'an engine that does not say what it is'}, {about['requests']:,} requests"
    )


def _cells(row: dict[str, Any]) -> list[str]:
    is_share = row["unit"] == "share"
    name = row["metric"] if is_share else f"{row['metric']}, {row['unit']}"
    values = [_share(row[side]) if is_share else _number(row[side]) for side in ("a", "b")]
    interval = _UNKNOWN
    if row["low"] is not None and row["high"] is not None:
        interval = f"{row['low']:+.1%} to {row['high']:+.1%}"
    change = _UNKNOWN if row["change"] is None else f"{row['change']:+.1%}"
    p = (
        _UNKNOWN
        if row["p_value"] is None
        else f"{row['p_value']:.2g}"
        if row["p_value"] >= _LEAST_P
        else f"<{_LEAST_P:g}"
    )
    return [name, *values, change, interval, p, row["verdict"] or _UNKNOWN]


def _notes(result: dict[str, Any]) -> list[str]:
    methods = dict.fromkeys(row["method"] for row in result["rows"])
    notes = [f"by {'; '.join(methods)}"] if methods else []
    pairs = result["paired"]
    if pairs is None:
        return [f"not paired: {result['not_paired_because']}", *notes]
    notes.append(
        f"{pairs['matched']:,} requests in both, {pairs['only_in_a']:,} only in A, {pairs['only_in_b']:,} only in B; "
        f"slower in B: {', '.join(_slower(pairs['slower_share']))}"
    )
    changed = [
        f"{pairs[f'{name}_changed']:,} of another {name.replace('_', ' ')}"
        for name in ("finish_reason", "output_tokens", "input_tokens")
        if pairs[f"{name}_changed"]
    ]
    changed += [f"{count:,} from {change}" for change, count in pairs["outcome_changed"].items()]
    if changed:
        notes.append(f"of the same requests: {', '.join(changed)}")
    cached = pairs["cached_tokens"]
    if cached["a"] != cached["b"]:
        notes.append(f"cached tokens: {_count(cached['a'])} in A, {_count(cached['b'])} in B")
    return notes


def _slower(shares: dict[str, float | None]) -> list[str]:
    return [f"{name.removesuffix('_ms')} {_share(share)}" for name, share in shares.items()]


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _number(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def _share(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.1%}"


def _count(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"
