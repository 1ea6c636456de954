"""The ways in which engines fail inside a stream, each in each dialect: its outcome, its ending, its flags."""

import orjson
import pytest

from imaxproxy.errors import WireError
from imaxproxy.metrics import CountedBy, Exchange, Flag
from imaxproxy.wire import CHAT, COMPLETIONS, MESSAGES, RESPONSES, HeadReader, Reception
from wire.dialect_events import (
    CHAT_STORY,
    COMPLETIONS_STORY,
    ERROR,
    MESSAGES_STORY,
    RESPONSES_STORY,
    SSE,
    STORIES,
    Story,
    event,
    named,
    response,
    told,
)
from wire.streams import ASK, chunk, feed

OPENAI = [CHAT_STORY, COMPLETIONS_STORY]
BAD_FOR_ALL = b'{"choices":5,"type":"message_delta","response":5}'
stories = pytest.mark.parametrize("story", STORIES, ids=str)
openai = pytest.mark.parametrize("story", OPENAI, ids=str)
Verdict = tuple[str, str, list[str]]


def verdict(exchange: Exchange) -> Verdict:
    return exchange.outcome.value, exchange.ending.value, [flag.value for flag in exchange.flags]


# All dialects ---------------------------------------------------------------------------------------------------------


@stories
def test_whole(story: Story) -> None:
    exchange = told(story.dialect, *story.whole)
    assert verdict(exchange) == ("completed", "complete", [])
    assert (exchange.error, exchange.model, len(exchange.timeline)) == (None, "m", 2)
    assert (exchange.usage.input_tokens, exchange.usage.output_tokens) == (3, 2)
    assert exchange.counted_by is CountedBy.USAGE


@stories
def test_three_clocks(story: Story) -> None:
    """The head came at 0, events at 1000, 2000, ... ns; a comment is no event."""
    exchange = told(story.dialect, b": ping\n\n", *story.whole)
    assert (exchange.first_byte_ns, exchange.first_event_ns, exchange.timeline.times_ns[0]) == (0, 2000, 3000)


@stories
@pytest.mark.parametrize("reset", [False, True])
def test_cut_inside_the_body(story: Story, reset: bool) -> None:
    exchange = told(story.dialect, *story.whole, end=b"", reset=reset)
    assert verdict(exchange)[:2] == ("truncated", "reset" if reset else "cut")
    middle = told(story.dialect, story.opening, story.token, end=b"1ff\r\ndata: {", reset=reset)
    assert verdict(middle)[:2] == ("truncated", "reset" if reset else "cut")
    assert len(middle.timeline) == 1  # what it had delivered stays


@stories
def test_a_clean_end_without_any_end(story: Story) -> None:
    assert verdict(told(story.dialect, story.opening, story.token)) == ("truncated", "no_end", [])
    assert verdict(told(story.dialect)) == ("truncated", "no_end", [])


@stories
def test_an_error_event(story: Story) -> None:
    for behind in ([], [story.done], [event(b"[DONE]")]):
        exchange = told(story.dialect, story.opening, story.token, story.error, *behind)
        assert verdict(exchange)[:2] == ("failed", "error_event")
        assert (exchange.error, exchange.detail) == ("error_event", "boom")
    cut = told(story.dialect, story.token, story.error, end=b"")
    assert verdict(cut)[:2] == ("failed", "error_event")  # the cause counts, not the cut that follows


@stories
@pytest.mark.parametrize(
    "error",
    [
        {"error": ERROR},  # vLLM, llama.cpp
        {"error": {"object": "error", "message": "boom", "code": 500}},  # SGLang
        {"error": "boom"},  # transformers
    ],
)
def test_a_bare_error_object_is_one_in_every_dialect(story: Story, error: object) -> None:
    exchange = told(story.dialect, story.token, event(error))
    assert (verdict(exchange)[:2], exchange.detail) == (("failed", "error_event"), "boom")


