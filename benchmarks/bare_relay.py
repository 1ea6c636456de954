"""The least a Python relay can cost: two uvloop Protocols a stream that hand on what they read, and measure nothing.

python bare_relay.py PORT UPSTREAM_PORT. It knows just enough HTTP for the rig: a request ends with its Content-Length,
an answer with its last chunk or its Content-Length. No keep-alive limits, no errors, no journal: a floor, not a proxy.
"""

import asyncio
import sys
from typing import cast

import uvloop

LAST_CHUNK = b"\r\n0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """A connection to the source; `client` is whom its answer is for."""

    def __init__(self) -> None:
        self.client: Client | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        client = self.client
        if client is None:
            return
        client.transport.write(data)
        if data.endswith(LAST_CHUNK) or is_whole_page(data):
            self.client = None
            IDLE.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in IDLE:
            IDLE.remove(self)


class Client(asyncio.Protocol):
    """A client's connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self.transport.set_write_buffer_limits(0)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        self._request += data
        if is_whole(self._request):
            request, self._request = self._request, b""
            if request.startswith(b"GET /ready "):
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            elif IDLE:
                self._ask(IDLE.pop(), request)
            else:
                self._connecting = asyncio.ensure_future(self._connect(request))

    def _ask(self, upstream: Upstream, request: bytes) -> None:
        upstream.client = self
        upstream.transport.write(request)

    async def _connect(self, request: bytes) -> None:
        _, upstream = await asyncio.get_running_loop().create_connection(Upstream, "127.0.0.1", int(sys.argv[2]))
        self._ask(upstream, request)


IDLE: list[Upstream] = []


def is_whole(message: bytes) -> bool:
    head, end, body = message.partition(b"\r\n\r\n")
    _, named, value = head.lower().partition(b"content-length:")
    return bool(end) and len(body) >= (int(value.partition(b"\r\n")[0]) if named else 0)


def is_whole_page(data: bytes) -> bool:
    return data.startswith(b"HTTP/") and b"content-length:" in data[:512].lower() and is_whole(data)


async def run() -> None:
    server = await asyncio.get_running_loop().create_server(Client, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(run())
