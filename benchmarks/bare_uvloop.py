"""The least a Python client can cost: one uvloop Protocol a stream, that stamps each read and counts ends of events.

python bare_uvloop.py PORT STREAMS REQUESTS TOKENS; prints the same JSON as client.c.
"""

import asyncio
import json
import sys
from array import array
from time import monotonic_ns
from typing import cast

import uvloop

BODY = (
    '{"model":"bench","messages":[{"role":"user","content":"the same thirty or so words each time"}],"max_tokens":%d,'
    '"stream":true,"stream_options":{"include_usage":true},"ignore_eos":true}'
)
HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: %d\r\n\r\n"
)


class Stream(asyncio.Protocol):
    """One keep-alive connection; a read costs one stamp, one count, one append a token."""

    left = 0  # requests still to send, of all streams together
    running = 0
    ttfts_ns, gaps_ns = array("q"), array("q")
    request = b""
    tokens = 0
    done: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._last_ns = 0
        self._transport = cast(asyncio.WriteTransport, transport)
        Stream.running += 1
        self._ask()

    def _ask(self) -> None:
        if not Stream.left:
            Stream.running -= 1
            if not Stream.running:
                Stream.done.set()
            return
        Stream.left -= 1
        self._events, self._tail = 0, b""
        self._transport.write(self.request)
        self._sent_ns = monotonic_ns()

    def data_received(self, data: bytes) -> None:
        now_ns = monotonic_ns()
        for _ in range(data.count(b"\n\n")):  # the source ends no write, and so hardly a read, within an event
            self._events += 1
            if self._events == 2:  # the first is chat's role event
                self.ttfts_ns.append(now_ns - self._sent_ns)
            elif 2 < self._events <= self.tokens + 1:  # after it come usage and [DONE]
                self.gaps_ns.append(now_ns - self._last_ns)
            self._last_ns = now_ns
        if self._events >= self.tokens + 3 and data.endswith(b"\r\n0\r\n\r\n"):
            self._ask()


async def run(port: int, streams: int) -> None:
    Stream.done = asyncio.Event()
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.create_connection(Stream, "127.0.0.1", port) for _ in range(streams)))
    await Stream.done.wait()


def percentiles(sample_ns: "array[int]") -> dict[str, float]:
    ordered = sorted(sample_ns) or [0]
    return {"p50": ordered[len(ordered) // 2] / 1e6, "p99": ordered[len(ordered) * 99 // 100] / 1e6}


def main() -> None:
    port, streams, Stream.left, Stream.tokens = map(int, sys.argv[1:5])
    body = BODY % Stream.tokens
    Stream.request = (HEAD % len(body) + body).encode()
    uvloop.run(run(port, streams))
    events = len(Stream.ttfts_ns) + len(Stream.gaps_ns)
    print(
        json.dumps({"events": events, "ttft_ms": percentiles(Stream.ttfts_ns), "itl_ms": percentiles(Stream.gaps_ns)})
    )


if __name__ == "__main__":
    main()
