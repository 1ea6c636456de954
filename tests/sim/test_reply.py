import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.sim import Limits, ReplyShape, parse_request
from imaxproxy.sim.event_text import CompletionText
from imaxproxy.sim.reply import StreamedReply
from imaxproxy.sim.strikes import unchunked
from imaxproxy.sim.truth import TruthRecord
from sim.conftest import events

LIMITS = Limits(model="tiny", context_tokens=1000, kv_tokens=1000, default_output_tokens=10)
TOOL = {"type": "function", "function": {"name": "look"}}


def reply_of(
    shape: ReplyShape, written: list[bytes], output_tokens: int, *, may_be_plain: bool = True, **fields: object
) -> tuple[StreamedReply, TruthRecord]:
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": output_tokens, "stream": True, **fields}
    request = parse_request(json.dumps(body).encode(), "chat", LIMITS)
    record, text = TruthRecord(), CompletionText(request, "chatcmpl-1", 0, "tiny", "reasoning")
    times = iter(range(100_000))
    reply = StreamedReply(
        request,
        text,
        shape,
        written.append,
        record,
        lambda: None,
        may_be_plain=may_be_plain,
        clock_ns=lambda: next(times),
    )
    return reply, record


def test_a_reader_that_left_ends_its_own_stream_and_no_other() -> None:
    """The engine's step, which all streams share, must not hear of it."""
    request = parse_request(b'{"prompt": "a", "max_tokens": 5, "stream": true}', "completions", LIMITS)
    written: list[bytes] = []
    ends: list[str] = []

    def write(data: bytes) -> None:
        if len(written) == 2:
            raise RuntimeError("the handler is closed")
        written.append(data)

    record, text = TruthRecord(), CompletionText(request, "cmpl-1", 0, "tiny", "reasoning")
    reply = StreamedReply(request, text, ReplyShape(), write, record, lambda: ends.append("end"))
    for planned_ns in range(5):
        reply.token(planned_ns)
    assert (len(written), ends, record.events[3::4].tolist()) == (2, ["end"], [1, 1])


@given(
    steps=st.lists(st.integers(1, 4), min_size=1, max_size=40),
    reasoning_share=st.sampled_from([0.0, 0.1, 0.5, 0.97]),
    interval=st.sampled_from([1, 1, 3]),
)
def test_the_short_way_writes_what_the_long_way_writes(
    steps: Sequence[int], reasoning_share: float, interval: int
) -> None:
    shape, said = ReplyShape(interval, reasoning_share), []
    for may_be_plain in (True, False):
        written: list[bytes] = []
        reply, record = reply_of(shape, written, sum(steps), may_be_plain=may_be_plain)
        for at_ns, tokens in enumerate(steps):
            reply.token(at_ns, tokens)
        assert reply.ended
        assert sum(record.events[3::4]) == sum(steps)
        said.append((written, record.events))
    assert said[0] == said[1]


@pytest.mark.parametrize("reasoning_share", [0.0, 0.5])
def test_a_tool_call_is_named_in_its_first_event_only(reasoning_share: float) -> None:
    written: list[bytes] = []
    reply, _ = reply_of(ReplyShape(1, reasoning_share), written, 8, tools=[TOOL], tool_choice="required")
    for at_ns in range(8):
        reply.token(at_ns)
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events(unchunked(b"".join(written)))[1:-1]]
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert len(calls) == 8 - round(8 * reasoning_share)
    assert [call["function"].get("name") for call in calls] == ["look"] + [None] * (len(calls) - 1)
    arguments = json.loads("".join(call["function"]["arguments"] for call in calls))
    assert len(arguments["words"].split()) == len(calls)
