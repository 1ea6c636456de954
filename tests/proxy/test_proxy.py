"""The proxy whole: what it records of each exchange, what it says of itself, how it ends."""

import asyncio
import json
import socket

import pytest
from on_loop import run, until
from openai import APIStatusError, AsyncOpenAI, OpenAI
from scripted_engine import (
    LAST_CHUNK,
    STREAM_HEAD,
    Call,
    Script,
    ScriptedEngine,
    answering,
    chunk,
    page,
    sse,
    token,
    usage,
    whole_stream,
)
from wire.streams import Recorded

from imaxproxy.clock import monotonic_ns
from imaxproxy.metrics import CountedBy, Exchange, Outcome
from imaxproxy.proxy import Fleet, Proxy, bind
from imaxproxy.wire import BaseUrl
from proxy.running import get, post, proxied

pytestmark = pytest.mark.usefixtures("hot_path")

DONE = sse(b"[DONE]") + LAST_CHUNK


def closing(*pieces: bytes) -> Script:
    async def script(call: Call) -> None:
        await call.send(*pieces)
        call.close()

    return script


def measured(script: Script, request: bytes | None = None) -> Exchange:
    """The exchange of one request whose answer was read to its end."""

    async def scenario() -> Exchange:
        async with proxied(script) as running:
            client = await running.connect()
            await client.send(request or post(b"{}", b"Connection: close", b"X-Request-ID: r-1"))
            await client.read_all()
            return await running.exchange()

    return run(scenario())


def test_a_stream_is_measured() -> None:
    before_ns = monotonic_ns()
    exchange = measured(answering(*whole_stream(5)))
    ask = exchange.ask
    assert (exchange.outcome, exchange.error, exchange.status, exchange.streamed) == (
        Outcome.COMPLETED,
        None,
        200,
        True,
    )
    assert (ask.request_id, ask.path, ask.dialect) == ("r-1", "/v1/chat/completions", "chat")
    assert (exchange.usage.input_tokens, exchange.usage.output_tokens, exchange.model) == (3, 5, "m")
    assert (exchange.counted_by, exchange.timeline.tokens) == (CountedBy.USAGE, [1] * 5)
    assert (ask.scheduled_ns, ask.session_id) == (None, None)
    assert ask.sent_ns is not None
    assert exchange.first_byte_ns is not None
    times_ns = [before_ns, ask.started_ns, ask.sent_ns, exchange.first_byte_ns, *exchange.timeline.times_ns]
    assert times_ns == sorted(times_ns)
    assert times_ns[-1] <= exchange.ended_ns <= monotonic_ns()


