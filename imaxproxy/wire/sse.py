"""Server-sent events as bytes (WHATWG HTML, section 9.2): cut a body into events, read an event's data."""

import re
from collections.abc import Iterator

from imaxproxy.errors import WireError

_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
EVENT_LIMIT_BYTES = 64 << 20


class EventSplitter:
    """Cut a byte stream into SSE events; lines end in LF, CRLF or CR. Knows no socket, clock or JSON."""

    def __init__(self, limit_bytes: int = EVENT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._tail = bytearray()
        self._first = True  # nothing was taken yet: a mark of byte order is the stream's, not an event's
        self._behind_cr = False  # an LF that comes next is the rest of the last event's CRLF
        self._searched = 0  # up to here the tail holds no blank line: a huge event costs its length and no more

    @property
    def empty(self) -> bool:
        """Nothing of an unfinished event is held."""
        return not self._tail

    def feed(self, data: bytes) -> list[bytes]:
        """Take what one read gave, return the events it completed. Raises WireError past the limit."""
        if self._behind_cr and data:
            data = data.removeprefix(b"\n")
            self._behind_cr = False
        self._tail += data
        events: list[bytes] = []
        start = 0
        for blank in _BLANK_LINE.finditer(self._tail, self._searched, _certain_end(self._tail)):
            if blank.start() > start:
                event = bytes(self._tail[start : blank.start()])
                events.append(event.removeprefix(_BOM) if self._first and not start else event)
            start = blank.end()
        if start:
            self._first = False
            self._behind_cr = start == len(self._tail) and self._tail[-1:] == b"\r"
        del self._tail[:start]
        self._searched = max(0, len(self._tail) - 4)
        if len(self._tail) > self._limit_bytes:
            raise WireError("event_too_long", f"an SSE event over {self._limit_bytes} bytes")
        return events


def event_ends(data: bytes | bytearray, searched: int = 0) -> Iterator[int]:
    """Where events end in a body's bytes, behind their blank lines; up to `searched` none does.

    A CR at the very end may be half of a CRLF: whether the event ends behind it is known with the next byte.
    """
    for blank in _BLANK_LINE.finditer(data, searched, len(data) - (data[-1:] == b"\r")):
        yield blank.end()


def _certain_end(data: bytes | bytearray) -> int:
    """Up to where the ends of lines are known.

    A CR at the very end may be half of a CRLF, and its LF may make no second line end. Behind another line end it
    makes a blank line in either case.
    """
    return len(data) - (data[-1:] == b"\r" and data[-2:-1] not in (b"\r", b"\n"))


def event_data(event: bytes) -> bytes | None:
    """The event's data, its `data:` lines joined by LF; None for comments, pings and other events without data."""
    if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:
        return event[6:]  # what every engine sends
    lines = []
    for line in _LINE_END.split(event):
        name, colon, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" ") if colon else b"")
    return b"\n".join(lines) if lines else None
