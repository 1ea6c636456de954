"""A response's status line and headers, read by llhttp (`httptools`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import httptools

from imaxproxy.errors import WireError
from imaxproxy.wire.framing import Chunked, Framing, Length, UntilClose

HEAD_LIMIT_BYTES = 64 << 10
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110, section 7.6.1: not for the next hop, as is every header that `Connection` names."""

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Names as they were sent; look-ups by `header` fold their case."""

    status: int
    reason: bytes
    headers: Headers
    keep_alive: bool

    def header(self, name: bytes) -> bytes | None:
        """The last value of a header, by its lower-case name."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), None)

    @property
    def content_type(self) -> bytes:
        return (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()

    @property
    def simulated(self) -> bool:
        """The engine says that it is a simulation."""
        return self.header(b"x-imaxproxy-simulated") == b"1"

    def framing(self, method: str = "POST") -> Framing:
        """How the body ends. Raises WireError for an encoding we do not know."""
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            return Length(0)
        encodings = [value for name, value in self.headers if name.lower() == b"transfer-encoding"]
        if encodings:
            if len(encodings) > 1 or encodings[0].strip().lower() != b"chunked":
                raise WireError("bad_head", f"Transfer-Encoding {b', '.join(encodings)!r}")
            return Chunked()
        length = self.header(b"content-length")
        if length is None:
            return UntilClose()
        if not length.isdigit():
            raise WireError("bad_head", f"Content-Length {length!r}")
        return Length(int(length))


class HeadReader:
    """Collects reads until the head is whole. Interim responses (1xx) are dropped."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0  # up to here no head ends

    def feed(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """The head and the body's first bytes, once they are here. Raises WireError for what is not HTTP."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n", self._searched)) >= 0:
            head, rest = _parse(bytes(self._data[: end + 4])), bytes(self._data[end + 4 :])
            self._searched = 0
            self._data[:] = rest
            if head.status >= 200:
                self._data.clear()
                return head, rest
        self._searched = max(0, len(self._data) - 3)
        if len(self._data) > HEAD_LIMIT_BYTES:
            raise WireError("bad_head", f"a response head over {HEAD_LIMIT_BYTES} bytes")
        return None


class _Collector:
    """llhttp's callbacks."""

    def __init__(self) -> None:
        self.reason = b""
        self.headers: Headers = []

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))


def _parse(data: bytes) -> ResponseHead:
    collector = _Collector()
    parser = httptools.HttpResponseParser(collector)
    try:
        parser.feed_data(data)
        status, keep_alive = parser.get_status_code(), parser.should_keep_alive()
    except httptools.HttpParserUpgrade as error:
        raise WireError("bad_head", "the engine switches protocols, which nobody asked for") from error
    except httptools.HttpParserError as error:
        raise WireError("bad_head", f"not an HTTP response: {error}") from error
    if status < 100:  # nothing but blank lines
        raise WireError("bad_head", "not an HTTP response: no status line")
    names = [name.lower() for name, _ in collector.headers]
    if b"transfer-encoding" in names and b"content-length" in names:
        raise WireError("bad_head", "both Transfer-Encoding and Content-Length")  # RFC 9112, 6.3: smuggling
    return ResponseHead(status, collector.reason, collector.headers, keep_alive)


def dropped_headers(headers: Sequence[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Lower-case names that must not travel on: hop-by-hop ones and those that `Connection` names."""
    named = b",".join(value for name, value in headers if name.lower() == b"connection")
    return HOP_BY_HOP | {name.strip().lower() for name in named.split(b",") if name.strip()}
