"""What the hot path costs in user time, without a socket:  .venv/bin/python -m benchmarks.micro

Feeds one stream's reads straight into `EngineConnection.data_received`, hot in the cache, and prints us an event.
"""

import asyncio
import time

from imaxproxy.metrics import Ask
from imaxproxy.runs.journal import exchange_row
from imaxproxy.wire import DIALECTS, EngineConnection, Question

EVENTS = 20_000
EVENT = (
    b'data: {"id":"chatcmpl-9f8a7b6c5d4e3f2a","object":"chat.completion.chunk","created":1795421155,"model":"tiny",'
    b'"choices":[{"index":0,"delta":{"content":"%b"},"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Nowhere(asyncio.Transport):
    """Takes every write at once."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Gone."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Nothing to drop."""


def chunk(text: bytes) -> bytes:
    event = EVENT % text
    return b"%x\r\n%b\r\n" % (len(event), event)


async def measure() -> tuple[float, float]:
    """(us an event to receive, us an event to close and write down)."""
    reads = [chunk(text) for text in (b" hello", b" a", b" international", b" zebra")] * (EVENTS // 4)
    connection = EngineConnection()
    connection.connection_made(Nowhere())
    answer = connection.ask(Question(b"x", DIALECTS["/v1/chat/completions"]))
    connection.data_received(HEAD)
    started = time.perf_counter()
    for read in reads:
        connection.data_received(read)
    received = time.perf_counter()
    connection.data_received(b"0\r\n\r\n")
    answered = await answer
    assert answered.reception is not None
    closing = time.perf_counter()
    exchange_row(answered.reception.close(Ask("x", "p", 0, 0, dialect="chat"), 10**9))
    return 1e6 * (received - started) / EVENTS, 1e6 * (time.perf_counter() - closing) / EVENTS


def main() -> None:
    runs = [asyncio.run(measure()) for _ in range(7)]
    print(f"receive {sorted(run[0] for run in runs)[3]:.2f} us an event, close {sorted(run[1] for run in runs)[3]:.2f}")


if __name__ == "__main__":
    main()
