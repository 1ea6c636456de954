"""A run on several machines, as people read it: how they started, which was slow, what was lost."""

from typing import Any


def share_lines(shares: dict[str, Any] | None) -> list[str]:
    """Of `shares` in summary.json; none for a run of one machine."""
    if shares is None:
        return []
    parts = shares["parts"]
    hosts = {part["host"] for part in parts}
    workers = sum(len(part["workers"]) for part in parts)
    error_ms = shares["start_error_ms"]
    started = "started together, nobody knows how exactly" if error_ms is None else f"started within {error_ms:.3g} ms"
    lines = [
        f"{len(parts)} of {shares['of']} shares on {_count(len(hosts), 'host')}, {_count(workers, 'worker')}; {started}"
    ]
    lines += [
        f"slow: share {part['index']} on {part['node'] or part['host']}: {part['slow']}"
        for part in parts
        if part["slow"]
    ]
    if (lost := shares["lost"]) is not None:
        lines.append(f"lost: {lost['share']:.2%} of the schedule, with {lost['who']} (limit {lost['limit_share']:.2%})")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
