"""When requests are meant to leave: a schedule fixed beforehand, from one seed, that never waits for the engine."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Protocol, TypeVar

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.errors import UsageError
from imaxproxy.traces.row import TraceRow
from imaxproxy.traces.seed import stream

T = TypeVar("T")


class Arrivals(Protocol):
    """When requests are meant to leave. Knows no socket, no worker, and not how late we are."""

    def offsets_ns(self) -> Iterator[int]:
        """Yield offsets from the start of the run, in ns, never decreasing."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent users at a steady mean rate: gaps are exponential, the first one included. Endless."""

    rate_per_s: float
    seed: int

    def __post_init__(self) -> None:
        _check_rate(self.rate_per_s)

    def offsets_ns(self) -> Iterator[int]:
        rng, at_s = stream(self.seed, "arrivals"), 0.0
        while True:
            at_s += rng.expovariate(self.rate_per_s)
            yield round(at_s * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Constant:
    """One request each 1/rate seconds, the first at once. Endless."""

    rate_per_s: float

    def __post_init__(self) -> None:
        _check_rate(self.rate_per_s)

    def offsets_ns(self) -> Iterator[int]:
        number = 0
        while True:
            yield round(number * NS_PER_S / self.rate_per_s)  # from the number, so that rounding does not add up
            number += 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """The trace's own stamps, counted from its first row and played `speed` times as fast. As long as the trace.

    spread_ms: where stamps stand on ticks (Mooncake's on 3 s), the tick's width: rows that share a stamp are spread
    over it evenly at random, in their order. 0 keeps the stamps as they are.
    """

    rows: Iterable[TraceRow]
    speed: float = 1.0
    spread_ms: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.speed > 0 and math.isfinite(self.speed)):
            raise UsageError(f"--speed must be above 0, not {self.speed:g}")
        if not (self.spread_ms >= 0 and math.isfinite(self.spread_ms)):
            raise UsageError(f"--spread-ties must be 0 ms or more, not {self.spread_ms:g}")

    def offsets_ns(self) -> Iterator[int]:
        return map(itemgetter(0), self.scheduled())

    def scheduled(self) -> Iterator[tuple[int, TraceRow]]:
        """Each row with its offset in ns, read from the trace as it goes. Raises UsageError naming the row."""
        stamped = spread_ties(_stamped(self.rows), self.spread_ms, self.seed) if self.spread_ms else _stamped(self.rows)
        first_ms: float | None = None
        for at_ms, row in stamped:
            first_ms = row.timestamp_ms if first_ms is None else first_ms
            yield round((at_ms - (first_ms or 0.0)) * NS_PER_MS / self.speed), row


def spread_ties(stamped: Iterable[tuple[float, T]], spread_ms: float, seed: int) -> Iterator[tuple[float, T]]:
    """Move stamps that are equal to even-random places on [stamp, stamp + spread_ms), at most up to the next stamp.

    Counts per tick of the Mooncake trace are Poisson (Fano 1.10), so this gives back a CV of gaps of about 1 where
    the raw stamps give 3 (reading: spread evenly, a Poisson count is a Poisson process).
    """
    rng = stream(seed, "arrivals/ties")
    groups = ((at_ms, [item for _, item in group]) for at_ms, group in groupby(stamped, key=itemgetter(0)))
    here = next(groups, None)
    while here is not None:
        at_ms, items = here
        here = next(groups, None)
        width_ms = spread_ms if here is None else min(spread_ms, here[0] - at_ms)
        places = sorted(rng.random() for _ in items) if len(items) > 1 else [0.0]
        yield from zip((at_ms + place * width_ms for place in places), items, strict=True)


def share(schedule: Iterator[T], worker: int, workers: int) -> Iterator[T]:
    """One worker's part; all parts together are the schedule, none missing, none twice."""
    return islice(schedule, worker, None, workers)


def _stamped(rows: Iterable[TraceRow]) -> Iterator[tuple[float, TraceRow]]:
    latest_ms = 0.0
    for row in rows:
        if row.timestamp_ms is None:
            raise UsageError(f"request {row.request_id} has no timestamp; pass --rate or --concurrency instead")
        if row.timestamp_ms < latest_ms:
            raise UsageError(
                f"request {row.request_id}: its timestamp of {row.timestamp_ms:g} ms lies before the {latest_ms:g} ms "
                f"of the row above; sort the trace by timestamp, or pass --rate or --concurrency instead"
            )
        latest_ms = row.timestamp_ms
        yield latest_ms, row


def _check_rate(rate_per_s: float) -> None:
    if not (rate_per_s > 0 and math.isfinite(rate_per_s)):
        raise UsageError(f"--rate must be above 0 requests/s, not {rate_per_s:g}")
