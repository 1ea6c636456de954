"""Which request leaves when, drawn before the run: open loop by the trace or by a rate, or a closed loop."""

from collections.abc import Iterable, Iterator

from imaxproxy.clock import NS_PER_S
from imaxproxy.traces import Arrivals, Envelope, Recorded, TraceRow

Scheduled = Iterable[tuple[int | None, TraceRow]]


def by_trace(
    rows: Iterable[TraceRow], speed: float, spread_ms: float, seed: int, envelope: Envelope | None = None
) -> Scheduled:
    """The trace's own timestamps, `speed` times as fast."""
    return _under(envelope, Recorded(rows, speed, spread_ms, seed).scheduled())


def by_arrivals(rows: Iterable[TraceRow], arrivals: Arrivals, envelope: Envelope | None = None) -> Scheduled:
    """The trace's requests in file order, at the times of an arrival process."""
    return zip(_offsets_ns(arrivals, envelope), rows, strict=False)


def by_session_starts(rows: Iterable[TraceRow], arrivals: Arrivals, envelope: Envelope | None = None) -> Scheduled:
    """Sessions start at the times of an arrival process; their later rows come when those before have ended.

    A row without a session is one of its own; so is one that waits for others, to which no time is given.
    """
    offsets_ns = _offsets_ns(arrivals, envelope)
    begun: set[str] = set()
    for row in rows:
        if row.session_id in begun or row.wait_for:
            yield None, row
            continue
        if row.session_id is not None:
            begun.add(row.session_id)
        offset_ns = next(offsets_ns, None)
        if offset_ns is None:
            return
        yield offset_ns, row


def closed_loop(rows: Iterable[TraceRow]) -> Scheduled:
    """Each as soon as a place is free."""
    return ((None, row) for row in rows)


class IdleCap:
    """Cuts the time in which a schedule sends nothing; what comes behind moves forward with it."""

    def __init__(self, longest_s: float) -> None:
        self._longest_ns = round(longest_s * NS_PER_S)
        self.schedule_cut_ns = 0
        """Cut from the schedule so far; the same for every worker, for each draws all of it."""
        self.wait_cut_ns = 0
        """Cut from the waits of this worker's sessions so far."""

    def capped(self, scheduled: Scheduled) -> Scheduled:
        """The schedule, no gap in it longer than the cap."""
        before_ns = shift_ns = 0
        for offset_ns, row in scheduled:
            if offset_ns is not None:
                over_ns = max(0, offset_ns - before_ns - self._longest_ns)
                shift_ns, before_ns = shift_ns + over_ns, offset_ns
                self.schedule_cut_ns += over_ns
                yield offset_ns - shift_ns, row
            else:
                yield None, row

    def wait_ns(self, wait_ns: int) -> int:
        """A session's wait between two turns, cut to the cap."""
        capped_ns = min(wait_ns, self._longest_ns)
        self.wait_cut_ns += wait_ns - capped_ns
        return capped_ns


def _offsets_ns(arrivals: Arrivals, envelope: Envelope | None) -> Iterator[int]:
    return arrivals.offsets_ns() if envelope is None else envelope.warp(arrivals.offsets_ns())


def _under(envelope: Envelope | None, scheduled: Iterable[tuple[int, TraceRow]]) -> Scheduled:
    """The schedule warped: the rows wait beside the offsets while those go through the envelope."""
    if envelope is None:
        return scheduled
    rows: list[TraceRow] = []

    def offsets_ns() -> Iterator[int]:
        for offset_ns, row in scheduled:
            rows.append(row)
            yield offset_ns

    return ((offset_ns, rows.pop()) for offset_ns in envelope.warp(offsets_ns()))
