"""aiohttp's low-level server, with connections that know when a request's first byte came."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from imaxproxy.clock import monotonic_ns
from imaxproxy.sim.socket_writer import SocketWriter

MOST_BODY_BYTES = 64 << 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST."""


class StampedConnection(web.RequestHandler):
    """aiohttp's connection, which notes when the first byte of a request came."""

    first_byte_ns = 0
    writer: SocketWriter | None = None

    def writer_to(self, transport: asyncio.WriteTransport) -> SocketWriter:
        """For the events of one answer on this connection."""
        self.writer = SocketWriter(transport)
        return self.writer

    def connection_lost(self, exc: BaseException | None) -> None:
        """The loop closes the descriptor after this call, not before it."""
        if self.writer is not None:
            self.writer.close()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stamp, then parse."""
        if not self.first_byte_ns:
            self.first_byte_ns = monotonic_ns()
        super().data_received(data)

    def take_first_byte_ns(self) -> int:
        """When the request that was just read began; what comes next begins another."""
        first_byte_ns, self.first_byte_ns = self.first_byte_ns, 0
        return first_byte_ns

    def forget_before(self, time_ns: int) -> None:
        """A request that came before `time_ns` is answered: its stamp is not the next one's."""
        if self.first_byte_ns < time_ns:
            self.first_byte_ns = 0


class StampingServer(web.Server):
    """aiohttp's low-level server with stamped connections and room for long prompts."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler, request_factory=_make_request, handler_cancellation=True, access_log=None)

    def __call__(self) -> StampedConnection:
        """A connection for the loop's `create_server`."""
        return StampedConnection(self, loop=self._loop, **self._kwargs)

    def reset_all(self) -> None:
        """Break every connection, as the kernel does for a process that was killed."""
        for connection in self.connections:
            if connection.transport is not None:
                reset(cast("asyncio.WriteTransport", connection.transport))  # uvloop's is no subclass of it


def reset(transport: asyncio.WriteTransport) -> None:
    """Close a connection with RST."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()


def connection_of(http: web.BaseRequest) -> StampedConnection:
    """The connection a request came on."""
    connection = http.protocol
    assert isinstance(connection, StampedConnection)  # StampingServer makes no others
    return connection


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: Any,  # noqa: ANN401 (aiohttp names this type in a private module only)
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MOST_BODY_BYTES)
