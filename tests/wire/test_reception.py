import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.errors import WireError
from imaxproxy.metrics import CountedBy, Exchange, Outcome
from imaxproxy.wire import CHAT, HeadReader, Reception, due
from imaxproxy.wire import reception as reception_module
from imaxproxy.wire.numbered import NumberedTemplate
from imaxproxy.wire.template import Template
from wire.streams import ASK, EXPECTED, FRAMINGS, READ_NS, Recorded, chunk, cut, facts, feed, names, receive

NAMES = names()
STREAMS = [name for name in NAMES if Recorded.load(name).streamed]
PLAIN = [  # one token an event without usage beside it: what the fast way is for
    "dynamo-chat-stream-usage",
    "llamaserver-completions-stream-usage",
    "llamaserver-responses-stream",
    "sglang-chat-stream",
    "sglang-messages-stream",
    "transformers-chat-stream-usage",
    "vllm-chat-stream-usage",
    "vllm-messages-stream",
]
NUMBERED = ["dynamo-responses-stream", "transformers-responses-stream", "vllm-opts-responses-reasoning-stream"]


def slowly(recorded: Recorded, framing: str, reads: Sequence[bytes], batch: int) -> Exchange:
    """As `receive`, by the full parse alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reception_module, "learn", lambda *_, **__: None)
        patch.setattr(reception_module, "learn_numbered", lambda *_, **__: None)
        return receive(recorded, framing, reads, batch)


# What the recorded streams of real engines mean -----------------------------------------------------------------------


def test_each_recording_means_what_was_reviewed() -> None:
    expected = json.loads(EXPECTED.read_text())
    found = {name: facts(receive(r, "event", r.chunks("event"))) for name in NAMES for r in [Recorded.load(name)]}
    assert found == expected


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", NAMES)
def test_framing_and_reads_change_no_fact(name: str, framing: str) -> None:
    recorded = Recorded.load(name)
    if recorded.aborted and framing in ("until_close", "length"):
        pytest.skip("cut off by us: no length was known, and its end is no end")
    expected = json.loads(EXPECTED.read_text())[name]
    raw = recorded.bytes(framing)
    for reads in (recorded.chunks(framing), [raw] if raw else [], cut(raw, range(0, len(raw), 50))):
        assert facts(receive(recorded, framing, reads)) == expected


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
@pytest.mark.parametrize("framing", ["event", "until_close", "three"])
@pytest.mark.parametrize("name", STREAMS)
def test_the_fast_way_says_what_the_full_parse_says(name: str, framing: str, batch: int) -> None:
    recorded = Recorded.load(name)
    reads = recorded.chunks("event" if framing == "until_close" else framing)
    if framing == "until_close":
        reads = [read[read.index(b"\n") + 1 : -2] for read in reads]
    assert receive(recorded, framing, reads, batch) == slowly(recorded, framing, reads, batch)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", [*PLAIN, *NUMBERED])
def test_the_fast_way_says_the_same_cut_at_every_byte(name: str, batch: int) -> None:
    """One event a read, as engines send them, and one more cut."""
    recorded = Recorded.load(name)
    chunks = recorded.chunks("event")
    raw = b"".join(chunks)
    ends = [sum(map(len, chunks[: index + 1])) for index in range(len(chunks))]
    first, last = ends[2], ends[5]  # by then it has learned; events after these are alike
    for place in range(first, last):
        reads = cut(raw, [*ends, place])
        assert receive(recorded, "event", reads, batch) == slowly(recorded, "event", reads, batch), place


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_long_reads_cut_anywhere_say_the_same(data: st.DataObject) -> None:
    """A stream at full speed: hundreds of events a read, of which the first and the last are torn."""
    recorded = Recorded.load(data.draw(st.sampled_from(PLAIN)))
    chunks = recorded.chunks("event")
    raw = b"".join(chunks[:3] + chunks[3:4] * 300 + chunks[3:])
    places = data.draw(st.sets(st.integers(0, len(raw)), max_size=8))
    reads = cut(raw, places)
    found = receive(recorded, "event", reads, batch=1)
    assert found == slowly(recorded, "event", reads, batch=1)
    assert facts(found) == facts(receive(recorded, "event", cut(raw, range(0, len(raw), 200))))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_fast_way_says_the_same_cut_anywhere(data: st.DataObject) -> None:
    recorded = Recorded.load(data.draw(st.sampled_from(STREAMS)))
    chunks = recorded.chunks("event")
    raw = b"".join(chunks)
    ends = [sum(map(len, chunks[: index + 1])) for index in range(len(chunks))]
    places = data.draw(st.sets(st.sampled_from(ends) | st.integers(0, len(raw)), max_size=40))
    batch = data.draw(st.integers(1, 70))
    reads = cut(raw, places)
    assert receive(recorded, "event", reads, batch) == slowly(recorded, "event", reads, batch)


@pytest.mark.parametrize("name", [*PLAIN, *NUMBERED])
def test_the_fast_way_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the tests above would compare the full parse with itself."""
    events: list[int] = []
    way: type[Template] | type[NumberedTemplate] = NumberedTemplate if name in NUMBERED else Template

    def counting(self: Template | NumberedTemplate, reads: list[bytes]) -> list[int] | None:
        found = alone(self, reads)
        events.append(len(found or ()))
        return found

    alone = way.match_reads
    monkeypatch.setattr(way, "match_reads", counting)
    recorded = Recorded.load(name)
    receive(recorded, "event", recorded.chunks("event"), batch=1)
    assert sum(events) >= 3


