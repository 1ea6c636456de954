"""Each clock has its name, is a 504 before the answer has begun and a cut behind that (A14, A15, A16)."""

import asyncio
import json
import socket

import pytest
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, Script, answering, page, token
from wire.transport import QUESTION, SSE, TOKEN, FakeTransport, chunk

from imaxproxy.clock import NS_PER_S, VirtualClock
from imaxproxy.metrics import Outcome
from imaxproxy.proxy import FleetRules, Timeouts
from imaxproxy.proxy.timeouts import Watch
from imaxproxy.wire import BaseUrl, EngineConnection, Question
from proxy.running import post, proxied

SHORT_S = 0.05


@pytest.mark.parametrize(
    ("pieces", "timeouts", "outcome", "error"),
    [
        ((), Timeouts(first_byte_s=SHORT_S), Outcome.FAILED, "timeout_first_byte"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), Timeouts(first_byte_s=SHORT_S), Outcome.FAILED, "timeout_first_byte"),
        ((), Timeouts(total_s=SHORT_S), Outcome.FAILED, "timeout_total"),
        ((STREAM_HEAD,), Timeouts(idle_s=SHORT_S), Outcome.TRUNCATED, "timeout_idle"),
        ((STREAM_HEAD, token("a")), Timeouts(idle_s=SHORT_S), Outcome.TRUNCATED, "timeout_idle"),
        ((STREAM_HEAD, token("a")), Timeouts(total_s=SHORT_S), Outcome.TRUNCATED, "timeout_total"),
    ],
)
def test_what_takes_too_long(pieces: tuple[bytes, ...], timeouts: Timeouts, outcome: Outcome, error: str) -> None:
    left = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(*pieces)
        await call.gone()
        left.set()

    async def scenario() -> None:
        async with proxied(script, rules=FleetRules(timeouts=timeouts)) as running:
            client = await running.connect()
            await client.send(post())
            if outcome is Outcome.FAILED:
                head, said = await client.read_page()
                assert head.startswith(b"HTTP/1.1 504 ")
                assert b"x-should-retry: false" in head
                assert json.loads(said)["error"]["code"] == error
            else:
                received = await client.read_all()
                assert received.endswith(b"".join(pieces[1:]))
                assert not received.endswith(b"0\r\n\r\n")
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.error) == (outcome, error)
            await left.wait()  # the engine is told by its connection's end
            assert repr(running.fleet.upstreams[0].pool).endswith("0 busy, 0 idle>")

    run(scenario())


