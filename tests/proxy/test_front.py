"""The clients' side: who leaves, who lags, who does not speak HTTP."""

import asyncio
import contextlib
import gc
import json
import logging
import socket
from collections.abc import Callable

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, answering, chunk, page, token, whole_stream

from imaxproxy.errors import UsageError
from imaxproxy.metrics import Outcome
from imaxproxy.proxy import Admission, Limits, bind
from imaxproxy.proxy.front import ClientSide
from imaxproxy.wire import EngineConnection
from proxy.running import Running, get, head_and_body, post, proxied

pytestmark = pytest.mark.usefixtures("hot_path")

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
                client.reset()
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


def test_a_client_that_does_not_read_stops_its_engines_reads_within_2_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the kernel's own buffers; left to itself it takes 4 MB for a client that reads nothing."""
    read_bytes = 0
    take = EngineConnection.data_received

    def counted(connection: EngineConnection, data: bytes) -> None:
        nonlocal read_bytes
        read_bytes += len(data)
        take(connection, data)

    async def script(call: Call) -> None:
        await call.send(STREAM_HEAD)
        while True:
            await call.send(FLOOD)

    async def scenario() -> None:
        async with proxied(script) as running:
            with socket.create_connection(("127.0.0.1", running.port)) as deaf:
                deaf.sendall(post())
                await until_steady(lambda: read_bytes)
                assert read_bytes < 2 << 20

    monkeypatch.setattr(EngineConnection, "data_received", counted)
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


LONG_TARGET = b"/" + b"x" * 70_000


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"nonsense\r\n\r\n", b"400", "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 5, b"400", "bad_request"),  # TLS
        (post(b"{}", b"X-Long: " + b"x" * 70_000), b"431", "head_too_large"),
        (post(b"{}", *[b"X-%d: 1" % number for number in range(1000)]), b"431", "head_too_large"),
        (post(b"{}", *[b"X-%d: " % number + b"x" * 900 for number in range(100)]), b"431", "head_too_large"),
        (get(LONG_TARGET), b"414", "target_too_long"),
        (get(b"http://proxy" + LONG_TARGET), b"414", "target_too_long"),
    ],
    ids=["nonsense", "tls", "long header", "many headers", "long head", "long target", "long absolute target"],
)
def test_what_is_not_http_or_too_long_is_refused_without_a_word(
    sent: bytes, status: bytes, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged: anybody can send any number of them. The connection is closed, and they are counted."""

    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            await client.send(sent)
            head, body = head_and_body(await client.read_all())
            assert head.split(b" ")[1] == status
            assert json.loads(body)["error"]["code"] == code
            assert running.engine.requests == []
            assert running.exchanges == []
            assert running.proxy._admission.refused == {code: 1}

    with caplog.at_level(logging.WARNING):
        run(scenario())
    assert caplog.records == []


@pytest.mark.parametrize("sent", [get(b"/v1/models")[:-3], b"G", b"\r\n", get(b"/v1/models") + b"GET /v1"])
def test_a_head_that_never_ends_is_given_up(sent: bytes) -> None:
    """Also behind a whole request; a client that says nothing may stay."""

    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), admission=Admission(Limits(head_s=0.1))) as running:
            silent, slow = await running.connect(), await running.connect()
            await slow.send(sent)
            if sent.startswith(get(b"/v1/models")):
                await slow.read_page()
                await slow.send(b"/models")
            assert (await slow.read_all()).startswith(b"HTTP/1.1 408 ")
            await silent.send(get(b"/v1/models"))
            assert (await silent.read_page())[0].startswith(b"HTTP/1.1 200 ")

    run(scenario())


def test_a_head_that_grows_without_end_is_cut_off() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), admission=Admission(Limits(head_bytes=1000))) as running:
            client = await running.connect()
            await client.send(b"GET / HTTP/1.1\r\n")
            with contextlib.suppress(ConnectionError):
                for number in range(100):
                    await client.send(b"X-%d: " % number + b"x" * 500 + b"\r\n")
                    await asyncio.sleep(0)
            with contextlib.suppress(ConnectionError):
                await client.read_all()
            assert sum(running.proxy._admission.refused.values()) == 1

    run(scenario())


def test_a_head_that_comes_byte_by_byte_in_time_is_read() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            for _ in range(2):
                for byte in post(b"{}"):
                    await client.send(bytes([byte]))
                    await asyncio.sleep(0)
                await client.read_page()
            (side,) = running.proxy._front.connections
            assert side._head_timer is None

    run(scenario())


def test_clients_beyond_the_limit_are_told_so_and_let_go() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}")), admission=Admission(Limits(connections=2))) as running:
            clients = [await running.connect() for _ in range(2)]
            for client in clients:
                await client.send(get(b"/v1/models"))
                await client.read_page()
            for _ in range(50):  # more than are let go with patience
                head, body = head_and_body(await (await running.connect()).read_all())
                assert (head.split(b" ")[1], json.loads(body)["error"]["code"]) == (b"503", "too_many_connections")
                assert b"Retry-After: 1" in head
            clients[0].leave()
            await until(lambda: len(running.proxy._front.connections) == 1, "a client to leave")
            late = await running.connect()
            await late.send(get(b"/v1/models"))
            assert (await late.read_page())[0].startswith(b"HTTP/1.1 200 ")
            assert running.proxy._admission.refused == {"too_many_connections": 50}

    run(scenario())


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


def test_a_connection_that_ended_leaves_nothing_for_the_collector() -> None:
    """Collections are rare in the process that relays: a cycle a connection is memory that only grows for minutes."""

    def connections() -> int:
        return sum(isinstance(each, ClientSide) for each in gc.get_objects())

    async def scenario() -> int:
        async with proxied(answering(*whole_stream(3))) as running:
            gc.collect()
            before = connections()
            gc.disable()
            try:
                for _ in range(5):
                    client = await running.connect()
                    await client.send(post(b'{"stream":true,"messages":[]}', b"Connection: close"))
                    await client.read_all()
                    client.leave()
                running.clients.clear()
                await until(lambda: not running.proxy._front.connections, "the proxy to let go")
                await asyncio.sleep(0)
                return connections() - before
            finally:
                gc.enable()

    assert run(scenario()) == 0