@stories
@pytest.mark.parametrize("bad", [b"{nonsense", b"5", b'"x"', b"[1]", BAD_FOR_ALL, b"\xff\xfe"])
def test_one_bad_event_fails_nothing(story: Story, bad: bytes) -> None:
    head, *rest = story.whole
    exchange = told(story.dialect, head, event(bad), *rest)
    assert verdict(exchange) == ("completed", "complete", ["bad_event"])
    assert len(exchange.timeline) == 2
    assert exchange.detail is not None


@stories
def test_a_stream_of_nothing_readable_fails(story: Story) -> None:
    exchange = told(story.dialect, event(b"{nonsense"), event(b"{more"))
    assert verdict(exchange) == ("failed", "unreadable", ["bad_event"])


@stories
def test_timeouts_have_the_name_of_their_clock(story: Story) -> None:
    exchange = told(story.dialect, story.token, end=b"")
    assert exchange.ending == "cut"
    for kind, ending in (("idle_timeout", "timeout_idle"), ("timeout", "timeout_total")):
        assert _given_up(story, kind) == ("truncated", ending, [])


def _given_up(story: Story, kind: str) -> Verdict:
    parsed = HeadReader().feed(SSE)
    assert parsed is not None
    reception = Reception(parsed[0], 0, story.dialect)
    assert feed(reception, [chunk(story.token)], batch=1) is None
    return verdict(reception.close(ASK, 9, WireError(kind, "x")))


@stories
def test_comments_pings_and_lines_without_data_change_nothing(story: Story) -> None:
    odd = [b": keep-alive\n\n", b":\n\n", b"event: ping\ndata: {\"type\": \"ping\"}\n\n", b"event: x\n\n", b"id: 7\n\n",
           b"retry: 100\n\n", b"data: null\n\n"]  # fmt: skip
    events = [piece for one in story.whole for piece in (*odd, one)]
    exchange = told(story.dialect, *events)
    assert verdict(exchange) == ("completed", "complete", [])
    assert len(exchange.timeline) == 2


# Chat and completions -------------------------------------------------------------------------------------------------


@openai
def test_a_finish_reason_without_done(story: Story) -> None:
    exchange = told(story.dialect, story.token, story.finish, story.usage)
    assert verdict(exchange) == ("completed", "no_terminator", ["no_done"])  # transformers never sends [DONE]


@openai
def test_done_without_a_finish_reason(story: Story) -> None:
    assert verdict(told(story.dialect, story.token, story.done)) == ("truncated", "no_finish_reason", [])


@openai
@pytest.mark.parametrize("reason", ["abort", "error", "content_filter"])
def test_the_engine_broke_it_off(story: Story, reason: str) -> None:
    finish = story.finish.replace(b'"stop"', b'"%b"' % reason.encode())
    exchange = told(story.dialect, story.token, finish, story.usage, story.done)
    assert verdict(exchange) == ("truncated", "broken_off", [])
    assert exchange.error == f"finish_{reason}"


@openai
def test_a_flat_error_object(story: Story) -> None:
    flat = event({"object": "error", "message": "boom", "code": 500})
    exchange = told(story.dialect, story.token, flat, story.done)
    assert (verdict(exchange)[:2], exchange.detail) == (("failed", "error_event"), "boom")


@openai
def test_usage_that_was_asked_for_and_never_came(story: Story) -> None:
    events = [story.token, story.finish, story.done]
    assert verdict(told(story.dialect, *events)) == ("completed", "complete", ["no_usage"])
    assert verdict(told(story.dialect, *events, asked=False)) == ("completed", "complete", [])


@openai
def test_usage_said_twice(story: Story) -> None:
    exchange = told(story.dialect, story.token, story.finish, story.usage, story.usage, story.done)
    assert verdict(exchange) == ("completed", "complete", ["duplicate_usage"])
    assert exchange.usage.output_tokens == 2


