"""What a look finds of an answer under way, and that looking changes nothing of what comes of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Call, ScriptedEngine, sse, token, usage

from imaxproxy.clock import monotonic_ns
from imaxproxy.metrics import Ask, Exchange
from imaxproxy.wire import CHAT, BaseUrl, Pool, Question, splice
from wire.test_connection import exchange_of, in_a_loop
from wire.transport import END, FINISH, QUESTION, SSE, TOKEN, chunk, connected

ASK = Ask("r", "/v1/chat/completions", 0, dialect="chat")


@in_a_loop
async def test_a_look_sees_reads_that_wait_for_their_batch() -> None:
    connection, _, clock = connected()
    assert connection.flow() is None  # nothing was asked
    answer = connection.ask(QUESTION)
    assert connection.flow() is None  # no head
    for data in (SSE, chunk(TOKEN), chunk(TOKEN)):
        clock.advance(10)
        connection.data_received(data)
    flow = connection.flow()
    assert flow is not None
    assert (flow.sent_ns, list(flow.times_ns), flow.tokens, flow.model) == (1000, [1020, 1030], None, "m")
    clock.advance(500)
    assert connection.flow() == flow
    assert connection.last_read_ns == 1030  # a look is no sign of life
    connection.data_received(chunk(FINISH) + END)
    assert connection.flow() is None
    assert list(exchange_of(answer.result()).timeline.times_ns) == [1020, 1030]


@in_a_loop
async def test_tokens_that_the_engine_tells_are_told() -> None:
    connection, _, _ = connected()
    connection.ask(QUESTION)
    connection.data_received(SSE)
    for so_far in (2, 5):
        told = {"prompt_tokens": 3, "completion_tokens": so_far}
        connection.data_received(sse({"choices": [{"index": 0, "delta": {"content": "ab"}}], "usage": told}))
    flow = connection.flow()
    assert flow is not None
    assert flow.tokens is not None
    assert list(flow.tokens) == [2, 3]


@in_a_loop
async def test_an_answer_that_a_look_finds_broken_has_ended() -> None:
    connection, _, _ = connected()
    answer = connection.ask(QUESTION)
    connection.data_received(SSE)
    connection.data_received(b"no chunk\r\nat all")
    assert connection.flow() is None
    assert answer.result().broken is not None


async def looked_at(pieces: int, looks: set[int]) -> tuple[Exchange, list[int]]:
    """An answer of so many tokens over a real socket, looked at when that many had been sent; what the looks saw."""
    seen: list[int] = []

    async def script(call: Call) -> None:
        await call.send(STREAM_HEAD)
        for number in range(pieces):
            await call.send(token(f" t{number}"))
            if number in looks:
                await until(lambda number=number: saw() > number, "a token to be seen in flight")
        await call.send(token(" end", "stop"), usage(pieces + 1), sse(b"[DONE]") + END)

    def saw() -> int:
        flow = connection.flow()
        if flow is None:
            return pieces + 1
        seen.append(len(flow.times_ns))
        return len(flow.times_ns)

    async with ScriptedEngine(script) as engine:
        pool = Pool(BaseUrl.parse(engine.url, "--url"))
        connection, _ = await pool.take()
        answered = await connection.ask(Question(b"POST / HTTP/1.1\r\nHost: e\r\n\r\n", CHAT))
        assert answered.reception is not None
        exchange = answered.reception.close(ASK, monotonic_ns(), answered.broken)
        pool.close()
        return exchange, seen


@pytest.mark.parametrize("carrier", ["c", "python"])
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_looks_lose_no_event_and_count_none_twice(carrier: str, data: st.DataObject) -> None:
    if carrier == "c" and not splice._built():
        pytest.skip("the C part is not built here")
    pieces = data.draw(st.integers(3, 40))
    looks = data.draw(st.sets(st.integers(0, pieces - 1), max_size=6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splice, "_wanted", carrier)
        exchange, seen = run(looked_at(pieces, looks))
    assert exchange.outcome == "completed"
    assert len(exchange.timeline) == pieces + 1
    assert list(exchange.timeline.times_ns) == sorted(exchange.timeline.times_ns)
    assert seen == sorted(seen)