@pytest.mark.parametrize(
    ("script", "outcome", "error"),
    [
        (answering(page(500, b'{"error":{"message":"down"}}')), Outcome.FAILED, "http_500"),
        (answering(page(429, b"", b"Retry-After: 1")), Outcome.FAILED, "http_429"),
        (answering(page(200, b"<html>")), Outcome.FAILED, "malformed_body"),
        (closing(STREAM_HEAD, token("a")), Outcome.TRUNCATED, "cut"),
        (closing(STREAM_HEAD, token("a"), b"5\r\nda"), Outcome.TRUNCATED, "cut"),
        (answering(STREAM_HEAD, token("a"), LAST_CHUNK), Outcome.TRUNCATED, "no_end"),
        (answering(STREAM_HEAD, token("a"), DONE), Outcome.TRUNCATED, "no_finish_reason"),
        (answering(STREAM_HEAD, token("a", "abort"), DONE), Outcome.TRUNCATED, "finish_abort"),
        (answering(STREAM_HEAD, token("a"), sse({"error": {"message": "x"}}), DONE), Outcome.FAILED, "error_event"),
        (answering(STREAM_HEAD, sse(b'{"cho'), DONE), Outcome.FAILED, "malformed_event"),
        (answering(STREAM_HEAD, sse(b'{"cho'), token("b", "stop"), DONE), Outcome.COMPLETED, None),  # and flagged
        (closing(STREAM_HEAD, token("a"), b"zz\r\n\r\n"), Outcome.FAILED, "bad_chunk"),
        (closing(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Outcome.FAILED, "bad_head"),
        (closing(b"HTTP/1.1 200 OK\r\nContent-Le"), Outcome.FAILED, "no_response"),
        (closing(), Outcome.FAILED, "no_response"),
    ],
)
def test_what_goes_wrong_has_a_name(script: Script, outcome: Outcome, error: str | None) -> None:
    exchange = measured(script)
    assert (exchange.outcome, exchange.error) == (outcome, error)


@pytest.mark.parametrize("name", ["vllm-chat-stream-usage", "sglang-chat-stream-contusage", "dynamo-chat-stream-usage"])
def test_recorded_streams_are_counted_as_their_engine_counts(name: str) -> None:
    recorded = Recorded.load(name)
    exchange = measured(answering(recorded.head("event"), *recorded.chunks("event")))
    assert exchange.outcome is Outcome.COMPLETED
    assert sum(exchange.timeline.tokens) == exchange.usage.output_tokens == 8


def test_other_paths_pass_and_are_timed_as_a_whole() -> None:
    exchange = measured(answering(page(200, b"{}")), post(b"{}", b"Connection: close", path=b"/v1/embeddings"))
    assert (exchange.outcome, exchange.ask.dialect, exchange.ask.path) == (Outcome.COMPLETED, None, "/v1/embeddings")


def test_an_engine_that_is_not_there() -> None:
    """The client is told in OpenAI's form, and not to try again; the exchange names the reason."""

    async def scenario() -> None:
        async with proxied(answering()) as running:
            with socket.socket() as nobody:
                nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else gets the port
                running.fleet.upstreams[0].pool.url = BaseUrl("127.0.0.1", nobody.getsockname()[1])
                client = await running.connect()
                await client.send(post())
                head, body = await client.read_page()
                assert head.startswith(b"HTTP/1.1 502 ")
                assert b"x-should-retry: false" in head
                error = json.loads(body)["error"]
                assert error["code"] == "connect_refused"
                assert "cannot connect to http://127.0.0.1:" in error["message"]
                exchange = await running.exchange()
                assert (exchange.outcome, exchange.error) == (Outcome.FAILED, "connect_refused")
                await client.send(get(b"/health"))
                head, body = await client.read_page()
                assert head.startswith(b"HTTP/1.1 503 ")

    run(scenario())


def test_an_engine_that_closes_without_an_answer_is_a_502_too() -> None:
    async def scenario() -> None:
        async with proxied(closing()) as running:
            client = await running.connect()
            await client.send(post())
            head, body = await client.read_page()
            assert head.startswith(b"HTTP/1.1 502 ")
            assert json.loads(body)["error"]["code"] == "no_response"

    run(scenario())


def test_the_openai_client_works_unchanged() -> None:
    def chat(url: str) -> str:
        with OpenAI(base_url=f"{url}/v1", api_key="none", timeout=10) as client:
            stream = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            return "".join(event.choices[0].delta.content or "" for event in stream if event.choices)

    async def scenario() -> None:
        async with proxied(answering(*whole_stream(4))) as running:
            assert await asyncio.to_thread(chat, running.url) == " t0 t1 t2 end"
            async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", timeout=10) as client:
                assert [model.id async for model in client.models.list()] == ["m"]

    run(scenario())


def test_the_openai_client_sees_an_engines_error_once() -> None:
    """No hidden retries of the proxy's own errors: they would double the load."""

    async def scenario() -> None:
        async with (
            proxied(closing()) as running,
            AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", timeout=10, max_retries=2) as client,
        ):
            with pytest.raises(APIStatusError) as caught:
                await client.completions.create(model="m", prompt="hi")
            assert caught.value.status_code == 502
            assert caught.value.code == "no_response"
            assert len(running.engine.requests) == 1

    run(scenario())


def test_a_client_that_closes_behind_done_has_had_it_all() -> None:
    """The OpenAI client does not wait for the last chunk, which engines send in a write of its own."""

    def chat(url: str) -> None:
        with OpenAI(base_url=f"{url}/v1", api_key="none", timeout=10) as client:
            list(client.completions.create(model="m", prompt="hi", stream=True))

    async def script(call: Call) -> None:
        await call.send(STREAM_HEAD, token("a"), token("b", "stop"), usage(2), sse(b"[DONE]"))
        await call.gone()

    async def scenario() -> None:
        async with proxied(script) as running:
            await asyncio.to_thread(chat, running.url)
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.error, exchange.usage.output_tokens) == (Outcome.COMPLETED, None, 2)

    run(scenario())