def test_an_event_has_come_with_the_read_that_ends_it() -> None:
    recorded = Recorded.load("vllm-chat-stream")
    chunks = recorded.chunks("event")  # a role, eight tokens (the last with finish_reason), [DONE], the end
    one_each = receive(recorded, "event", chunks, batch=1)
    assert list(one_each.timeline.times_ns) == [READ_NS * number for number in range(2, 10)]
    assert one_each.coalesced_events == 0
    all_in_one = receive(recorded, "event", [b"".join(chunks)])
    assert list(all_in_one.timeline.times_ns) == [READ_NS] * 8
    assert all_in_one.coalesced_events == 7


def test_the_crlf_behind_a_chunk_belongs_to_no_event() -> None:
    recorded = Recorded.load("vllm-chat-stream")
    chunks = recorded.chunks("event")
    reads = [*chunks[:4], chunks[4][:-2], chunks[4][-2:] + chunks[5], *chunks[6:]]
    times_ns = receive(recorded, "event", reads, batch=3).timeline.times_ns
    assert list(times_ns)[3:5] == [READ_NS * 5, READ_NS * 6]


# Outcomes -------------------------------------------------------------------------------------------------------------

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
TOKEN = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
FINISH = b'data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
END = b"0\r\n\r\n"


def reception_of(head: bytes) -> Reception:
    parsed = HeadReader().feed(head)
    assert parsed is not None
    return Reception(parsed[0], 0, CHAT)


def stream(*events: bytes, end: bytes = END, broken: WireError | None = None, aborted: str | None = None) -> Exchange:
    """What one chunk for each event, then `end`, come to."""
    reception = reception_of(SSE)
    error = feed(reception, [b"".join(map(chunk, events)) + end], batch=1)
    return reception.close(ASK, 0, broken or error, aborted)


def body(data: bytes, status: bytes = b"200 OK", length: int | None = None) -> Exchange:
    reception = reception_of(JSON % (status, len(data) if length is None else length))
    error = feed(reception, [data] if data else [], batch=1)
    broken = error or (None if reception.done else reception.at_eof(reset=False))
    return reception.close(ASK, 0, broken)


def verdict(exchange: Exchange) -> tuple[str, str | None, int]:
    return exchange.outcome.value, exchange.error, len(exchange.timeline)


