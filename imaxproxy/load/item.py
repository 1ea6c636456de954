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

    def frame(self) -> bytes:
        """Lengths, a JSON head, the request's bytes."""
        head = orjson.dumps(
            [
                self.request_id,
                self.path,
                self.offset_ns,
                self.session_id,
                self.wait_for,
                self.wait_ns,
                self.input_tokens,
                self.output_tokens,
            ]
        )
        return _LENGTHS.pack(len(head), len(self.data)) + head + self.data


class FrameReader:
    """Cuts a byte stream into items."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self.ended = False
        """The END frame has come."""

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take what one read gave, yield the items it completed."""
        self._tail += data
        while len(self._tail) >= _LENGTHS.size:
            head_bytes, data_bytes = _LENGTHS.unpack_from(self._tail)
            if not head_bytes:
                self.ended = True
                return
            end = _LENGTHS.size + head_bytes + data_bytes
            if len(self._tail) < end:
                return
            body_at = _LENGTHS.size + head_bytes
            request_id, path, offset_ns, session_id, wait_for, wait_ns, input_tokens, output_tokens = orjson.loads(
                self._tail[_LENGTHS.size : body_at]
            )
            item = Item(
                request_id,
                path,
                bytes(self._tail[body_at:end]),
                offset_ns,
                session_id,
                tuple(wait_for),
                wait_ns,
                input_tokens,
                output_tokens,
            )
            del self._tail[:end]
            yield item
