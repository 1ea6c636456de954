"""The first rows of a trace, read before anything is sent: what is broken there is found while it costs nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from imaxproxy.traces.row import TraceRow

MOST_HASH_IDS = 8_000_000
"""Of rows in hand: some 300 MB. Prompts of agents have thousands of blocks each."""


@dataclass(frozen=True, slots=True)
class LookAhead:
    """A trace with its first rows in hand. It can be gone through once."""

    rows: list[TraceRow]
    rest: Iterator[TraceRow]
    whole: bool
    """The rows in hand are all there are."""

    @classmethod
    def at(cls, rows: Iterable[TraceRow], count: int, most_hash_ids: int = MOST_HASH_IDS) -> "LookAhead":
        """Read up to `count` rows, fewer where their hash ids are many. Raises what reading them raises."""
        rest = iter(rows)
        first: list[TraceRow] = []
        hash_ids = 0
        while len(first) < count and hash_ids < most_hash_ids:
            row = next(rest, None)
            if row is None:
                return cls(first, rest, whole=True)
            first.append(row)
            hash_ids += len(row.hash_ids)
        return cls(first, rest, whole=False)

    def without_rest(self) -> "LookAhead":
        """The rows in hand alone, to try something on them."""
        return LookAhead(self.rows, iter(()), self.whole)

    def in_file_order(self) -> Iterator[TraceRow]:
        return chain(self.rows, self.rest)

    def in_time_order(self) -> Iterator[TraceRow]:
        """By timestamp, where all rows are in hand: files of sessions begin anew with each session.

        A row without one stays behind that of its session, or behind the one before it where it waits for others; if
        one does neither, all stay as they stand. Equal stamps keep their order. A longer trace is handed on as it is,
        and must be in order itself.
        """
        latest_ms, of_session_ms = 0.0, dict[str | None, float]()
        placed: list[tuple[float, TraceRow]] = []
        if not self.whole:
            return self.in_file_order()
        for row in self.rows:
            if row.timestamp_ms is not None:
                latest_ms = row.timestamp_ms
            elif row.session_id in of_session_ms or row.wait_for:
                latest_ms = of_session_ms.get(row.session_id, latest_ms)
            else:
                return self.in_file_order()
            if row.session_id is not None:
                of_session_ms[row.session_id] = latest_ms
            placed.append((latest_ms, row))
        return (row for _, row in sorted(placed, key=lambda each: each[0]))
