"""What an engine is sent is read alike by every parser: whatever the client sent, there is one request and no other."""

import random

import h11
import httptools
import pytest
from on_loop import run
from scripted_engine import Call, Request, page

from proxy.running import Running, get, post, proxied

BASES = [
    post(b'{"model":"m"}', b"Authorization: Bearer x", b"X-Two: 1", b"X-Two: 2"),
    post(b"")[:-21] + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    get(b"/v1/models?limit=2&after=%20"),
    get(b"*", method=b"OPTIONS"),
    post(b"one") + get(b"/two"),
]
PIECES = [
    *[bytes([number]) for number in (0, 9, 10, 11, 12, 13, 32, 34, 35, 44, 48, 58, 59, 64, 127, 128, 194, 255)],
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: content-length, transfer-encoding\r\n",
    b"Host: elsewhere\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"GET / HTTP/1.1\r\n",
    b"http://proxy/",
    b"HTTP/1.0",
    b"//",
    b"0x",
    b"chunked",
]


def mutated(rng: random.Random) -> bytes:
    """One of the bases with up to four pieces put in, taken out or put over something."""
    request = bytearray(rng.choice(BASES))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(request) + 1)
        cut = rng.choice((0, 0, 1, rng.randint(0, 8)))
        request[at : at + cut] = rng.choice((b"", rng.choice(PIECES), rng.choice(PIECES)))
    return bytes(request)


def read_by_h11(sent: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]:
    """Method, target, headers and body, of exactly one request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(sent)
    head, body = connection.next_event(), b""
    assert isinstance(head, h11.Request), head
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        body += bytes(event.data)
    assert connection.trailing_data[0] == b""
    return head.method, head.target, [(name.lower(), value) for name, value in head.headers], body


def read_by_httptools(sent: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]:
    class Collector:
        target, body, whole = b"", b"", 0

        def __init__(self) -> None:
            self.headers: list[tuple[bytes, bytes]] = []

        def on_url(self, piece: bytes) -> None:
            self.target += piece

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.append((name.lower(), value.rstrip(b" \t")))

        def on_body(self, piece: bytes) -> None:
            self.body += piece

        def on_message_complete(self) -> None:
            self.whole += 1

    collector = Collector()
    parser = httptools.HttpRequestParser(collector)
    parser.feed_data(sent)
    assert collector.whole == 1
    return parser.get_method(), collector.target, collector.headers, collector.body


def agreed(request: Request) -> None:
    sent = request.head + b"\r\n\r\n" + request.body
    assert read_by_h11(sent) == read_by_httptools(sent), sent


async def echo(call: Call) -> None:
    await call.send(page(200, call.request.line))


async def try_one(running: Running, sent: bytes, number: int) -> None:
    """A connection of its own; then one that is whole, whose answer must be its own."""
    bad = await running.connect()
    await bad.send(sent)
    good = running.clients[0]
    await good.send(get(b"/canary/%d" % number))
    assert (await good.read_page())[1] == b"GET /canary/%d HTTP/1.1" % number, sent
    bad.leave()
    running.clients.pop()


@pytest.mark.parametrize("count", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_two_parsers_agree_on_what_is_sent_on(count: int) -> None:
    rng = random.Random(5)

    async def scenario() -> int:
        async with proxied(echo) as running:
            await running.connect()
            for number in range(count):
                await try_one(running, mutated(rng), number)
            for request in running.engine.requests:
                agreed(request)
            return len(running.engine.requests)

    sent_on = run(scenario(), deadline_s=60 if count == 2000 else 900)
    assert sent_on > count * 1.15  # not all were refused: what is tested is what passes


def test_the_bases_pass_as_they_are() -> None:
    async def scenario() -> None:
        async with proxied(echo) as running:
            for base in BASES:
                client = await running.connect()
                await client.send(base)
                assert (await client.read_page())[0].startswith(b"HTTP/1.1 200 "), base
            for request in running.engine.requests:
                agreed(request)

    run(scenario())