def _with(event_bytes: bytes, **members: object) -> bytes:
    chunk = orjson.loads(event_bytes[6:])
    choice = members.pop("choice", {})
    assert isinstance(choice, dict)
    for one in chunk["choices"]:
        one.update(choice)
    return event(chunk | members)


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 3, "completion_tokens": tokens}


@openai
@pytest.mark.parametrize(("total", "flags"), [(4, []), (5, ["usage_mismatch"]), (3, ["usage_mismatch"])])
def test_a_total_that_is_not_the_sum_of_its_parts(story: Story, total: int, flags: list[str]) -> None:
    continuous = [_with(story.token, usage=_usage(1)), _with(story.token, usage=_usage(4))]
    last = _with(story.usage, usage=_usage(total))
    exchange = told(story.dialect, *continuous, story.finish, last, story.done)
    assert verdict(exchange) == ("completed", "complete", flags)
    assert (exchange.counted_by, exchange.timeline.tokens) == (CountedBy.CONTINUOUS_USAGE, [1, 3])
    ids = [_with(story.token, choice={"token_ids": ids}) for ids in ([7], [8, 9, 10])]
    exchange = told(story.dialect, *ids, story.finish, last, story.done)
    assert verdict(exchange) == ("completed", "complete", flags)
    assert (exchange.counted_by, exchange.timeline.tokens) == (CountedBy.TOKEN_IDS, [1, 3])


@openai
def test_the_ids_of_an_event_without_text_go_to_the_next(story: Story) -> None:
    silent = _with(story.opening, choice={"token_ids": [5]})
    events = [silent, _with(story.token, choice={"token_ids": [6]}), story.finish, story.done]
    assert told(story.dialect, *events).timeline.tokens == [2]


@openai
def test_four_interleaved_choices(story: Story) -> None:
    def of(event_bytes: bytes, index: int) -> bytes:
        return event_bytes.replace(b'"index":0', b'"index":%d' % index)

    order = (2, 0, 3, 1)
    tokens = [of(story.token, index) for _ in range(3) for index in order]
    ends = [of(story.finish, index) for index in order]
    total = _with(story.usage, usage=_usage(12))
    exchange = told(story.dialect, *tokens, *ends, total, story.done)
    assert verdict(exchange) == ("completed", "complete", [])
    assert (exchange.usage.output_tokens, len(exchange.timeline)) == (12, 12)
    one_open = told(story.dialect, *tokens, *ends[:3], total, story.done)
    assert verdict(one_open) == ("truncated", "no_finish_reason", [])
    running = [_with(of(story.token, index), usage=_usage(count)) for count in (1, 2, 3) for index in order]
    counted = told(story.dialect, *running, *ends, total, total, story.done)
    assert verdict(counted) == ("completed", "complete", ["duplicate_usage"])
    assert (counted.counted_by, counted.timeline.total_tokens) == (CountedBy.CONTINUOUS_USAGE, 12)


@openai
def test_usage_beside_the_last_choice(story: Story) -> None:
    exchange = told(story.dialect, story.token, _with(story.finish, usage=_usage(1)), story.done)
    assert (verdict(exchange), exchange.usage.output_tokens) == (("completed", "complete", []), 1)


def test_sglext_chunks_are_no_tokens() -> None:
    extra = event({"model": "m", "choices": [], "sglext": {"queue_ms": 4}})
    ids = event({"ids": [1, 2]}, "sglext_ids")
    exchange = told(CHAT, CHAT_STORY.token, extra, ids, CHAT_STORY.finish, CHAT_STORY.usage, extra, CHAT_STORY.done)
    assert (verdict(exchange), len(exchange.timeline)) == (("completed", "complete", []), 1)


