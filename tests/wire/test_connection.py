import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import wraps
from typing import Any

import pytest

from imaxproxy.errors import WireError
from imaxproxy.metrics import Ask, Exchange
from imaxproxy.wire import Answered, Question, ResponseHead
from imaxproxy.wire.reception import BATCH_READS
from wire.transport import END, FINISH, QUESTION, SSE, TOKEN, chunk, connected

ASK = Ask("r", "/v1/chat/completions", 0, dialect="chat")


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """`ask` makes a future, which wants a running loop; nothing here waits for one."""

    @wraps(test)
    def run(**arguments: object) -> None:
        asyncio.run(test(**arguments))

    return run


def exchange_of(answered: Answered) -> Exchange:
    assert answered.reception is not None
    return answered.reception.close(replace(ASK, sent_ns=answered.sent_ns), answered.ended_ns, answered.broken)


@in_a_loop
async def test_a_whole_exchange() -> None:
    connection, transport, clock = connected()
    assert repr(connection) == "<EngineConnection idle>"
    answer = connection.ask(QUESTION)
    assert repr(connection) == "<EngineConnection busy>"
    assert (transport.written, transport.high) == ([QUESTION.data], 0)
    for data in (SSE, chunk(TOKEN), chunk(TOKEN), chunk(FINISH) + END):
        clock.advance(10)
        connection.data_received(data)
    answered = answer.result()
    assert (answered.sent_ns, answered.ended_ns, answered.broken) == (1000, 1040, None)
    exchange = exchange_of(answered)
    assert (exchange.outcome, exchange.first_byte_ns) == ("completed", 1010)
    assert list(exchange.timeline.times_ns) == [1020, 1030]
    assert connection.reusable


@in_a_loop
async def test_the_client_gets_a_read_before_we_look_at_it() -> None:
    connection, _, _ = connected()
    seen: list[tuple[bytes, int]] = []
    heads: list[ResponseHead] = []

    def on_head(head: ResponseHead) -> Callable[[bytes], None]:
        heads.append(head)
        return lambda data: seen.append((data, len(connection._reads)))

    connection.ask(replace(QUESTION, on_head=on_head))
    connection.data_received(SSE + chunk(TOKEN))
    connection.data_received(chunk(TOKEN))
    connection.data_received(b"garbage\r\n\r\n")
    assert heads[0].status == 200
    assert seen == [(chunk(TOKEN), 0), (chunk(TOKEN), 0), (b"garbage\r\n\r\n", 1)]  # what waited to be looked at then


@in_a_loop
async def test_an_exchange_is_sent_when_its_last_byte_has_left() -> None:
    connection, transport, clock = connected(stuck=True)
    answer = connection.ask(QUESTION)
    clock.advance(500)
    connection.resume_writing()  # the write buffer has drained
    clock.advance(500)
    transport.stuck = False
    connection.resume_writing()
    connection.data_received(SSE + END)
    assert answer.result().sent_ns == 1500


@in_a_loop
async def test_an_answer_before_the_end_of_the_question_spends_the_connection() -> None:
    connection, transport, _ = connected(stuck=True)
    answer = connection.ask(QUESTION)
    connection.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    assert answer.result().sent_ns is None
    assert exchange_of(answer.result()).error == "http_413"
    assert transport.closing
    assert not connection.reusable


@in_a_loop
async def test_reads_are_looked_at_in_batches() -> None:
    connection, _, _ = connected()
    connection.ask(QUESTION)
    connection.data_received(SSE)
    assert connection._reception is not None
    batch_reads = connection._reception.batch_reads
    assert BATCH_READS <= batch_reads < 2 * BATCH_READS
    for number in range(1, batch_reads):
        connection.data_received(chunk(TOKEN))
        assert len(connection._reads) == number
    connection.data_received(chunk(TOKEN))
    assert len(connection._reads) == 0


@pytest.mark.parametrize("pieces", [1, 2, 7])
@in_a_loop
async def test_a_body_of_known_length_ends_with_its_last_byte(pieces: int) -> None:
    """It may come in a read of its own, and nothing in its bytes says that it is the last."""
    connection, _, _ = connected()
    answer = connection.ask(QUESTION)
    data = b'{"choices":[{"finish_reason":"stop","message":{"content":"some words"}}]}'
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
    step = -(-len(data) // pieces)
    for at in range(0, len(data), step):
        assert not answer.done()
        connection.data_received(data[at : at + step])
    assert exchange_of(answer.result()).outcome == "completed"
    assert connection.reusable


@in_a_loop
async def test_a_kept_connection_carries_the_next_question() -> None:
    connection, transport, _ = connected()
    for _ in range(3):
        answer = connection.ask(QUESTION)
        connection.data_received(SSE + chunk(TOKEN) + chunk(FINISH) + END)
        assert len(exchange_of(answer.result()).timeline) == 1
    assert len(transport.written) == 3


@in_a_loop
async def test_a_question_after_a_body_of_known_length_is_batched_again() -> None:
    connection, _, _ = connected()
    connection.ask(QUESTION)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    connection.ask(QUESTION)
    connection.data_received(SSE)
    connection.data_received(chunk(TOKEN))
    assert len(connection._reads) == 1


@pytest.mark.parametrize(
    ("reads", "loss", "broken", "outcome"),
    [
        ([], None, "no_response", None),
        ([b"HTTP/1.1 200"], None, "no_response", None),
        ([], ConnectionResetError(), "reset", None),
        ([SSE, chunk(TOKEN)], None, "cut", "truncated"),
        ([SSE, chunk(TOKEN)], ConnectionResetError(), "reset", "truncated"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b'{"choices":[]}'], None, None, "completed"),
    ],
)
@in_a_loop
async def test_a_lost_connection(
    reads: list[bytes], loss: Exception | None, broken: str | None, outcome: str | None
) -> None:
    connection, _, _ = connected()
    answer = connection.ask(QUESTION)
    for data in reads:
        connection.data_received(data)
    assert connection.eof_received() is False
    connection.connection_lost(loss)
    answered = answer.result()
    assert (answered.broken and answered.broken.kind) == broken
    assert (exchange_of(answered).outcome if answered.reception else None) == outcome
    assert connection.closed
    assert repr(connection) == "<EngineConnection closed>"


