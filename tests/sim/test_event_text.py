import json
from typing import Any

import pytest

from imaxproxy.sim import Api, CompletionRequest, Limits, parse_request
from imaxproxy.sim.event_text import CompletionText, ResponsesText, responses_usage, usage_of

LIMITS = Limits(model="tiny", context_tokens=1000, kv_tokens=1000, default_output_tokens=10)


def asked(api: Api) -> CompletionRequest:
    bodies: dict[Api, dict[str, Any]] = {
        "chat": {"messages": [{"role": "user", "content": "a b"}]},
        "completions": {"prompt": "a b"},
        "responses": {"input": "a b"},
    }
    length = {"max_output_tokens" if api == "responses" else "max_tokens": 4}
    return parse_request(json.dumps({**bodies[api], **length, "stream": True}).encode(), api, LIMITS)


def event(before: bytes, text: bytes, after: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((before + text + after + b"}").partition(b"data: ")[2])
    return found


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("finish_reason", [None, "length"])
def test_what_stands_around_the_text_is_one_event(api: Api, finish_reason: str | None) -> None:
    text = CompletionText(asked(api), "id-1", 7, "tiny", "reasoning")
    around = text.around(3, is_reasoning=False, is_first=False, finish_reason=finish_reason)
    found = event(around[0], b" word", around[1])
    (choice,) = found["choices"]
    assert (found["id"], found["created"], found["model"]) == ("id-1", 7, "tiny")
    assert (choice["index"], choice["finish_reason"]) == (3, finish_reason)
    assert (choice["delta"]["content"] if api == "chat" else choice["text"]) == " word"


def test_reasoning_stands_in_the_engines_own_field() -> None:
    text = CompletionText(asked("chat"), "id-1", 7, "tiny", "reasoning_content")
    around = text.around(0, is_reasoning=True, is_first=True, finish_reason=None)
    assert event(around[0], b"hm", around[1])["choices"][0]["delta"] == {"reasoning_content": "hm"}


def test_only_a_chat_opens_with_a_role() -> None:
    opened = CompletionText(asked("chat"), "id-1", 7, "tiny", "reasoning").opening(0, None)
    assert json.loads(opened.partition(b"data: ")[2])["choices"][0]["delta"]["role"] == "assistant"
    assert CompletionText(asked("completions"), "id-1", 7, "tiny", "reasoning").opening(0, None) == b""


def test_events_of_a_response_are_numbered_without_a_gap() -> None:
    request = asked("responses")
    text = ResponsesText(request, "resp_1", 7, "tiny")
    stream = text.opening(0, None)
    for _ in range(3):
        before, after = text.around(0, is_reasoning=False, is_first=False, finish_reason=None)
        stream += before + b"word" + after + b"}\n\n"
    stream += text.closing(usage_of(request, 4, 0, 0), "word word word")
    events = [json.loads(part.partition(b"data: ")[2]) for part in stream.split(b"\n\n") if part]
    assert [one["sequence_number"] for one in events] == list(range(4 + 3 + 4))
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["usage"]["output_tokens"] == 4


def test_usage_counts_the_same_under_both_names() -> None:
    usage = usage_of(asked("chat"), 10, 1, 3)
    assert (usage["prompt_tokens"], usage["total_tokens"]) == (2, 12)
    theirs = responses_usage(usage)
    assert (theirs["input_tokens"], theirs["output_tokens"], theirs["total_tokens"]) == (2, 10, 12)
    assert theirs["output_tokens_details"] == {"reasoning_tokens": 3}
