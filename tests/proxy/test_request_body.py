"""What the engine receives of a request's body, and which bodies never reach it."""

import asyncio
import json

import pytest
from on_loop import run, until
from scripted_engine import Call, answering, page

from imaxproxy.metrics import Outcome
from imaxproxy.proxy import Admission, Limits
from proxy.running import post, proxied

BODY_LIMIT_BYTES = Limits().body_bytes
CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: proxy\r\nTransfer-Encoding: chunked\r\n\r\n"


async def echo(call: Call) -> None:
    await call.send(page(200, call.request.body))


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", bytes(range(256)), b'{"a":"\\ud83d"}', "\u26a1".encode() * 5000, b"\r\n\r\n0\r\n\r\n"],
)
@pytest.mark.parametrize("chunk_bytes", [0, 1, 1000])
def test_a_body_arrives_as_it_was(body: bytes, chunk_bytes: int) -> None:
    """With a length, or in chunks, which end at the proxy."""
    pieces = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)] if chunk_bytes else []
    chunks = b"".join(b"%X;x=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    request = CHUNKED + chunks + b"0\r\nX-Sum: 1\r\n\r\n" if chunk_bytes else post(body)

    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            await client.send(request)
            assert (await client.read_page())[1] == body
            assert running.engine.requests[0].body == body
            assert running.engine.requests[0].header(b"transfer-encoding") is None

    run(scenario())


def test_twenty_megabytes_up_and_down() -> None:
    body = bytes(range(256)) * (20 << 12)

    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            sending = asyncio.ensure_future(client.send(post(body)))
            assert (await client.read_page())[1] == body
            await sending
            exchange = await running.exchange()
            assert exchange.ask.sent_ns is not None

    run(scenario())


def test_a_client_that_waits_for_100_continue() -> None:
    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            head, _, body = post(b"hello", b"Expect: 100-continue").partition(b"\r\n\r\n")
            await client.send(head + b"\r\n\r\n")
            assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(body)
            assert (await client.read_page())[1] == b"hello"
            assert running.engine.requests[0].header(b"expect") is None

    run(scenario())


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused(announced: bool) -> None:
    """One that is announced is refused before it is read, and no engine hears of either."""

    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            if announced:
                head = post(b"", b"Expect: 100-continue").replace(
                    b"Content-Length: 0", b"Content-Length: %d" % (64 << 21)
                )
                await client.send(head)
            else:
                piece = bytes(1 << 20)
                await client.send(CHUNKED + b"%x\r\n" % (BODY_LIMIT_BYTES + len(piece)))
                for _ in range((BODY_LIMIT_BYTES >> 20) + 1):
                    await client.send(piece)
            head, body = await client.read_page()
            assert head.startswith(b"HTTP/1.1 413 ")
            assert b"x-should-retry: false" in head
            error = json.loads(body)["error"]
            assert (error["type"], error["code"]) == ("invalid_request_error", "body_too_large")
            assert "over 64 MiB" in error["message"]
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.error) == (Outcome.FAILED, "body_too_large")
            assert running.engine.connections == 0

    run(scenario())


def test_a_body_of_just_the_limit_passes() -> None:
    async def answer(call: Call) -> None:
        await call.send(page(200, b"%d" % len(call.request.body)))

    async def scenario() -> None:
        async with proxied(answer) as running:
            client = await running.connect()
            await client.send(post(bytes(BODY_LIMIT_BYTES)))
            assert (await client.read_page())[1] == b"%d" % BODY_LIMIT_BYTES

    run(scenario())


SHORT = Admission(Limits(body_idle_s=0.2))


@pytest.mark.parametrize("rest", [b"", b"lo\r\n"])
def test_a_body_whose_rest_never_comes_is_given_up(rest: bytes) -> None:
    async def scenario() -> None:
        async with proxied(echo, SHORT) as running:
            client = await running.connect()
            await client.send(CHUNKED + b"5\r\nhel")
            await until(lambda: running.proxy._in_flight, "the request's head to be read")
            await client.send(rest)
            head, _ = await client.read_page()
            assert head.startswith(b"HTTP/1.1 408 ")
            assert (await running.exchange()).error == "body_timeout"
            assert await client.read_all() == b""
            assert running.engine.connections == 0

    run(scenario())


def test_a_body_that_trickles_is_given_up_too() -> None:
    """Something comes all the time, and it is never done: 20 bytes where 100 a second are asked for."""

    async def scenario() -> None:
        async with proxied(echo, Admission(Limits(body_idle_s=0.2, body_rate_bytes_per_s=100))) as running:
            client = await running.connect()
            await client.send(post(bytes(1000))[:-1000])
            answer = asyncio.ensure_future(client.read_page())
            while not answer.done():
                await client.send(b"x")
                await asyncio.sleep(0.02)
            assert answer.result()[0].startswith(b"HTTP/1.1 408 ")

    run(scenario())


@pytest.mark.parametrize("sent_at_once", [True, False])
@pytest.mark.parametrize("bad", [b"not hex\r\n", b"0x2\r\nab\r\n", b"+2\r\nab\r\n", b"-2\r\nab\r\n", b"2\r\nabXX"])
def test_chunks_that_are_none_are_refused_at_once(bad: bytes, sent_at_once: bool) -> None:
    async def scenario() -> None:
        async with proxied(echo) as running:
            client = await running.connect()
            if sent_at_once:
                await client.send(CHUNKED + b"5\r\nhello\r\n" + bad)
            else:
                await client.send(CHUNKED + b"5\r\nhello\r\n")
                await until(lambda: running.proxy._in_flight, "the request's head to be read")
                await client.send(bad)
            answer = await client.read_all()
            assert answer.split(b" ")[1] == b"400"
            assert answer.count(b"HTTP/1.") == 1 + answer.count(b"not HTTP/1.1")
            assert running.engine.connections == 0

    run(scenario())


def test_a_client_that_leaves_while_it_sends_is_counted() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            await client.send(post(bytes(1000))[:-1])
            await until(lambda: running.proxy._in_flight, "the request's head to be read")
            client.leave()
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.error) == (Outcome.ABORTED, "client_left")
            assert running.engine.connections == 0

    run(scenario())
