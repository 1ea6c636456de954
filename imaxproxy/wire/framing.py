"""Where a response body ends: the three ways of HTTP/1.1 (RFC 9112, section 6.3). Bytes in, payload out."""

from typing import Protocol

from imaxproxy.errors import WireError

_LONGEST_SIZE_LINE = 1024
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Framing(Protocol):
    """Takes what reads gave, in order; gives the payload in it."""

    done: bool
    """The body's last byte has come."""

    def feed(self, data: bytes) -> bytes:
        """Return the payload in `data`. Raises WireError when the framing is broken."""

    def at_boundary(self) -> bool:
        """True between two chunks: nothing of an earlier read is held back."""


class Length:
    """`Content-Length: n`."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> bytes:
        if len(data) > self._left:
            raise WireError("excess_body", f"{len(data) - self._left} bytes more than Content-Length says")
        self._left -= len(data)
        self.done = self._left == 0
        return data

    def at_boundary(self) -> bool:
        return False  # every read must be counted


class UntilClose:
    """Neither a length nor chunks: the body lasts until the connection ends."""

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> bytes:
        return data

    def at_boundary(self) -> bool:
        return True


class Chunked:
    """`Transfer-Encoding: chunked`; chunk extensions are dropped, trailers skipped."""

    def __init__(self) -> None:
        self.done = False
        self._line = b""  # a size line or trailer whose end has not come
        self._left = 0  # of the chunk's payload
        self._after_payload = 0  # bytes of the CRLF behind a payload still to come
        self._in_trailers = False

    def at_boundary(self) -> bool:
        return not (self._line or self._left or self._after_payload or self._in_trailers or self.done)

    def feed(self, data: bytes) -> bytes:
        payload: list[bytes] = []
        at = 0
        while at < len(data):
            if self.done:
                raise WireError("excess_body", "bytes after the last chunk")
            if self._left:
                piece = data[at : at + self._left]
                payload.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._after_payload = 0 if self._left else 2
            elif self._after_payload:
                at = self._skip_crlf(data, at)
            else:
                at = self._take_line(data, at)
        return b"".join(payload)

    def _skip_crlf(self, data: bytes, at: int) -> int:
        expected = b"\r\n"[2 - self._after_payload]
        if data[at] != expected:
            raise WireError("bad_chunk", "a chunk's payload is not followed by CRLF")
        self._after_payload -= 1
        return at + 1

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            if len(self._line) > _LONGEST_SIZE_LINE:
                raise WireError("bad_chunk", f"a chunk's size line is over {_LONGEST_SIZE_LINE} bytes")
            return len(data)
        line, self._line = self._line + data[at:end], b""
        if len(line) > _LONGEST_SIZE_LINE:
            raise WireError("bad_chunk", f"a chunk's size line is over {_LONGEST_SIZE_LINE} bytes")
        if line[-1:] != b"\r":
            raise WireError("bad_chunk", "a chunk's size line does not end in CRLF")
        if self._in_trailers:
            self.done = line == b"\r"
        else:
            self._left = _chunk_size(line[:-1])
            self._in_trailers = self._left == 0
        return end + 1


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or len(digits) > 16 or not _HEX.issuperset(digits):
        raise WireError("bad_chunk", f"not a chunk size: {line[:40]!r}")
    return int(digits, 16)
