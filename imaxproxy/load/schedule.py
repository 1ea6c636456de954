"""Which request leaves when, drawn before the run: open loop by the trace or by a rate, or a closed loop."""

from collections.abc import Iterable, Iterator

from imaxproxy.traces import Arrivals, Envelope, Recorded, TraceRow

_REMEMBERED_SESSIONS = 1_000_000
"""Begun ones, of a trace without end."""
Scheduled = Iterable[tuple[int | None, TraceRow]]


def by_trace(
    rows: Iterable[TraceRow], speed: float, spread_ms: float, seed: int, envelope: Envelope | None = None
) -> Scheduled:
    """The trace's own timestamps, `speed` times as fast.

    A row without one that follows others, in its session or by `wait_for`, comes when those have ended: AIPerf's and
    Dynamo's files stamp the first turn of a session alone.
    """
    followers: dict[str, list[TraceRow]] = {}
    stamped = Recorded(_stamped(rows, followers), speed, spread_ms, seed).scheduled()
    for offset_ns, row in _under(envelope, stamped):
        yield offset_ns, row
        yield from ((None, follower) for follower in followers.pop(row.request_id, ()))


def _stamped(rows: Iterable[TraceRow], followers: dict[str, list[TraceRow]]) -> Iterator[TraceRow]:
    """The rows that have a stamp, or should. Those that follow are kept under the id of the one before them."""
    begun: dict[str, None] = {}
    last: TraceRow | None = None
    for row in rows:
        if last is not None and row.timestamp_ms is None and (row.wait_for or row.session_id in begun):
            followers.setdefault(last.request_id, []).append(row)
            continue
        if row.session_id is not None:
            begun[row.session_id] = None
            if len(begun) > _REMEMBERED_SESSIONS:
                del begun[next(iter(begun))]
        if last is not None:
            yield last
        last = row
    if last is not None:
        yield last


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