CUT, RESET = WireError("cut", "x"), WireError("reset", "x")
ERROR = b'data: {"error":{"message":"boom","code":500}}\n\n'
OTHER_CHOICE = b'data: {"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}\n\n'


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (stream(TOKEN, TOKEN, FINISH, DONE), ("completed", None, 2)),
        (stream(TOKEN, FINISH), ("completed", None, 1)),  # transformers sends no [DONE]
        (stream(FINISH, DONE), ("completed", None, 0)),  # max_tokens 0
        (stream(TOKEN, DONE), ("truncated", "no_finish_reason", 1)),
        (stream(TOKEN), ("truncated", "no_end", 1)),
        (stream(), ("truncated", "no_end", 0)),  # 200 and nothing: llama_cpp.server's worst
        (stream(TOKEN, OTHER_CHOICE, FINISH, DONE), ("truncated", "no_finish_reason", 2)),
        (stream(TOKEN, FINISH.replace(b"stop", b"abort"), DONE), ("truncated", "finish_abort", 1)),
        (stream(TOKEN, end=b"", broken=CUT), ("truncated", "cut", 1)),
        (stream(TOKEN, end=b"", broken=RESET), ("truncated", "reset", 1)),
        (stream(TOKEN, end=b"", broken=WireError("timeout", "x")), ("truncated", "timeout", 1)),
        (stream(TOKEN, FINISH, DONE, end=b"", broken=CUT), ("truncated", "cut", 1)),  # no last chunk
        (stream(TOKEN, end=b"", broken=CUT, aborted="client_left"), ("aborted", "client_left", 1)),
        (stream(TOKEN, ERROR, DONE), ("failed", "error_event", 1)),
        (stream(TOKEN, ERROR, end=b"", broken=CUT), ("failed", "error_event", 1)),  # the cause counts, not the cut
        (stream(TOKEN, b"data: {nonsense\n\n", TOKEN, FINISH, DONE), ("completed", None, 2)),  # and flagged
        (stream(TOKEN, b'data: {"choices":5}\n\n', FINISH), ("completed", None, 1)),
        (stream(b"data: {nonsense\n\n", b"data: 5\n\n", DONE), ("failed", "malformed_event", 0)),  # none is readable
        (stream(TOKEN, b"data: null\n\n", FINISH), ("completed", None, 1)),  # llama.cpp
        (stream(TOKEN, b": ping\n\n", FINISH), ("completed", None, 1)),
        (stream(TOKEN, end=b"xyz\r\n"), ("failed", "bad_chunk", 0)),  # events of the read that broke are lost
        (body(b'{"model":"m","choices":[{"index":0,"finish_reason":"stop"}]}'), ("completed", None, 0)),
        (body(b'{"error":{"message":"boom"}}'), ("failed", "error_body", 0)),
        (body(b"<html>"), ("failed", "malformed_body", 0)),
        (body(b""), ("failed", "malformed_body", 0)),
        (body(b"[]"), ("failed", "malformed_body", 0)),
        (body(b'{"choices":{"0":1},"usage":{"a":1}}'), ("failed", "malformed_body", 0)),
        (body(b'{"choices":', length=50), ("truncated", "cut", 0)),
        (body(b"{}", b"503 Service Unavailable"), ("failed", "http_503", 0)),
        (body(b"", b"302 Found"), ("failed", "http_302", 0)),
    ],
)
def test_each_end_has_its_name(exchange: Exchange, expected: tuple[str, str | None, int]) -> None:
    assert verdict(exchange) == expected


def test_bytes_behind_the_end_are_told() -> None:
    assert verdict(stream(TOKEN, FINISH, DONE, end=END + b"x"))[:2] == ("failed", "excess_body")
    assert verdict(body(b"{}x", length=2))[:2] == ("failed", "excess_body")


def test_an_http_error_says_what_the_engine_said() -> None:
    assert body(b'{"error":{"message":"too long"}}', b"400 Bad Request").detail == "too long"
    assert body(b"Internal\n  Error", b"500 x").detail == "Internal Error"
    assert body(b"", b"502 x").detail is None
    assert body(b"[1]", b"500 x").detail == "[1]"