@pytest.mark.parametrize(
    ("delta", "kinds"),
    [
        ({"reasoning": "a"}, [1]),
        ({"reasoning_content": "a", "content": ""}, [1]),  # TensorRT-LLM
        ({"reasoning_content": None, "content": "a"}, [2]),  # SGLang
        ({"refusal": "a"}, [2]),
        ({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}, [3]),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, [3]),
        ({"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}, []),
        ({"role": "assistant", "content": None}, []),
    ],
)
def test_kinds_of_chat_deltas(delta: dict[str, object], kinds: list[int]) -> None:
    exchange = told(CHAT, event({"choices": [{"index": 0, "delta": delta}]}), CHAT_STORY.finish, CHAT_STORY.done)
    assert exchange.timeline.kinds == kinds


def test_logprobs_are_no_obstacle() -> None:
    logprobs = {"logprobs": {"content": [{"token": "a", "logprob": -1.5, "bytes": [97], "top_logprobs": []}]}}
    token = _with(COMPLETIONS_STORY.token, choice=logprobs)
    assert len(told(COMPLETIONS, token, token, COMPLETIONS_STORY.finish, COMPLETIONS_STORY.done).timeline) == 2


# Responses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "expected", "finish_reason"),
    [
        (response("completed"), ("completed", "complete"), "completed"),
        # vLLM 0.32: the event's name says completed, the status knows better
        (response("incomplete", reason="max_output_tokens"), ("completed", "complete"), "max_output_tokens"),
        (response("incomplete", "response.incomplete"), ("completed", "complete"), "incomplete"),
        (response("incomplete", reason="content_filter"), ("truncated", "broken_off"), "content_filter"),
        (response("cancelled", "response.cancelled"), ("truncated", "broken_off"), "cancelled"),
        (response("failed", "response.completed"), ("failed", "error_event"), "failed"),
        (response("failed", "response.failed", error=ERROR), ("failed", "error_event"), "failed"),
        (named("response.completed", response={}), ("completed", "complete"), "completed"),  # no status: the name
        (named("error", code="x", message="boom", sequence_number=9), ("failed", "error_event"), None),
        (response("in_progress", "response.completed"), ("truncated", "no_end"), None),
    ],
)
def test_the_status_of_a_response_decides(last: bytes, expected: tuple[str, str], finish_reason: str | None) -> None:
    exchange = told(RESPONSES, RESPONSES_STORY.token, last)
    assert (verdict(exchange)[:2], exchange.finish_reason) == (expected, finish_reason)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("response.output_text.delta", [2]),
        ("response.refusal.delta", [2]),
        ("response.reasoning_text.delta", [1]),
        ("response.reasoning_summary_text.delta", [1]),
        ("response.function_call_arguments.delta", [3]),
        ("response.custom_tool_call_input.delta", [3]),
        ("response.mcp_call_arguments.delta", [3]),
        ("response.output_text.done", []),
        ("response.output_item.added", []),
        ("response.audio.delta", []),
    ],
)
def test_kinds_of_response_deltas(name: str, kinds: list[int]) -> None:
    exchange = told(RESPONSES, named(name, delta="a"), named(name, delta=""), RESPONSES_STORY.done)
    assert exchange.timeline.kinds == kinds


def test_numbers_out_of_order_are_flagged() -> None:
    tokens = [named("response.output_text.delta", delta="a", sequence_number=number) for number in (0, 1, 2, 4, 5)]
    exchange = told(RESPONSES, *tokens, RESPONSES_STORY.done)
    assert verdict(exchange) == ("completed", "complete", ["out_of_order"])
    assert len(exchange.timeline) == 5
    assert not told(RESPONSES, *tokens[:3], RESPONSES_STORY.done).flags


def test_a_response_without_usage() -> None:
    last = named("response.completed", response={"status": "completed", "usage": None})
    assert told(RESPONSES, RESPONSES_STORY.token, last).flags == (Flag.NO_USAGE,)


# Messages -------------------------------------------------------------------------------------------------------------


def test_a_stop_reason_without_message_stop() -> None:
    exchange = told(MESSAGES, MESSAGES_STORY.token, MESSAGES_STORY.finish)
    assert verdict(exchange) == ("completed", "no_terminator", ["no_done"])
    assert verdict(told(MESSAGES, MESSAGES_STORY.token, MESSAGES_STORY.done))[:2] == ("truncated", "no_finish_reason")


