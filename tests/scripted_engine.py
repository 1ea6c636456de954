"""An engine whose every byte a test decides: a raw server on 127.0.0.1 that keeps what it was sent."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

import uvloop

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """What the engine was sent, as it came."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass
class Call:
    """One request under way: what a script answers with."""

    request: Request
    connection: int
    """Which of the engine's connections it came on, from 0."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Each piece is a write of its own, and is given the time to be read as one."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the peer has closed or reset its side."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """End the connection with an RST."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.writer.transport.abort()


Script = Callable[[Call], Awaitable[None]]


@dataclass
class ScriptedEngine:
    """Runs `script` for each request. A script that returns leaves the connection open for the next one."""

    script: Script
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    errors: list[BaseException] = field(default_factory=list)
    """What scripts raised: a test looks at them when it ends."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.errors:
            raise self.errors[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection, self.connections = self.connections, self.connections + 1
        try:
            while True:
                request = await _read_request(reader)
                self.requests.append(request)
                await self.script(Call(request, connection, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):  # the peer left
            pass
        except asyncio.CancelledError:  # the engine ends; asyncio's server would complain of it
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    request = Request(head[:-4], b"")
    length = int(request.header(b"content-length") or 0)
    return Request(head[:-4], await reader.readexactly(length))


@contextmanager
def in_background(engine: ScriptedEngine) -> Iterator[ScriptedEngine]:
    """The engine on a loop in a thread of its own, for tests that wait for processes."""
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with engine:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=uvloop.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield engine
    finally:
        engine.loop.call_soon_threadsafe(stop.set)
        thread.join(10)


# Answers --------------------------------------------------------------------------------------------------------------

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def dechunked(piece: bytes) -> bytes:
    """The payload of one chunk."""
    return piece.partition(b"\r\n")[2][:-2]


def sse(value: object) -> bytes:
    """An event, in a chunk of its own."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return chunk(b"data: " + data + b"\n\n")


def token(text: str, finish_reason: str | None = None) -> bytes:
    return sse({"model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]})


def usage(tokens: int) -> bytes:
    return sse({"model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": tokens}})


def whole_stream(tokens: int) -> list[bytes]:
    """A chat of so many tokens, its head included, one write each."""
    texts = [token(f" t{number}") for number in range(tokens - 1)]
    return [STREAM_HEAD, *texts, token(" end", "length"), usage(tokens), sse(b"[DONE]") + LAST_CHUNK]


def page(status: int, body: bytes, *headers: bytes, reason: bytes = b"Said") -> bytes:
    """A whole answer with a Content-Length."""
    lines = [b"HTTP/1.1 %d %b" % (status, reason), b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


_MODEL = {"id": "m", "object": "model", "owned_by": "vllm"}
MODELS = page(200, json.dumps({"object": "list", "data": [_MODEL]}).encode())


def answering(*pieces: bytes, models: bytes = MODELS) -> Script:
    """A script that answers /v1/models as an engine does, /imax/engine with 404, and all else with `pieces`."""

    async def script(call: Call) -> None:
        if call.request.line.startswith(b"GET /v1/models"):
            await call.send(models)
        elif call.request.line.startswith(b"GET /imax/engine"):
            await call.send(page(404, b"{}"))
        else:
            await call.send(*pieces)

    return script
