"""The truth log: what the engine planned and when it really wrote, to hold meters against. One JSON line a request."""

from array import array
from collections import deque
from typing import IO, Any

import orjson

from imaxproxy.clock import NS_PER_MS, Clock, monotonic_ns

SCHEMA = "imaxproxy.truth/1"
_MARGIN_NS = NS_PER_MS
_MOST_PENDING = 2000


class TruthRecord:
    """The truth about one request. All times are CLOCK_MONOTONIC ns; events are those that carry tokens.

    planned_ns: when the model says the event's last token exists.  write_ns, written_ns: just before and just after
    the call that wrote the event to the socket.
    """

    __slots__ = ("events", "facts")

    def __init__(self, **facts: object) -> None:
        self.facts: dict[str, Any] = {"schema": SCHEMA, **facts}
        self.events = array("q")
        """Four numbers an event: planned_ns, write_ns, written_ns, tokens."""

    def as_json(self) -> bytes:
        """The line, with its newline."""
        events = self.events
        columns = {
            name: events[index::4].tolist()
            for index, name in enumerate(("planned_ns", "write_ns", "written_ns", "tokens"))
        }
        return orjson.dumps({**self.facts, **columns}, option=orjson.OPT_APPEND_NEWLINE)


class TruthLog:
    """Collects finished records and writes them between the engine's steps, when there is time."""

    def __init__(self, file: IO[bytes], clock: Clock = monotonic_ns) -> None:
        self._file = file
        self._clock = clock
        self._pending: deque[TruthRecord] = deque()

    def __repr__(self) -> str:
        return f"<TruthLog {self._file.name}, {len(self._pending)} records to write>"

    def add(self, record: TruthRecord) -> None:
        """A request ended."""
        self._pending.append(record)

    def drain(self, until_ns: int) -> None:
        """Write what there is time for before `until_ns`; regardless of time when too much is waiting."""
        until_ns -= _MARGIN_NS
        while self._pending and (len(self._pending) > _MOST_PENDING or self._clock() < until_ns):
            self._file.write(self._pending.popleft().as_json())

    def flush(self) -> None:
        """Write everything, through to the file."""
        while self._pending:
            self._file.write(self._pending.popleft().as_json())
        self._file.flush()

    def close(self) -> None:
        """Write everything and close the file."""
        self.flush()
        self._file.close()
