"""A proxy in this process, and a client that sees bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from on_loop import until
from scripted_engine import RESET_ON_CLOSE, Script, ScriptedEngine

from imaxproxy.metrics import Exchange
from imaxproxy.proxy import Admission, AskUsage, Board, Capture, Credentials, Fleet, FleetRules, Proxy, Site, bind
from imaxproxy.wire import BaseUrl

CHAT = b"/v1/chat/completions"


@dataclass
class Wire:
    """One client connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def read_until(self, wanted: bytes) -> bytes:
        return await self.reader.readuntil(wanted)

    async def read_all(self) -> bytes:
        return await self.reader.read()

    async def read_page(self) -> tuple[bytes, bytes]:
        """Head and body of an answer with a Content-Length."""
        head = await self.read_until(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head, await self.read(length)

    def leave(self) -> None:
        """Close, unread bytes or not."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Close with an RST."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.writer.transport.abort()


@dataclass
class Running:
    """A proxy that listens, the engine behind it, and what it measured."""

    proxy: Proxy
    fleet: Fleet
    engine: ScriptedEngine
    port: int
    exchanges: list[Exchange] = field(default_factory=list)
    clients: list[Wire] = field(default_factory=list)
    engines: list[ScriptedEngine] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> Wire:
        client = Wire(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20))
        self.clients.append(client)
        return client

    async def connect_lagging(self) -> Wire:
        """A client that reads nothing before it is told to, with little room on the way to it."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        known = set(self.proxy._front.connections)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        await until(lambda: set(self.proxy._front.connections) - known, "the proxy to accept")
        (side,) = set(self.proxy._front.connections) - known
        side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        client = Wire(*await asyncio.open_connection(sock=connection, limit=1024))
        self.clients.append(client)
        return client

    def leave(self) -> None:
        """No client stays."""
        for client in self.clients:
            client.leave()

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer, on a connection of its own."""
        client = await self.connect()
        await client.send(request)
        page = await client.read_page()
        client.leave()
        return page

    async def exchange(self) -> Exchange:
        """The only exchange, once it has ended."""
        await until(lambda: self.exchanges, "an exchange to end")
        (found,) = self.exchanges
        return found


@asynccontextmanager
async def proxied(
    script: Script,
    *others: Script,
    rules: FleetRules | None = None,
    admission: Admission | None = None,
    credentials: Sequence[Callable[[], str]] = (),
    usage: AskUsage | None = None,
    capture: Capture | None = None,
    board: Board | None = None,
    site: Site | None = None,
) -> AsyncIterator[Running]:
    """A proxy in front of a scripted engine, or of several; `credentials` are the engines' keys."""
    exchanges: list[Exchange] = []
    told: list[str] = []
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(ScriptedEngine(each)) for each in (script, *others)]
        urls = [BaseUrl.parse(each.url, "--upstream") for each in engines]
        fleet = Fleet(urls, rules=rules, tell=told.append)
        if credentials:
            admission = Admission(credentials=Credentials(credentials, urls))
        proxy = Proxy(
            fleet, exchanges.append, admission=admission, usage=usage, capture=capture, board=board, site=site
        )
        door = bind("127.0.0.1", 0)
        await proxy.listen(door)
        running = Running(proxy, fleet, engines[0], door.getsockname()[1], exchanges, engines=engines, told=told)
        try:
            yield running
        finally:
            running.leave()
            await proxy.drain(0.01)
            await proxy.close()


def post(body: bytes = b"{}", *headers: bytes, path: bytes = CHAT) -> bytes:
    """A request as bytes."""
    lines = [b"POST %b HTTP/1.1" % path, b"Host: proxy", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


def get(path: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), b"Host: proxy", *headers]) + b"\r\n\r\n"


def head_and_body(answer: bytes) -> tuple[bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body
