"""A trace's own timestamps as a schedule: faster or slower, ties spread, a window of it, round and round."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, groupby
from operator import itemgetter
from typing import TypeVar

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.traces.row import TraceRow
from imaxproxy.traces.seed import stream
from imaxproxy.traces.session_tree import REMEMBERED_TREES, SessionTrees

T = TypeVar("T")
MS_PER_S = 1000.0
_LAP_SHIFT = 44
"""Block ids of public traces stay below 2^44, so those of two laps never meet."""


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


def within(
    rows: Iterable[TraceRow], start_s: float, end_s: float, *, first_ms: float | None = None
) -> Iterator[TraceRow]:
    """What begins in [start_s, end_s) of the trace, session trees whole.

    A tree belongs to the window in which its first row stands: cut in two, its later turns would ask for a history
    that nobody has sent.  first_ms: the trace's first stamp; by default its first row's. Raises UsageError for a tree
    that begins without a timestamp.
    """
    trees, inside = SessionTrees(), dict[str, bool]()
    for row in rows:
        root = trees.root(row)
        is_inside = inside.pop(root, None)  # put back behind all others: what was not seen for longest is forgotten
        if is_inside is None:
            at_ms = _stamp_of(row)
            first_ms = at_ms if first_ms is None else first_ms
            is_inside = start_s <= (at_ms - first_ms) / MS_PER_S < end_s
        inside[root] = is_inside
        if len(inside) > REMEMBERED_TREES:
            del inside[next(iter(inside))]
        if is_inside:
            yield row


def looped(laps: Callable[[], Iterable[TraceRow]]) -> Iterator[TraceRow]:
    """The trace again and again, without end. Each lap has ids, sessions and block hashes of its own.

    So no lap finds its prompts in the cache of the one before; text that the trace itself brings stays as it is. Stamps
    go on where the lap before ended, one mean gap later. Raises UsageError when the trace has no rows.
    """
    zero_ms = 0.0
    for lap in count():
        first_ms = last_ms = None
        rows = 0
        for row in laps():
            rows += 1
            if row.timestamp_ms is not None:
                first_ms = row.timestamp_ms if first_ms is None else first_ms
                last_ms = max(last_ms or 0.0, row.timestamp_ms - first_ms)
                row = replace(row, timestamp_ms=zero_ms + row.timestamp_ms - first_ms)
            yield of_lap(row, lap)
        if not rows:
            raise UsageError("--loop has nothing to repeat: no row of the trace is left")
        if last_ms is not None:
            zero_ms += last_ms * rows / max(rows - 1, 1)


def of_lap(row: TraceRow, lap: int) -> TraceRow:
    """The row as lap number `lap` plays it; lap 0 is the trace itself."""
    if not lap:
        return row
    return replace(
        row,
        request_id=f"{row.request_id}~{lap}",
        session_id=row.session_id and f"{row.session_id}~{lap}",
        parent_session_id=row.parent_session_id and f"{row.parent_session_id}~{lap}",
        wait_for=tuple(f"{name}~{lap}" for name in row.wait_for),
        prefix_group=row.prefix_group and f"{row.prefix_group}~{lap}",
        hash_ids=tuple(hash_id ^ lap << _LAP_SHIFT for hash_id in row.hash_ids),
    )


def _stamped(rows: Iterable[TraceRow]) -> Iterator[tuple[float, TraceRow]]:
    latest_ms = 0.0
    for row in rows:
        at_ms = _stamp_of(row)
        if at_ms < latest_ms:
            raise UsageError(
                f"request {row.request_id}: its timestamp of {at_ms:g} ms lies before the {latest_ms:g} ms "
                f"of the row above; sort the trace by timestamp, or pass --rate or --concurrency instead"
            )
        latest_ms = at_ms
        yield latest_ms, row


def _stamp_of(row: TraceRow) -> float:
    if row.timestamp_ms is None:
        raise UsageError(f"request {row.request_id} has no timestamp; pass --rate or --concurrency instead")
    return row.timestamp_ms