def test_the_end_of_the_connection_is_the_end_of_a_body_without_framing() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    reception = reception_of(head)
    feed(reception, [TOKEN + FINISH], batch=1)
    assert not reception.done
    assert reception.at_eof(reset=False) is None
    assert verdict(reception.close(ASK, 0)) == ("completed", None, 1)
    reset = reception_of(head).at_eof(reset=True)
    assert reset is not None
    assert reset.kind == "reset"


def test_a_body_too_long_to_read_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception_module, "BODY_LIMIT_BYTES", 100)
    data = b'{"choices":[],"x":"' + b"x" * 200 + b'"}'
    reception = reception_of(JSON % (b"200 OK", len(data)))
    feed(reception, cut(data, range(0, len(data), 30)), batch=1)
    assert verdict(reception.close(ASK, 0)) == ("completed", None, 0)


def test_a_path_without_a_dialect_is_timed_as_a_whole() -> None:
    parsed = HeadReader().feed(JSON % (b"304 Not Modified", 0))
    assert parsed is not None
    exchange = Reception(parsed[0], 0, None, "GET").close(ASK, 7)
    assert (exchange.outcome, exchange.streamed, exchange.ended_ns) == (Outcome.COMPLETED, False, 7)


# Token counts ---------------------------------------------------------------------------------------------------------


def with_usage(event: bytes, made: object) -> bytes:
    return event.replace(b"]}\n\n", b'],"usage":{"prompt_tokens":9,"completion_tokens":%b}}\n\n' % str(made).encode())


@pytest.mark.parametrize(
    ("events", "counted_by", "tokens", "output_tokens"),
    [
        ([TOKEN, TOKEN, FINISH], CountedBy.EVENTS, [0, 0], None),
        ([TOKEN, TOKEN, with_usage(FINISH, 2)], CountedBy.USAGE, [1, 1], 2),
        ([TOKEN, TOKEN, with_usage(FINISH, 6)], CountedBy.USAGE, [3, 3], 6),
        ([with_usage(TOKEN, 2), with_usage(TOKEN, 3), FINISH], CountedBy.CONTINUOUS_USAGE, [2, 1], 3),
        ([with_usage(TOKEN, 3), with_usage(TOKEN, 2), FINISH], CountedBy.CONTINUOUS_USAGE, [3, 0], 2),  # it fell
        ([with_usage(TOKEN, 1), TOKEN, with_usage(FINISH, 4)], CountedBy.USAGE, [2, 2], 4),  # not with each event
        ([TOKEN, with_usage(FINISH, "null")], CountedBy.EVENTS, [0], None),
        ([TOKEN, with_usage(FINISH, 1 << 40)], CountedBy.EVENTS, [0], None),  # no count
        ([with_usage(TOKEN, "[]"), FINISH], CountedBy.EVENTS, [0], None),
    ],
)
def test_tokens_are_counted_by_the_most_exact_way_there_is(
    events: list[bytes], counted_by: CountedBy, tokens: list[int], output_tokens: int | None
) -> None:
    exchange = stream(*events, DONE)
    assert exchange.outcome is Outcome.COMPLETED
    assert (exchange.counted_by, exchange.timeline.tokens) == (counted_by, tokens)
    assert (exchange.usage.output_tokens, exchange.timeline.counted) == (output_tokens, output_tokens is not None)


def test_what_a_cut_stream_delivered_stays() -> None:
    exchange = stream(with_usage(TOKEN, 1), with_usage(TOKEN, 3), end=b"", broken=CUT)
    assert exchange.output_tokens == 3
    assert exchange.timeline.tokens == [1, 2]


# Which reads must not wait --------------------------------------------------------------------------------------------


def test_a_read_that_may_end_the_body_is_due() -> None:
    token = chunk(TOKEN)
    assert not due(token, waiting=1)
    assert due(token, waiting=reception_module.BATCH_READS)
    assert due(token, 1, batch_reads=1)
    for end in (b"0\r\n\r\n", token + END, b"\r\n", b"0\r\nX-Trailer: 1\r\n\r\n", b"x" * 5000):
        assert due(end, waiting=1)


