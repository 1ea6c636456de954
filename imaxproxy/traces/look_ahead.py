"""The first rows of a trace, read before anything is sent: what is broken there is found while it costs nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from imaxproxy.traces.row import TraceRow


@dataclass(frozen=True, slots=True)
class LookAhead:
    """A trace with its first rows in hand. It can be gone through once."""

    rows: list[TraceRow]
    rest: Iterator[TraceRow]
    whole: bool
    """The rows in hand are all there are."""

    @classmethod
    def at(cls, rows: Iterable[TraceRow], count: int) -> "LookAhead":
        """Read up to `count` rows. Raises what reading them raises."""
        rest = iter(rows)
        first = list(islice(rest, count))
        return cls(first, rest, whole=len(first) < count)

    def without_rest(self) -> "LookAhead":
        """The rows in hand alone, to try something on them."""
        return LookAhead(self.rows, iter(()), self.whole)

    def in_file_order(self) -> Iterator[TraceRow]:
        return chain(self.rows, self.rest)

    def in_time_order(self) -> Iterator[TraceRow]:
        """By timestamp, where all rows are in hand and have one: files of sessions begin anew with each session.

        Equal stamps keep their order. A longer trace is handed on as it stands, and must be in order itself.
        """
        if self.whole and all(row.timestamp_ms is not None for row in self.rows):
            return iter(sorted(self.rows, key=lambda row: row.timestamp_ms or 0.0))
        return self.in_file_order()