def test_the_statistics_are_of_what_has_ended() -> None:
    async def script(call: Call) -> None:
        await call.send(*(whole_stream(3) if call.request.body == b"{}" else [STREAM_HEAD]))

    async def scenario() -> None:
        async with proxied(script) as running:
            client, waiting = await running.connect(), await running.connect()
            await waiting.send(post(b"wait"))
            await waiting.read_until(b"\r\n\r\n")
            await client.send(post())
            await client.read_until(LAST_CHUNK)
            await client.send(get(b"/imax/stats"))
            _, body = await client.read_page()
            stats = json.loads(body)
            assert (stats["schema"], stats["simulated"], stats["in_flight"]) == ("imaxproxy.stats/1", False, 1)
            assert (stats["requests"]["sent"], stats["requests"]["completed"]) == (1, 1)
            assert (stats["tokens"]["output"], stats["ttft_ms"]["count"], stats["itl_ms"]["count"]) == (3, 1, 2)
            await client.send(get(b"/imax/engine"))
            head, _ = await client.read_page()
            assert head.startswith(b"HTTP/1.1 404 ")
            assert len(running.engine.requests) == 2  # our own pages never ask the engine

    run(scenario())


def test_health_asks_whether_the_engine_takes_connections() -> None:
    async def scenario() -> None:
        async with proxied(answering(page(200, b"{}"))) as running:
            client = await running.connect()
            for _ in range(3):
                await client.send(get(b"/health"))
                head, body = await client.read_page()
                assert (head[:12], json.loads(body)) == (b"HTTP/1.1 200", {"status": "ready"})
            await until(lambda: running.engine.connections, "the engine to be tried")
            assert running.engine.connections == 1
            assert running.exchanges == []

    run(scenario())


def test_drain_lets_streams_end_and_takes_no_new_clients() -> None:
    async def script(call: Call) -> None:
        await call.send(STREAM_HEAD, token("a"))
        await go_on.wait()
        await call.send(token("b", "stop"), usage(2), DONE)

    async def scenario() -> None:
        nonlocal go_on
        go_on = asyncio.Event()
        async with proxied(script) as running:
            idle, busy = await running.connect(), await running.connect()
            await busy.send(post())
            await busy.read_until(token("a"))
            draining = asyncio.ensure_future(running.proxy.drain(10))
            assert await idle.read_all() == b""
            with pytest.raises(ConnectionRefusedError):
                await running.connect()
            assert not draining.done()
            go_on.set()
            assert (await busy.read_all()).endswith(LAST_CHUNK)
            assert await draining
            assert running.exchanges[0].outcome is Outcome.COMPLETED

    go_on = asyncio.Event()
    run(scenario())


def test_what_is_dropped_at_the_end_is_recorded_as_stopped() -> None:
    async def scenario() -> None:
        async with proxied(answering(STREAM_HEAD, token("a"))) as running:
            client = await running.connect()
            await client.send(post())
            await client.read_until(token("a"))
            assert not await running.proxy.drain(0.01)
            await running.proxy.close()
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.error) == (Outcome.ABORTED, "stopped")
            assert len(exchange.timeline) == 1

    run(scenario())


def test_the_last_bytes_reach_a_slow_reader_before_the_drain_is_over() -> None:
    body = bytes(60_000)

    async def scenario() -> None:
        async with proxied(answering(page(200, body))) as running:
            client = await running.connect_lagging()
            await client.send(post())
            await running.exchange()
            draining = asyncio.ensure_future(running.proxy.drain(10))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not draining.done()
            await client.read_until(b"\r\n\r\n")
            assert await client.read(len(body)) == body
            assert await draining

    run(scenario())


def test_an_engine_that_comes_back_is_used_again() -> None:
    async def scenario() -> None:
        engine = ScriptedEngine(answering(page(200, b"{}")))
        async with engine:
            pass  # it has a port now, and is down
        exchanges: list[Exchange] = []
        proxy = Proxy(Fleet([BaseUrl.parse(engine.url, "--upstream")]), exchanges.append)
        door = bind("127.0.0.1", 0)
        await proxy.listen(door)
        reader, writer = await asyncio.open_connection(*door.getsockname())
        writer.write(post())
        assert b"502" in await reader.readuntil(b"}}")
        async with engine:
            writer.write(post())
            assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200")
        writer.transport.abort()
        await proxy.close()
        assert [exchange.error for exchange in exchanges] == ["connect_refused", None]

    run(scenario())


def test_four_choices_in_one_stream_pass_and_are_counted() -> None:
    events = [
        sse({"choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": None}]}) for index in range(4)
    ]
    ends = [sse({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}) for index in range(4)]
    exchange = measured(answering(STREAM_HEAD, *events, *ends, usage(4), DONE))
    assert (exchange.outcome, len(exchange.timeline)) == (Outcome.COMPLETED, 4)


def test_a_huge_event_is_relayed() -> None:
    event = chunk(b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * (4 << 20) + b'"}}]}\n\n')
    exchange = measured(answering(STREAM_HEAD, event, token("b", "stop"), DONE))
    assert (exchange.outcome, len(exchange.timeline)) == (Outcome.COMPLETED, 2)
