"""What the client receives is byte for byte what the engine sent."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from on_loop import run, until
from scripted_engine import (
    LAST_CHUNK,
    STREAM_HEAD,
    Call,
    Script,
    answering,
    chunk,
    dechunked,
    page,
    token,
    whole_stream,
)
from wire.streams import Recorded, cut

from imaxproxy.metrics import Outcome
from proxy.running import Wire, get, head_and_body, post, proxied

pytestmark = pytest.mark.usefixtures("hot_path")

CLOSE = b"Connection: close"
STREAMS = (
    "vllm-chat-stream-usage",
    "vllm-chat-stream-contusage",
    "vllm-completions-stream-usage",
    "sglang-chat-stream-usage",
    "llamaserver-chat-stream-usage",
    "dynamo-chat-stream-usage",
    "transformers-chat-stream-usage",
)


def sends(head: bytes, *pieces: bytes, then_close: bool = False) -> Script:
    async def script(call: Call) -> None:
        await call.send(head, *pieces)
        if then_close:
            call.close()

    return script


def fetch(script: Script, request: bytes) -> bytes:
    """All that one client receives on a connection that closes."""

    async def scenario() -> bytes:
        async with proxied(script) as running:
            client = await running.connect()
            await client.send(request)
            return await client.read_all()

    return run(scenario())


@pytest.mark.parametrize("framing", ["event", "three", "line", "odd", "length", "until_close"])
@pytest.mark.parametrize("name", STREAMS)
def test_recorded_streams_arrive_as_they_were(name: str, framing: str) -> None:
    recorded = Recorded.load(name)
    script = sends(recorded.head(framing), *recorded.chunks(framing), then_close=framing == "until_close")
    received = fetch(script, post(b"{}", CLOSE, path=recorded.path.encode()))
    assert head_and_body(received)[1] == recorded.bytes(framing)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(places=st.lists(st.integers(1, 3000), max_size=40))
def test_however_the_stream_is_cut(places: list[int]) -> None:
    """Head and body, cut anywhere, also inside the head, a chunk's size line and a character."""
    recorded = Recorded.load("vllm-chat-stream-usage")
    stream = recorded.head("event") + recorded.bytes("event")
    received = fetch(sends(b"", *cut(stream, places)), post(b"{}", CLOSE))
    assert head_and_body(received)[1] == recorded.bytes("event")


def test_lines_that_end_in_crlf_stay_so() -> None:
    events = [chunk(dechunked(piece).replace(b"\n", b"\r\n")) for piece in whole_stream(5)[1:-1]]

    async def scenario() -> None:
        async with proxied(answering(STREAM_HEAD, *events, LAST_CHUNK)) as running:
            client = await running.connect()
            await client.send(post(b"{}", CLOSE))
            assert (await client.read_all()).endswith(b"".join(events) + LAST_CHUNK)
            assert len((await running.exchange()).timeline) == 5

    run(scenario())


ODD_CHUNKS = b"2;a=b\r\n{}\r\n000\r\nX-Sum: 1\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (page(404, b'{"error":{}}'), b"HTTP/1.1 404 Said", b'{"error":{}}'),
        (page(500, b"<html>down</html>"), b"HTTP/1.1 500 Said", b"<html>down</html>"),
        (page(200, b""), b"HTTP/1.1 200 Said", b""),
        (page(200, b"\xff\x00\xe2"), b"HTTP/1.1 200 Said", b"\xff\x00\xe2"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content", b""),
        # an interim answer is for this hop
        (HINTS + page(200, b"{}"), b"HTTP/1.1 200 Said", b"{}"),
        # no reason phrase
        (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 200 ", b"{}"),
        # a chunk with an extension, and a trailer
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ODD_CHUNKS, b"HTTP/1.1 200 OK", ODD_CHUNKS),
    ],
)
def test_other_answers_too(answer: bytes, status: bytes, body: bytes) -> None:
    head, received = head_and_body(fetch(answering(answer), post(b"{}", CLOSE)))
    assert (head.split(b"\r\n")[0], received) == (status, body)


