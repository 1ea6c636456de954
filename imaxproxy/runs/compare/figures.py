"""What one run says of each of its requests: the few figures that two runs are compared by."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.metrics.formulas import e2e_ns, tpot_ns, ttft_ns
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.journal import read_journal

Key = tuple[str, int]
"""A request's name in its trace, and the how manieth of that name it is (laps of a trace play it again)."""


class Figures(NamedTuple):
    """One request; None for what it has not."""

    outcome: str
    finish_reason: str | None
    ttft_ms: float | None
    tpot_ms: float | None
    e2e_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None


LATENCIES: dict[str, Callable[[Figures], float | None]] = {
    "ttft_ms": lambda figures: figures.ttft_ms,
    "tpot_ms": lambda figures: figures.tpot_ms,
    "e2e_ms": lambda figures: figures.e2e_ms,
}
COUNTS: dict[str, Callable[[Figures], int | None]] = {
    "output_tokens": lambda figures: figures.output_tokens,
    "cached_tokens": lambda figures: figures.cached_tokens,
}


def read_figures(path: Path) -> dict[Key, Figures]:
    """Of each request the last attempt. Raises ImaxproxyError for a broken journal."""
    by_name: dict[str, list[tuple[int, int, Figures]]] = defaultdict(list)
    for exchange in read_journal(RunDirectory(path)):
        ask = exchange.ask
        if ask.dialect is not None:
            by_name[ask.request_id].append((ask.started_ns, ask.attempt or 0, _figures(exchange)))
    found: dict[Key, Figures] = {}
    for name, rows in by_name.items():
        rows.sort(key=lambda row: row[:2])
        number = -1
        for _, attempt, figures in rows:
            number += not attempt  # a retry takes the place of what it retries
            found[name, max(number, 0)] = figures
    return found


def read_all(paths: Sequence[Path]) -> list[dict[Key, Figures]]:
    """Each run in a process of its own: journals are long, and reading them is all that a comparison waits for."""
    with ProcessPoolExecutor(min(len(paths), 8)) as pool:
        return list(pool.map(read_figures, paths))


def _figures(exchange: Exchange) -> Figures:
    usage = exchange.usage
    completed = exchange.outcome is Outcome.COMPLETED
    return Figures(
        exchange.outcome.value,
        exchange.finish_reason,
        _ms(ttft_ns(exchange)),
        _ms(tpot_ns(exchange)) if completed else None,  # a cut stream's mean is of another length
        _ms(e2e_ns(exchange)),
        usage.input_tokens,
        exchange.output_tokens,
        usage.cached_tokens,
    )


def _ms(duration_ns: float | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e6