def test_a_refusal_is_no_whole_answer() -> None:
    finish = MESSAGES_STORY.finish.replace(b"end_turn", b"refusal")
    exchange = told(MESSAGES, MESSAGES_STORY.token, finish, MESSAGES_STORY.done)
    assert verdict(exchange)[:2] == ("truncated", "broken_off")


def test_kinds_of_message_deltas() -> None:
    def delta(**members: object) -> bytes:
        return named("content_block_delta", index=0, delta=members)

    def block(**members: object) -> bytes:
        return named("content_block_start", index=0, content_block=members)

    events = [
        MESSAGES_STORY.opening,
        block(type="thinking", thinking=""),
        delta(type="thinking_delta", thinking="a"),
        delta(type="signature_delta", signature="sig"),
        named("content_block_stop", index=0),
        *[named("ping")] * 50,
        block(type="text", text=""),
        delta(type="text_delta", text="b"),
        delta(type="citations_delta", citation={}),
        block(type="tool_use", id="t", name="get_weather", input={}),
        delta(type="input_json_delta", partial_json=""),
        delta(type="input_json_delta", partial_json='{"city":'),
        MESSAGES_STORY.finish,
        MESSAGES_STORY.done,
    ]
    exchange = told(MESSAGES, *events)
    assert exchange.timeline.kinds == [1, 2, 3, 3]
    assert verdict(exchange) == ("completed", "complete", [])


def test_usage_of_a_message_is_that_of_its_end() -> None:
    cut = told(MESSAGES, MESSAGES_STORY.opening, MESSAGES_STORY.token, end=b"")
    assert (cut.usage.input_tokens, cut.usage.output_tokens) == (3, None)  # the 1 of message_start is a placeholder
    cached = named("message_start", message={"usage": {"input_tokens": 1, "cache_read_input_tokens": 19}})
    exchange = told(MESSAGES, cached, MESSAGES_STORY.token, MESSAGES_STORY.finish, MESSAGES_STORY.done)
    usage = exchange.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (20, 19, 2)


# Answers that are not streamed ----------------------------------------------------------------------------------------

JSON = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("story", "body", "expected"),
    [
        (CHAT_STORY, {"choices": [{"index": 0, "finish_reason": "stop"}], "usage": _usage(2)}, ("completed", 2)),
        (RESPONSES_STORY, {"status": "completed", "usage": {"output_tokens": 2}}, ("completed", 2)),
        (RESPONSES_STORY, {"status": "failed", "error": ERROR}, ("failed", None)),
        (MESSAGES_STORY, {"stop_reason": "end_turn", "usage": {"output_tokens": 2}}, ("completed", 2)),
        (MESSAGES_STORY, {"type": "error", "error": {"message": "boom"}}, ("failed", None)),
    ],
)
def test_whole_bodies(story: Story, body: dict[str, object], expected: tuple[str, int | None]) -> None:
    exchange = told(story.dialect, orjson.dumps(body), head=JSON % b"200 OK")
    assert (exchange.outcome.value, exchange.usage.output_tokens) == expected
    assert exchange.first_event_ns is None
    refused = told(story.dialect, orjson.dumps({"error": {"message": "boom"}}), head=JSON % b"429 Too Many")
    assert (refused.ending, refused.detail) == ("error_answer", "boom")


@stories
def test_html_and_a_stream_that_nobody_asked_for_are_read_by_their_type(story: Story) -> None:
    html = JSON.replace(b"application/json", b"text/html") % b"500 Internal Server Error"
    assert verdict(told(story.dialect, b"<html>", head=html))[:2] == ("failed", "error_answer")
    assert verdict(told(story.dialect, b"<html>", head=html.replace(b"500", b"200")))[:2] == ("failed", "unreadable")
