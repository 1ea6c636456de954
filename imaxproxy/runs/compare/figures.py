"""What one run says of each of its requests: the few figures that two runs are compared by."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import CountedBy, Outcome
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.journal import read_rows
from imaxproxy.runs.piece import broken_line

_COMPLETED, _EVENTS = Outcome.COMPLETED.value, CountedBy.EVENTS.value

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


class Columns(NamedTuple):
    """Of several requests: each figure as a column."""

    outcome: Sequence[str]
    finish_reason: Sequence[str | None]
    ttft_ms: Sequence[float | None]
    tpot_ms: Sequence[float | None]
    e2e_ms: Sequence[float | None]
    input_tokens: Sequence[int | None]
    output_tokens: Sequence[int | None]
    cached_tokens: Sequence[int | None]

    @classmethod
    def of(cls, rows: Sequence[Figures]) -> "Columns":
        return cls(*(list(map(itemgetter(place), rows)) for place in range(len(cls._fields))))


LATENCIES = ("ttft_ms", "tpot_ms", "e2e_ms")


def read_figures(path: Path) -> dict[Key, Figures]:
    """Of each request the last attempt. Raises ImaxproxyError for a broken journal."""
    by_name: dict[str, list[tuple[int, int, Figures]]] = {}
    for file, number, row in read_rows(RunDirectory(path)):
        try:
            name = row["request_id"]
            if row.get("dialect") is not None:
                attempt = (row["started_ns"], row.get("attempt") or 0, figures_of(row))
                by_name.setdefault(name, []).append(attempt)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise broken_line(file, number, error) from error
    found: dict[Key, Figures] = {}
    for name, attempts in by_name.items():
        if len(attempts) > 1:
            attempts.sort(key=lambda one: one[:2])
        lap = -1
        for _, attempt_number, figures in attempts:
            lap += not attempt_number  # a retry takes the place of what it retries
            found[name, max(lap, 0)] = figures
    return found


def read_all(paths: Sequence[Path]) -> list[dict[Key, Figures]]:
    """Each run in a process of its own: journals are long, and reading them is all that a comparison waits for."""
    with ProcessPoolExecutor(min(len(paths), 8)) as pool:
        return list(pool.map(read_figures, paths))


def figures_of(row: dict[str, Any]) -> Figures:
    """Of one journal line, by the definitions of `metrics.formulas`, without the Exchange: a fifth of its price.

    Raises a builtin's error for what is no journal line. A test holds it to the formulas on any exchange.
    """
    sent_ns, first_ns, usage = row.get("sent_ns"), row.get("first_token_ns"), row["usage"]
    output_tokens: int | None = usage.get("output_tokens")
    completed, streamed = row["outcome"] == _COMPLETED, row["streamed"]
    ttft_ms = tpot_ms = e2e_ms = None
    end_ns = None if streamed else row["ended_ns"]
    if first_ns is not None:
        gaps_ns, marks = row["gaps_ns"], row["marks"]
        lasted_ns = sum(gaps_ns)
        if streamed:
            end_ns = first_ns + lasted_ns
        if row["counted_by"] != _EVENTS:
            tokens = sum([each * events for _, each, events in marks])
            later_tokens = tokens - marks[0][1]
            if completed and gaps_ns and later_tokens > 0:  # a cut stream's mean is of another length
                tpot_ms = lasted_ns / later_tokens / NS_PER_MS
            if output_tokens is None:
                output_tokens = tokens
        if sent_ns is not None:
            ttft_ms = (first_ns - sent_ns) / NS_PER_MS
    if completed and sent_ns is not None and end_ns is not None:
        e2e_ms = (end_ns - sent_ns) / NS_PER_MS
    return Figures(
        row["outcome"],
        row.get("finish_reason"),
        ttft_ms,
        tpot_ms,
        e2e_ms,
        usage.get("input_tokens"),
        output_tokens,
        usage.get("cached_tokens"),
    )
