"""C06: a client that shuts down its writing side behind a whole request still gets its answer, and all of it."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, Script, answering, page, token, whole_stream

from imaxproxy.metrics import Ending
from proxy.running import Running, Wire, get, post, proxied

STREAM = b'{"stream":true,"messages":[]}'
WHOLE = page(200, b'{"choices":[]}')


def late(*pieces: bytes) -> Script:
    """Answers when the client's FIN has long been seen."""

    async def script(call: Call) -> None:
        await asyncio.sleep(0.02)
        await call.send(*pieces)

    return script


async def asked_and_shut(running: Running, request: bytes, how: str = "at once") -> Wire:
    """`how`: the FIN comes in the same read as the request, or when it is under way."""
    client = await running.connect()
    client.writer.write(request)
    if how == "later":
        await until(lambda: running.engine.requests, "the engine to be asked")
    client.writer.write_eof()
    return client


@pytest.mark.parametrize("how", ["at once", "later"])
@pytest.mark.parametrize("pieces", [whole_stream(5), [WHOLE]], ids=["stream", "whole"])
def test_the_answer_comes_whole_and_the_connection_ends(pieces: list[bytes], how: str) -> None:
    async def scenario() -> None:
        async with proxied(late(*pieces)) as running:
            client = await asked_and_shut(running, post(STREAM), how)
            got = await client.read_all()
            assert (await running.exchange()).ending is Ending.COMPLETE
            direct = b"".join(pieces)
            assert got.startswith(b"HTTP/1.1 200 ")
            assert got.partition(b"\r\n\r\n")[2] == direct.partition(b"\r\n\r\n")[2]
            if how == "at once":
                assert b"\r\nConnection: close\r\n" in got

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "starts"),
    [
        (get(b"/health"), b"HTTP/1.1 200 "),
        (get(b"/imax/stats"), b"HTTP/1.1 200 "),
        (b"GET /health HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 "),
        (b"not http\r\n\r\n", b"HTTP/1."),
    ],
)
def test_the_proxys_own_pages_come_too(request_: bytes, starts: bytes) -> None:
    async def scenario() -> None:
        async with proxied(answering(WHOLE)) as running:
            got = await (await asked_and_shut(running, request_)).read_all()
            assert got.startswith(starts)
            assert got.partition(b"\r\n\r\n")[0].count(b"HTTP/1.") == 1

    run(scenario())


def test_an_engine_that_cannot_be_had_is_told() -> None:
    async def scenario() -> None:
        async with proxied(answering(WHOLE)) as running:
            running.engine._server.close()
            got = await (await asked_and_shut(running, post(STREAM))).read_all()
            assert got.startswith(b"HTTP/1.1 502 ")

    run(scenario())


def test_pipelined_requests_are_all_answered() -> None:
    async def scenario() -> None:
        async with proxied(late(WHOLE)) as running:
            got = await (await asked_and_shut(running, post(b"{}") * 3)).read_all()
            assert got.count(b"HTTP/1.1 200 ") == 3
            await until(lambda: len(running.exchanges) == 3, "all to be noted")
            assert {each.ending for each in running.exchanges} == {Ending.COMPLETE}

    run(scenario())


def closed(client: Wire) -> None:
    client.writer.close()


def reset_later(client: Wire) -> None:
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.writer.transport.abort()


async def until_gone(call: Call) -> None:
    await call.gone()
    call.close()


@pytest.mark.parametrize("leave", [closed, reset_later])
def test_who_leaves_after_a_half_close_is_noticed(leave: Callable[[Wire], None]) -> None:
    """The first by the next bytes that it does not take."""

    async def script(call: Call) -> None:
        await call.send(STREAM_HEAD, token(" one"))
        while not call.writer.transport.is_closing():
            call.writer.write(token(" more"))
            await asyncio.sleep(0.002)

    async def scenario() -> None:
        async with proxied(script) as running:
            client = await asked_and_shut(running, post(STREAM))
            await client.read_until(b" one")
            leave(client)
            assert (await running.exchange()).ending is Ending.CLIENT_LEFT

    run(scenario())


def test_half_a_request_is_no_request() -> None:
    async def scenario() -> None:
        async with proxied(until_gone) as running:
            got = await (await asked_and_shut(running, post(STREAM)[:-3])).read_all()
            assert got == b""
            assert (await running.exchange()).ending is Ending.CLIENT_LEFT
            assert not running.engine.requests

    run(scenario())


def test_a_fin_behind_the_answers_beginning_is_the_end() -> None:
    """No byte is left that could be sent ahead: it cannot be told from a close, and most of these are one."""

    async def script(call: Call) -> None:
        await call.send(STREAM_HEAD, token(" one"))
        await until_gone(call)

    async def scenario() -> None:
        async with proxied(script) as running:
            client = await running.connect()
            await client.send(post(STREAM))
            await client.read_until(b" one")
            client.writer.write_eof()
            assert (await running.exchange()).ending is Ending.CLIENT_LEFT

    run(scenario())