def test_a_connect_that_nobody_answers() -> None:
    """A16: a full backlog swallows the SYN."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            async with proxied(answering(), rules=FleetRules(timeouts=Timeouts(connect_s=SHORT_S))) as running:
                running.fleet.upstreams[0].pool.url = BaseUrl(*deaf.getsockname())
                head, said = await running.ask(post())
                assert head.startswith(b"HTTP/1.1 504 ")
                error = json.loads(said)["error"]
                assert error["code"] == "timeout_connect"
                assert "not within 0.05 s" in error["message"]
                assert (await running.exchange()).error == "timeout_connect"
            for filler in fillers:
                filler.close()

    run(scenario())


def test_a_name_that_nobody_knows_is_a_502() -> None:
    async def scenario() -> None:
        async with proxied(answering()) as running:
            running.fleet.upstreams[0].pool.url = BaseUrl("no-such-host.invalid", 80)
            head, said = await running.ask(post())
            assert head.startswith(b"HTTP/1.1 502 ")
            assert json.loads(said)["error"]["code"] == "connect_dns"

    run(scenario())


def test_a_client_that_reads_slowly_is_no_idle_engine() -> None:
    body = bytes(400_000)

    async def scenario() -> None:
        timeouts = Timeouts(idle_s=SHORT_S)
        async with proxied(answering(page(200, body)), rules=FleetRules(timeouts=timeouts)) as running:
            client = await running.connect_lagging()
            await client.send(post())
            await client.read_until(b"\r\n\r\n")
            await asyncio.sleep(4 * SHORT_S)
            assert await client.read(len(body)) == body
            assert (await running.exchange()).status == 200

    run(scenario())


def watched(timeouts: Timeouts) -> tuple[Watch, EngineConnection, VirtualClock]:
    clock = VirtualClock(1000)
    connection = EngineConnection(clock)
    connection.connection_made(FakeTransport())
    return Watch(timeouts, clock), connection, clock


def overdue(watch: Watch, connection: EngineConnection, clock: VirtualClock) -> str | None:
    reason = watch._overdue(connection, clock())
    return None if reason is None else reason.kind


def test_each_clock_starts_where_its_name_says() -> None:
    async def scenario() -> None:
        watch, connection, clock = watched(Timeouts(first_byte_s=10, idle_s=5, total_s=104))
        started_ns = clock()
        clock.advance(20 * NS_PER_S)  # the body was long in coming
        connection.ask(QUESTION)
        watch.add(connection, started_ns)
        clock.advance(10 * NS_PER_S)
        assert overdue(watch, connection, clock) is None
        clock.advance(1)
        assert overdue(watch, connection, clock) == "timeout_first_byte"
        connection.data_received(SSE)
        for _ in range(40):  # some of these reads are digested, some wait
            clock.advance(NS_PER_S)
            connection.data_received(chunk(TOKEN))
            clock.advance(NS_PER_S // 2)
            assert overdue(watch, connection, clock) is None
        clock.advance(5 * NS_PER_S)
        assert overdue(watch, connection, clock) == "timeout_idle"
        connection.pause()
        assert overdue(watch, connection, clock) is None
        connection.resume()
        clock.advance(5 * NS_PER_S)
        assert overdue(watch, connection, clock) is None
        clock.advance(5 * NS_PER_S)
        assert overdue(watch, connection, clock) == "timeout_total"
        watch.close()

    run(scenario())


def test_no_limit_is_none() -> None:
    async def scenario() -> None:
        watch, connection, clock = watched(Timeouts(first_byte_s=None, idle_s=None))
        connection.ask(Question(b"x", None))
        watch.add(connection, clock())
        clock.advance(10**6 * NS_PER_S)
        assert overdue(watch, connection, clock) is None
        watch.close()

    run(scenario())


def test_nobody_looks_while_nothing_is_asked() -> None:
    async def scenario() -> None:
        watch, connection, _ = watched(Timeouts(idle_s=0.01))
        connection.ask(QUESTION)
        watch.add(connection, 1000)
        watch.remove(connection)
        assert watch._next_look is not None
        await until(lambda: watch._next_look is None, "the last look")

    run(scenario())


def test_many_are_looked_at_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaxproxy.proxy.timeouts._AT_ONCE", 2)

    async def scenario() -> None:
        watch, connection, clock = watched(Timeouts(total_s=1))
        connections = [connection]
        for _ in range(4):
            connections.append(EngineConnection(clock))
            connections[-1].connection_made(FakeTransport())
        answers = [each.ask(QUESTION) for each in connections]
        for each in connections:
            watch.add(each, clock())
        clock.advance(2 * NS_PER_S)
        watch._look()
        assert [answer.done() for answer in answers] == [True, True, False, False, False]
        watch.remove(connections[2])  # its answer came meanwhile
        await until(lambda: answers[4].done(), "the round to end")
        assert [answer.done() for answer in answers] == [True, True, False, True, True]
        assert watch._next_look is None
        watch.close()

    run(scenario())


def test_how_often_is_looked() -> None:
    assert Timeouts().look_every_s == 1
    assert Timeouts(idle_s=0.5).look_every_s == 0.05
    assert Timeouts(first_byte_s=None, idle_s=None).look_every_s == 1


def slow_head() -> Script:
    async def script(call: Call) -> None:
        for byte in page(200, b"{}"):
            await call.send(bytes((byte,)))

    return script


def test_a_head_in_pieces_is_whole_in_time() -> None:
    async def scenario() -> None:
        async with proxied(slow_head()) as running:
            assert (await running.ask(post()))[1] == b"{}"

    run(scenario())
