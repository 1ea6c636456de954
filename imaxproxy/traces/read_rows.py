"""What a format's reader is: it takes the records of a file, one by one, and gives the rows they make."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from imaxproxy.traces.fields import BadRow, Fields
from imaxproxy.traces.row import TraceRow


class RowReader:
    """One format. May keep state from record to record. A record may make several rows, or complete an earlier one.

    A reader leaves nothing out in silence: it raises BadRow, or counts in `left_out` under a reason for people.
    """

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        if header:
            raise BadRow("only a canonical trace has a header line; pass --format canonical")
        self.clamped = 0
        """Lengths of 0 read as 1 so far."""
        self.left_out: Counter[str] = Counter()
        """Rows of the file that are no request that could be sent, under the reason."""

    def rows(self, record: dict[str, Any], place: int) -> Iterable[TraceRow]:
        """The rows that this record made or completed. `place`: its line, or its number in a JSON array, from 1."""
        raise NotImplementedError

    def end(self) -> Iterable[TraceRow]:
        """The rows that were still open when the file ended."""
        return ()

    def length(self, fields: Fields, name: str) -> int | None:
        """A field of tokens; 0 becomes 1, and is counted."""
        return self.clamp(fields.tokens(name))

    def clamp(self, length: int | None) -> int | None:
        """No engine takes a length of 0: read it as 1, and count that."""
        self.clamped += length == 0
        return 1 if length == 0 else length


class RowPerRecord(RowReader):
    """A format in which each record is one row."""

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        raise NotImplementedError

    def rows(self, record: dict[str, Any], place: int) -> Iterable[TraceRow]:
        return (self.row(record, place),)
