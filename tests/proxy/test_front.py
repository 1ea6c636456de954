"""The clients' side: who leaves, who lags, who does not speak HTTP."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, answering, chunk, page, token, whole_stream

from imaxproxy.errors import UsageError
from imaxproxy.metrics import Outcome
from imaxproxy.proxy import bind
from proxy.running import Running, get, head_and_body, post, proxied

LONG = bytes(60_000)
"""Comes in one read, and is more than the buffers of a lagging client take."""
FLOOD = chunk(b"data: " + b"x" * 60_000 + b"\n\n")


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("moment", ["before the head", "before the first token", "in mid-stream"])
def test_a_client_that_leaves_aborts_its_request_at_the_engine(moment: str, reset: bool) -> None:
    async def script(call: Call) -> None:
        if moment != "before the head":
            await call.send(STREAM_HEAD)
        if moment == "in mid-stream":
            await call.send(token("a"), token("b"))
        await call.gone()
        left.set()

    async def scenario() -> None:
        nonlocal left
        left = asyncio.Event()
        async with proxied(script) as running:
            client = await running.connect()
            await client.send(post())
            await until(lambda: running.engine.requests, "the engine to be asked")
            if moment == "before the first token":
                await client.read_until(b"\r\n\r\n")
            elif moment == "in mid-stream":
                await client.read_until(token("b"))
            if reset:
                client.leave()
            else:
                client.writer.close()
            await left.wait()
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.error) == (Outcome.ABORTED, "client_left")
            assert len(exchange.timeline) == (2 if moment == "in mid-stream" else 0)
            assert repr(running.proxy).endswith("0 in flight, 1 done>")

    left = asyncio.Event()
    run(scenario())


def test_many_clients_that_leave_a_flood_leave_nothing_behind() -> None:
    """What the engine sends between a client's end and its own has nowhere to go, and harms nobody."""

    async def flood(call: Call) -> None:
        await call.send(STREAM_HEAD)
        while True:
            await call.send(*[token("a")] * 20)

    async def visit(running: Running) -> None:
        client = await running.connect()
        await client.send(post())
        await client.read_until(token("a"))
        client.leave()

    async def scenario() -> None:
        async with proxied(flood) as running:
            for _ in range(5):
                await asyncio.gather(*(visit(running) for _ in range(20)))
            await until(lambda: len(running.exchanges) == 100, "all exchanges to end")
            assert {exchange.error for exchange in running.exchanges} == {"client_left"}
            assert "0 busy, 0 idle" in repr(running.fleet.upstreams[0].pool)

    run(scenario())


def test_a_slow_reader_pauses_its_own_engine_and_nobody_else() -> None:
    """The engine can send no more than the buffers of two sockets hold, and the proxy holds next to nothing."""
    sent_bytes = 0

    async def script(call: Call) -> None:
        nonlocal sent_bytes
        if call.request.body == b"quick":
            await call.send(*whole_stream(5))
            return
        await call.send(STREAM_HEAD)
        while True:
            await call.send(FLOOD)
            sent_bytes += len(FLOOD)

    async def scenario() -> None:
        async with proxied(script) as running:
            slow = await running.connect_lagging()
            await slow.send(post(b"slow"))
            await until_steady(lambda: sent_bytes)
            assert sent_bytes < 32 << 20
            (side,) = running.proxy._front.connections
            assert side.transport.get_write_buffer_size() < 1 << 20
            for _ in range(3):
                quick = await running.connect()
                await quick.send(post(b"quick", b"Connection: close"))
                assert (await quick.read_all()).endswith(b"0\r\n\r\n")
            before = sent_bytes
            await slow.read(before)  # it reads on, and so the engine sends on
            await until(lambda: sent_bytes > before, "the engine to go on")

    run(scenario())


def test_an_engine_connection_whose_client_lagged_at_the_end_serves_the_next_one() -> None:
    """The read that ended the answer paused the engine's side, and nobody was left to resume it."""

    async def scenario() -> None:
        async with proxied(answering(page(200, LONG))) as running:
            for asked in (1, 2, 3):
                client = await running.connect_lagging()
                await client.send(post(b"{}", b"Connection: close"))
                await until(lambda n=asked: len(running.exchanges) == n, "the answer's end to be seen")
                assert head_and_body(await client.read_all())[1] == LONG
            assert running.engine.connections == 1

    run(scenario())


def test_answers_to_a_client_that_asks_and_does_not_read_wait_for_it() -> None:
    """Else they would pile up: the first answer's rest is still on its way when the next one begins."""

    async def scenario() -> None:
        async with proxied(answering(page(200, LONG))) as running:
            client = await running.connect_lagging()
            await client.send(post() * 8)
            await until_steady(lambda: len(running.engine.requests))
            assert len(running.engine.requests) == 1
            for _ in range(8):
                assert (await client.read_page())[1] == LONG

    run(scenario())


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 5,  # TLS
        post().replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),  # smuggling
        post(b"{}", b"Content-Length: 5"),
        post(b"{}", b"X-Long: " + b"x" * 70_000),
        get(b"/" + b"x" * 70_000),
        get(b"/v1/models", b"X Space: 1"),
    ],
    ids=["nonsense", "tls", "two framings", "two lengths", "long header", "long target", "space in a name"],
)
def test_what_is_not_http_is_refused_without_a_word(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            await client.send(sent)
            assert (await client.read_all()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
            assert running.engine.requests == []

    with caplog.at_level(logging.WARNING):
        run(scenario())
    assert caplog.records == []


def test_a_bug_of_ours_is_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            running.proxy._sink = None  # type: ignore[assignment]
            client = await running.connect()
            await client.send(post())
            await client.read_all()

    run(scenario())
    assert "TypeError" in caplog.text


def test_an_address_that_is_taken_is_the_users_mistake() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use; choose --port"
        ):
            bind("127.0.0.1", port)


def test_an_address_that_is_not_here_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="choose --port or --host"):
        bind("192.0.2.1", 0)


async def until_steady(value: Callable[[], int]) -> None:
    """Wait until a figure has risen and stands still."""
    last, same = value(), 0
    while not (last and same >= 50):
        await asyncio.sleep(0.004)
        now = value()
        last, same = now, same + 1 if now == last else 0
