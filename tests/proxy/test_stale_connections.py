"""Connections that an engine had closed (A19), and engines that restart (A20)."""

import json
import socket
from collections.abc import Callable

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, Script, answering, page, token, whole_stream

from imaxproxy.metrics import Outcome
from proxy.fleets import NO_CHECKS, asked, named, refuse
from proxy.running import Running, get, post, proxied


def dying(how: str, when: Callable[[Call], bool]) -> Script:
    """Answers, but closes the connection on a request for which `when` is true, without a byte."""

    async def script(call: Call) -> None:
        if not when(call):
            await call.send(page(200, b"ok"))
        elif how == "rst":
            call.reset()
        else:
            call.close()

    return script


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_stale_connection_is_tried_once_more_on_a_fresh_one(how: str) -> None:
    async def scenario() -> None:
        script = dying(how, lambda call: call.connection == 0 and call.request.body == b"second")
        async with proxied(script) as running:
            assert await asked(running, b"first", b"second") == b"okok"
            first, second = running.exchanges
            assert (first.ask.retried, second.ask.retried) == (None, "stale_connection")
            assert (second.status, second.ask.connect_ns is not None) == (200, True)
            assert [request.body for request in running.engine.requests] == [b"first", b"second", b"second"]
            page_ = json.loads((await running.ask(get(b"/imax/stats")))[1])
            assert page_["upstreams"][0]["counts"] == {"requests": 2, "retried_stale_connection": 1}
            assert page_["retried"] == {"stale_connection": 1}
            metrics = (await running.ask(get(b"/metrics")))[1]
            assert b'imaxproxy_upstream_retries_total{reason="stale_connection"} 1.0' in metrics
            assert b'imaxproxy_upstream_up{upstream="%b"} 1.0' % running.engine.url.encode() in metrics

    run(scenario())


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_once_and_never_on_a_connection_that_was_fresh(how: str) -> None:
    async def scenario() -> None:
        async with proxied(
            dying(how, lambda call: call.request.body == b"die"), named("b"), rules=NO_CHECKS
        ) as running:
            running.fleet.upstreams[1].standing.up = False
            for _ in range(2):  # on a fresh connection; then on one that was used, and on its fresh successor
                before = len(running.engine.requests)
                head, _ = await running.ask(post(b"die"))
                assert head.startswith(b"HTTP/1.1 502 ")
                tries = len(running.engine.requests) - before
                await asked(running, b"{}")
            assert tries == 2
            assert [e.ask.retried for e in running.exchanges] == [None, None, "stale_connection", None]
            assert running.engines[1].requests == []

    run(scenario())


def test_never_after_a_byte_of_the_answer() -> None:
    async def script(call: Call) -> None:
        if call.request.body == b"die":
            await call.send(b"H")
            call.close()
        else:
            await call.send(page(200, b"ok"))

    async def scenario() -> None:
        async with proxied(script) as running:
            await asked(running, b"{}")
            head, _ = await running.ask(post(b"die"))
            assert head.startswith(b"HTTP/1.1 502 ")
            assert len(running.engine.requests) == 2
            assert running.exchanges[1].ask.retried is None

    run(scenario())


def test_a_stale_connection_whose_engine_is_gone_fails_over_to_nobody() -> None:
    """The request had been sent, so another engine is no place for it."""
    running: Running

    async def script(call: Call) -> None:
        if call.request.body == b"die":
            nobody.append(refuse(running, 0))
            call.close()
        else:
            await call.send(page(200, b"ok"))

    async def scenario() -> None:
        nonlocal running
        async with proxied(script, named("b"), rules=NO_CHECKS) as running:
            running.fleet.upstreams[1].standing.up = False
            await asked(running, b"{}")
            head, said = await running.ask(post(b"die"))
            assert head.startswith(b"HTTP/1.1 502 ")
            assert json.loads(said)["error"]["code"] == "connect_refused"
            exchange = running.exchanges[-1]
            assert (exchange.error, exchange.ask.retried) == ("connect_refused", "stale_connection")
            assert running.engines[1].requests == []
            assert [upstream.outstanding for upstream in running.fleet.upstreams] == [0, 0]

    nobody: list[socket.socket] = []
    run(scenario())
    nobody[0].close()


def test_an_engine_that_restarts_costs_what_comes_in_its_gap_and_no_more() -> None:
    """A20: every connection of the pool is dead, and the first request after the gap does not notice."""

    async def scenario() -> None:
        async with proxied(answering(*whole_stream(3))) as running:
            clients = [await running.connect() for _ in range(5)]
            for client in clients:
                await client.send(post())
            for client in clients:
                await client.read_until(b"0\r\n\r\n")
            engine = running.engine
            await engine.__aexit__()
            for _ in range(3):
                assert (await running.ask(post()))[0].startswith(b"HTTP/1.1 502 ")
            await engine.__aenter__()
            for client in clients:
                await client.send(post())
                assert (await client.read_until(b"0\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await until(lambda: len(running.exchanges) == 13, "all records")
            outcomes = [exchange.outcome for exchange in running.exchanges]
            assert outcomes == [Outcome.COMPLETED] * 5 + [Outcome.FAILED] * 3 + [Outcome.COMPLETED] * 5
            assert {exchange.error for exchange in running.exchanges} == {None, "connect_refused"}

    run(scenario())


def test_an_engine_that_dies_in_the_middle_of_streams_cuts_them_all() -> None:
    async def scenario() -> None:
        async with proxied(answering(STREAM_HEAD, token("a"))) as running:
            clients = [await running.connect() for _ in range(5)]
            for client in clients:
                await client.send(post())
                await client.read_until(token("a"))
            await running.engine.__aexit__()
            for client in clients:
                assert await client.read_all() == b""
            assert {exchange.outcome for exchange in running.exchanges} == {Outcome.TRUNCATED}
            assert repr(running.fleet.upstreams[0].pool).endswith("0 busy, 0 idle>")

    run(scenario())


def test_interim_answers_are_for_this_hop() -> None:
    """A21: 100 and 103 before the head, alone and together, and on a connection that is used again."""
    interim = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]

    async def scenario() -> None:
        async with proxied(answering(*interim, b"".join(interim) + page(200, b"ok"))) as running:
            assert await asked(running, b"{}", b"{}") == b"okok"
            assert running.engine.connections == 1
            assert [exchange.status for exchange in running.exchanges] == [200, 200]

    run(scenario())
