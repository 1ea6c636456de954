"""The response as the client gets it: the engine's own bytes, written while they come."""

import asyncio
import contextlib

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from imaxproxy.errors import WireError
from imaxproxy.wire import Forward, ResponseHead, dropped_headers
from imaxproxy.wire.framing import Chunked, Framing, UntilClose


class Relayed(web.StreamResponse):
    """Tells aiohttp's server that a response is on the wire already, and whether the connection can be used again."""

    def __init__(self, status: int, *, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._keep = keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None

    @property
    def keep_alive(self) -> bool | None:
        return self._keep


class Relay:
    """Writes one engine's response to one client's transport."""

    def __init__(self, request: web.BaseRequest, transport: asyncio.Transport, *, last: bool = False) -> None:
        """`last`: the connection ends with this answer, and its head says so."""
        self._request = request
        self._transport = transport
        self.keep_alive = bool(request.keep_alive) and not last
        self.status: int | None = None

    def on_head(self, head: ResponseHead) -> Forward:
        """Send the head on; return where the body's bytes go."""
        self.status = head.status
        framing = head.framing(self._request.method)
        old_client = self._request.version < (1, 1)
        unchunk = old_client and isinstance(framing, Chunked)
        if isinstance(framing, UntilClose) or unchunk:
            self.keep_alive = False
        self._transport.set_write_buffer_limits(high=0)  # write at once, and pause the engine as soon as a client lags
        self._transport.write(self._head_bytes(head, unchunk=unchunk))
        return self._unchunked(framing) if unchunk else self._transport.write

    def _unchunked(self, framing: Framing) -> Forward:
        """For a client of HTTP/1.0, which knows no chunks."""

        def forward(data: bytes) -> None:
            with contextlib.suppress(WireError):  # the meter's own look at these bytes ends the exchange with it
                self._transport.write(framing.feed(data))

        return forward

    def _head_bytes(self, head: ResponseHead, *, unchunk: bool) -> bytes:
        dropped = dropped_headers(head.headers)
        if not unchunk:
            dropped -= {b"transfer-encoding"}  # the chunks travel on as they are
        lines = [
            b"HTTP/1.1 %d %b" % (head.status, head.reason),
            *[name + b": " + value for name, value in head.headers if name.lower() not in dropped],
        ]
        if not self.keep_alive:
            lines.append(b"Connection: close")
        elif self._request.version < (1, 1):  # it stays only where it is told so
            lines.append(b"Connection: keep-alive")
        return b"\r\n".join(lines) + b"\r\n\r\n"
