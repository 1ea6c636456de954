"""The response as the client gets it: the engine's own bytes, written while they come."""

import asyncio
import contextlib
from typing import cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from imaxproxy.errors import WireError
from imaxproxy.proxy.ask_usage import Asked
from imaxproxy.proxy.front import ClientSide
from imaxproxy.proxy.half_closed import HalfClosed
from imaxproxy.proxy.usage_strip import UsageStrip
from imaxproxy.wire import Forward, Onward, ResponseHead, dropped_headers
from imaxproxy.wire.framing import Chunked, Framing, Length, UntilClose


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

    def __init__(
        self,
        request: web.BaseRequest,
        transport: asyncio.Transport,
        asked: Asked | None = None,
        *,
        last: bool = False,
    ) -> None:
        """`last`: the connection ends with this answer, and its head says so."""
        self._request = request
        self._transport = transport
        self._asked = asked
        self._strip: UsageStrip | None = None
        self._forward: Forward = transport.write
        self.keep_alive = bool(request.keep_alive) and not last
        self.status: int | None = None

    def on_head(self, head: ResponseHead) -> Onward | Forward:
        """Send the head on; return where the body's bytes go."""
        self.status = head.status
        client = self._request.protocol
        if isinstance(client, ClientSide):
            client.is_answered = True
        framing = head.framing(self._request.method)
        strip = self._strip = self._strip_of(head, framing)
        chunked = isinstance(framing, Chunked) if strip is None else strip.chunked
        unchunk = chunked and self._request.version < (1, 1)
        if isinstance(framing, UntilClose) or unchunk:
            self.keep_alive = False
        rechunk = strip is not None and isinstance(framing, Length)
        self._transport.set_write_buffer_limits(high=0)  # write at once, and pause the engine as soon as a client lags
        begin = self._head_bytes(head, unchunk=unchunk, rechunk=rechunk)
        transport: object = self._request.transport
        if isinstance(transport, HalfClosed):  # since the request came, or before
            self._transport = cast(asyncio.Transport, transport.bare)
            self._forward = self._transport.write
            transport.write(begin)
        else:
            self._transport.write(begin)
        if unchunk:
            self._forward = self._unchunked(Chunked())
        if strip is not None:
            return self._stripped(strip)
        return self._forward if unchunk else Onward(self._transport)

    def finish(self) -> None:
        """The body has ended, well or not: send what was held back of it."""
        if self._strip is not None and (rest := self._strip.rest()):
            self._forward(rest)

    def _strip_of(self, head: ResponseHead, framing: Framing) -> UsageStrip | None:
        """For a stream that holds usage which the client did not ask for."""
        asked = self._asked
        if asked is None or asked.mutated is None or head.status != 200 or head.content_type != b"text/event-stream":
            return None
        if head.header(b"content-encoding") not in (None, b"identity"):
            return None  # compressed although identity was asked for: what cannot be read cannot be taken out
        return UsageStrip(framing, final=asked.adds_final, continuous=asked.adds_continuous)

    def _stripped(self, strip: UsageStrip) -> Forward:
        feed, send = strip.feed, self._forward

        def forward(data: bytes) -> None:
            if out := feed(data):
                send(out)

        return forward

    def _unchunked(self, framing: Framing) -> Forward:
        """For a client of HTTP/1.0, which knows no chunks."""

        def forward(data: bytes) -> None:
            with contextlib.suppress(WireError):  # the meter's own look at these bytes ends the exchange with it
                self._transport.write(framing.feed(data))

        return forward

    def _head_bytes(self, head: ResponseHead, *, unchunk: bool, rechunk: bool) -> bytes:
        dropped = dropped_headers(head.headers)
        if not unchunk:
            dropped -= {b"transfer-encoding"}  # the chunks travel on as they are
        if rechunk:
            dropped |= {b"content-length"}
        lines = [
            b"HTTP/1.1 %d %b" % (head.status, head.reason),
            *[name + b": " + value for name, value in head.headers if name.lower() not in dropped],
        ]
        if rechunk and not unchunk:
            lines.append(b"Transfer-Encoding: chunked")
        if not self.keep_alive:
            lines.append(b"Connection: close")
        elif self._request.version < (1, 1):  # it stays only where it is told so
            lines.append(b"Connection: keep-alive")
        return b"\r\n".join(lines) + b"\r\n\r\n"