def test_head_has_a_length_and_no_body() -> None:
    async def scenario() -> None:
        async with proxied(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")) as running:
            client = await running.connect()
            for _ in range(2):  # on one connection: the first answer's end was seen
                await client.send(get(b"/v1/files", method=b"HEAD"))
                assert b"Content-Length: 1234" in await client.read_until(b"\r\n\r\n")
            assert running.engine.connections == 1

    run(scenario())


@pytest.mark.parametrize("framing", ["length", "chunked", "until_close"])
def test_twenty_megabytes_down(framing: str) -> None:
    body = bytes(range(256)) * (20 << 12)
    heads = {"length": b"Content-Length: %d\r\n" % len(body), "chunked": b"Transfer-Encoding: chunked\r\n"}
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if framing == "chunked" else body
    head = b"HTTP/1.1 200 OK\r\n" + heads.get(framing, b"") + b"\r\n"
    received = fetch(sends(head, framed, then_close=framing == "until_close"), post(b"{}", CLOSE))
    assert head_and_body(received)[1] == framed


def test_names_of_headers_keep_order_and_case_and_doubles_stay_two() -> None:
    more = (b"X-Odd-CASE: 1", b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"x-latin: caf\xe9")
    received = fetch(answering(page(200, b"{}", *more)), post(b"{}", CLOSE))
    assert b"\r\n".join(more) in received


def test_headers_for_one_hop_stay_there() -> None:
    hop = (b"Connection: keep-alive, X-Named", b"X-Named: 1", b"Keep-Alive: timeout=5", b"Proxy-Authenticate: Basic")
    more = (*hop, b"Upgrade: h2c", b"TE: trailers", b"Trailer: X-Sum", b"X-Kept: 1")
    head, _ = head_and_body(fetch(answering(page(200, b"{}", *more)), post(b"{}", CLOSE)))
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert names == [b"content-type", b"x-kept", b"content-length", b"connection"]
    assert head.endswith(b"Connection: close")


def test_a_connection_is_used_again_on_both_sides() -> None:
    async def scenario() -> None:
        stream = b"".join(whole_stream(3)[1:])
        async with proxied(answering(*whole_stream(3))) as running:
            client = await running.connect()
            for _ in range(5):
                await client.send(post())
                assert b"connection" not in (await client.read_until(b"\r\n\r\n")).lower()
                assert await client.read(len(stream)) == stream
            assert running.engine.connections == 1
            await until(lambda: len(running.exchanges) == 5, "all records")
            assert [exchange.ask.connect_ns is None for exchange in running.exchanges] == [
                False,
                True,
                True,
                True,
                True,
            ]

    run(scenario())


def test_requests_sent_at_once_are_answered_in_order() -> None:
    async def script(call: Call) -> None:
        await call.send(page(200, call.request.body * 1000))

    async def scenario() -> None:
        async with proxied(script) as running:
            client = await running.connect()
            await client.send(post(b"first") + post(b"second") + post(b"third"))
            assert [(await client.read_page())[1] for _ in range(3)] == [
                b"first" * 1000,
                b"second" * 1000,
                b"third" * 1000,
            ]

    run(scenario())


def test_an_old_client_gets_the_payload_without_chunks_and_an_end() -> None:
    events = [token("a"), token("b", "stop")]
    request = post().replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    head, body = head_and_body(fetch(answering(STREAM_HEAD, *events, LAST_CHUNK), request))
    assert b"transfer-encoding" not in head.lower()
    assert b"Connection: close" in head
    assert body == b"".join(map(dechunked, events))


def test_an_old_client_of_an_engine_that_breaks_its_chunks() -> None:
    async def scenario() -> None:
        async with proxied(sends(STREAM_HEAD, token("a"), b"nonsense\r\n", then_close=True)) as running:
            client = await running.connect()
            await client.send(post().replace(b"HTTP/1.1", b"HTTP/1.0", 1))
            assert b'"a"' in await client.read_all()
            assert (await running.exchange()).error == "bad_chunk"

    run(scenario())


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_cut_answer_is_seen_as_cut(how: str) -> None:
    """The client's connection closes without the last chunk; what had come is with it."""

    async def script(call: Call) -> None:
        await call.send(STREAM_HEAD, token("a"))
        await seen.wait()
        if how == "rst":
            call.reset()
        else:
            call.close()

    async def scenario() -> None:
        nonlocal seen
        seen = asyncio.Event()
        async with proxied(script) as running:
            client = await running.connect()
            await client.send(post())
            await client.read_until(token("a"))
            seen.set()
            assert await client.read_all() == b""
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.error) == (Outcome.TRUNCATED, "cut" if how == "fin" else "reset")
            assert len(exchange.timeline) == 1

    seen = asyncio.Event()
    run(scenario())


def test_more_than_the_length_says_is_not_left_for_the_next_request() -> None:
    """The surplus would be taken for the start of the next answer."""

    async def scenario() -> None:
        async with proxied(
            answering(page(200, b"{}") + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!")
        ) as running:
            for _ in range(2):
                client: Wire = await running.connect()
                await client.send(post())
                await client.read_all()
            assert running.engine.connections == 2
            assert {exchange.error for exchange in running.exchanges} == {"excess_body"}

    run(scenario())