@in_a_loop
async def test_events_that_wait_count_when_the_connection_is_lost() -> None:
    connection, _, _ = connected()
    answer = connection.ask(QUESTION)
    for data in (SSE, chunk(TOKEN), chunk(TOKEN)):
        connection.data_received(data)
    connection.connection_lost(None)
    assert len(exchange_of(answer.result()).timeline) == 2


@pytest.mark.parametrize("data", [b"garbage\r\n\r\n", SSE + b"nonsense\r\n", SSE + END + b"more"])
@in_a_loop
async def test_broken_bytes_end_the_exchange_and_the_connection(data: bytes) -> None:
    connection, transport, _ = connected()
    answer = connection.ask(QUESTION)
    connection.data_received(data)
    assert isinstance(answer.result().broken, WireError)
    assert transport.closing
    connection.data_received(b"what is still in flight")
    connection.connection_lost(None)


@in_a_loop
async def test_an_engine_that_speaks_unasked_is_dropped() -> None:
    connection, transport, _ = connected()
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert transport.closing
    assert not connection.reusable


@in_a_loop
async def test_an_idle_connection_may_be_lost() -> None:
    connection, _, _ = connected()
    connection.connection_lost(None)
    answered = connection.ask(QUESTION).result()
    assert (answered.sent_ns, answered.broken and answered.broken.kind) == (None, "reset")


@in_a_loop
async def test_nothing_is_written_to_a_connection_that_is_closing() -> None:
    connection, transport, _ = connected()
    connection.abort()
    answered = connection.ask(QUESTION).result()
    assert (answered.sent_ns, transport.written) == (None, [])


@in_a_loop
async def test_giving_up_keeps_what_has_come() -> None:
    connection, transport, clock = connected()
    answer = connection.ask(QUESTION)
    for data in (SSE, chunk(TOKEN), chunk(TOKEN)):  # the last two wait to be looked at
        connection.data_received(data)
    clock.advance(5)
    given_up = connection.give_up(WireError("timeout", "no end within 1 s"))
    assert answer.result() is given_up
    exchange = exchange_of(given_up)
    assert (exchange.outcome, exchange.error, exchange.ended_ns) == ("truncated", "timeout", 1005)
    assert len(exchange.timeline) == 2
    assert transport.closing
    connection.data_received(chunk(TOKEN))  # in flight when we left
    connection.connection_lost(None)


@in_a_loop
async def test_giving_up_on_broken_bytes_has_its_own_reason() -> None:
    connection, _, _ = connected()
    answer = connection.ask(QUESTION)
    connection.data_received(SSE)
    connection.data_received(b"nonsense that waits\r\n")
    connection.give_up(WireError("timeout", "x"))
    assert exchange_of(answer.result()).error == "timeout"


@in_a_loop
async def test_giving_up_too_late_changes_nothing() -> None:
    """The timer and the end of an answer may come in one turn of the loop."""
    connection, _, _ = connected()
    answer = connection.ask(QUESTION)
    connection.data_received(SSE + chunk(FINISH) + END)
    assert connection.give_up(WireError("timeout", "x")) is answer.result()
    assert connection.reusable


@in_a_loop
async def test_a_cancelled_asker_may_still_give_up() -> None:
    connection, transport, _ = connected()
    connection.ask(QUESTION).cancel()
    connection.data_received(SSE + chunk(TOKEN))
    assert len(exchange_of(connection.give_up(WireError("client_left", "x"))).timeline) == 1
    assert transport.closing


@in_a_loop
async def test_a_slow_reader_pauses_the_engine() -> None:
    connection, transport, _ = connected()
    connection.pause()
    assert not transport.reading
    connection.resume()
    assert transport.reading
    connection.abort()
    connection.pause()
    assert transport.reading


@in_a_loop
async def test_no_body_follows_a_question_for_the_head() -> None:
    connection, _, _ = connected()
    answer = connection.ask(Question(b"HEAD / HTTP/1.1\r\n\r\n", None, "HEAD"))
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    assert answer.result().broken is None
