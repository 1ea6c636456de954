"""A transport without a socket, and an engine's half of a conversation over it."""

import asyncio

from imaxproxy.clock import VirtualClock
from imaxproxy.wire import CHAT, EngineConnection, Question

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKEN = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
FINISH = b'data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
END = b"0\r\n\r\n"
QUESTION = Question(b"POST / HTTP/1.1\r\n\r\n", CHAT)


class FakeTransport(asyncio.Transport):
    """Keeps what is written; `stuck` writes stay in its buffer, as when the peer's window is full."""

    def __init__(self, *, stuck: bool = False) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.stuck = stuck
        self.closing = False
        self.reading = True
        self.high: int | None = None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written)) if self.stuck else 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing, "uvloop raises here"
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

    def close(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def connected(*, stuck: bool = False) -> tuple[EngineConnection, FakeTransport, VirtualClock]:
    clock, transport = VirtualClock(1000), FakeTransport(stuck=stuck)
    connection = EngineConnection(clock)
    connection.connection_made(transport)
    return connection, transport, clock