@pytest.mark.parametrize("place", range(1, 5))
def test_the_end_is_due_however_it_is_cut(place: int) -> None:
    reads = cut(chunk(DONE) + END, [len(chunk(DONE)) + place])
    assert due(reads[-1], waiting=1)


def test_any_read_may_end_a_body_of_known_length() -> None:
    assert reception_of(JSON % (b"200 OK", 9)).batch_reads == 1
    batches = [reception_of(SSE).batch_reads for _ in range(2 * reception_module.BATCH_READS)]
    assert set(batches) == set(range(reception_module.BATCH_READS, 2 * reception_module.BATCH_READS))


# Hostile bytes --------------------------------------------------------------------------------------------------------

_HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "delta", "index", "content", "reasoning", "tool_calls", "function", "arguments", "usage",
             "completion_tokens", "prompt_tokens_details", "cached_tokens", "finish_reason", "error", "message",
             "model", "object", "text"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def survives(reception: Reception, reads: Sequence[bytes], batch: int) -> None:
    """Only WireError may leave `digest`, nothing at all `close`; what comes out adds up."""
    error = feed(reception, reads, batch)
    exchange = reception.close(ASK, 0, error)
    if exchange.counted_by is CountedBy.USAGE and len(exchange.timeline):
        assert exchange.timeline.total_tokens == exchange.output_tokens


@settings(max_examples=300, deadline=None)
@given(st.lists(_HOSTILE, max_size=4), st.integers(1, 3))
def test_json_of_any_shape_ends_one_exchange_at_most(values: list[object], batch: int) -> None:
    events = [b"data: " + json.dumps(value).encode() + b"\n\n" for value in values]
    survives(reception_of(SSE), [chunk(TOKEN), *map(chunk, events), chunk(TOKEN) + END], batch)
    choices = [{"choices": [{"delta": value, "index": value}], "usage": value} for value in values]
    events = [b"data: " + json.dumps(value).encode() + b"\n\n" for value in choices]
    survives(reception_of(SSE), [chunk(b"".join(events)) if events else b"", END], batch)
    for value in [*values, *choices]:
        data = json.dumps(value).encode()
        survives(reception_of(JSON % (b"200 OK", len(data))), [data], batch)
        survives(reception_of(JSON % (b"500 x", len(data))), [data], batch)


@given(
    st.lists(st.binary(max_size=60), max_size=6),
    st.sampled_from([SSE, JSON % (b"200 OK", 50), b"HTTP/1.1 200 OK\r\n\r\n"]),
)
def test_any_bytes_end_one_exchange_at_most(reads: list[bytes], head: bytes) -> None:
    survives(reception_of(head), reads, 2)


def test_a_stream_with_flipped_bytes_ends_one_exchange_at_most() -> None:
    rng = random.Random(7)
    for name in STREAMS:
        recorded = Recorded.load(name)
        chunks = recorded.chunks("event")
        for _ in range(12):
            reads = [bytearray(read) for read in chunks]
            for _ in range(rng.randint(1, 3)):
                read = rng.choice(reads)
                read[rng.randrange(len(read))] = rng.randrange(256)
            survives_both_ways(recorded, [bytes(read) for read in reads])


def survives_both_ways(recorded: Recorded, reads: Sequence[bytes]) -> None:
    for batch in (1, 4):
        assert receive(recorded, "event", reads, batch) == slowly(recorded, "event", reads, batch)


def test_the_engines_own_times_are_in_the_record() -> None:
    """As vLLM was recorded with --enable-per-request-metrics."""
    recorded = Recorded.load("vllm-prm-chat-stream-usage")
    timing = receive(recorded, "event", recorded.chunks("event")).timing
    assert timing is not None
    assert timing.ttft_ms == pytest.approx(5.3205820004222915)
    assert timing.itl_ms == pytest.approx(4.770125428486998)
