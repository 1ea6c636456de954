"""One request on its way from the process that makes requests to the one that sends them, as a frame of bytes.

Making a 12,000-token prompt takes milliseconds in which no stream could be stamped: it happens in another process.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

_LENGTHS = struct.Struct(">II")
END = _LENGTHS.pack(0, 0)
"""The frame behind the last item. A stream that ends without it has lost its writer."""
WARM = _LENGTHS.pack(0, 1)
"""The frame behind the last item of a warm-up, where there is one."""


@dataclass(frozen=True, slots=True)
class Item:
    """What the player needs to know of a request, and its bytes on the wire."""

    request_id: str
    path: str
    data: bytes
    offset_ns: int | None = None
    """Intended send, from the start of the run; None in a closed loop."""
    session_id: str | None = None
    wait_for: tuple[str, ...] = ()
    """Ids of requests that must have ended before."""
    wait_ns: int = 0
    """From the end of the last of them to the send."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cancel_after_tokens: int | None = None
    """Leave when so many token events have come."""
    cancel_after_ns: int | None = None
    """Leave so long after the send."""
    tell_end: bool = False
    """Whoever makes the items waits for the end of this one."""
    keep_answer: bool = False
    """And wants its answer: the next turn of the conversation is built on it."""
    kind: str | None = None
    """WARMUP: it fills caches, and is no part of what is measured."""
    before_start: bool = False
    """It is sent at once, and the schedule begins when it has ended."""

    def frame(self) -> bytes:
        """Lengths, a JSON head, the request's bytes."""
        head = orjson.dumps([getattr(self, name) for name in _HEAD])
        return _LENGTHS.pack(len(head), len(self.data)) + head + self.data


_HEAD = [name for name in Item.__slots__ if name != "data"]
_WAIT_FOR = _HEAD.index("wait_for")


class FrameReader:
    """Cuts a byte stream into items."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self.ended = False
        """The END frame has come."""
        self.warm_fed = False
        """The WARM frame has come."""

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take what one read gave, yield the items it completed."""
        self._tail += data
        while len(self._tail) >= _LENGTHS.size:
            head_bytes, data_bytes = _LENGTHS.unpack_from(self._tail)
            if not head_bytes:
                self.ended, self.warm_fed = not data_bytes, self.warm_fed or bool(data_bytes)
                del self._tail[: _LENGTHS.size]
                continue
            end = _LENGTHS.size + head_bytes + data_bytes
            if len(self._tail) < end:
                return
            body_at = _LENGTHS.size + head_bytes
            head = orjson.loads(self._tail[_LENGTHS.size : body_at])
            head[_WAIT_FOR] = tuple(head[_WAIT_FOR])
            item = Item(**dict(zip(_HEAD, head, strict=True)), data=bytes(self._tail[body_at:end]))
            del self._tail[:end]
            yield item
