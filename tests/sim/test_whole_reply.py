import json

import pytest

from imaxproxy.sim import CompletionRequest, Limits, ReplyShape, parse_request, said_message
from imaxproxy.sim.whole_reply import whole_reply

LIMITS = Limits(model="tiny", context_tokens=1000, kv_tokens=1000, default_output_tokens=10)
TOOL = {"type": "function", "function": {"name": "look"}}
SHAPE = ReplyShape(reasoning_share=0.5)


def asked(**fields: object) -> CompletionRequest:
    body = {"messages": [{"role": "user", "content": "a b"}], "max_tokens": 8, **fields}
    return parse_request(json.dumps(body).encode(), "chat", LIMITS)


def test_a_whole_answer_has_text_reasoning_and_usage_that_add_up() -> None:
    body = whole_reply(asked(n=2), "chatcmpl-1", 0, "tiny", SHAPE, cached_tokens=1)
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    message = body["choices"][0]["message"]
    assert (len(message["content"].split()), len(message["reasoning"].split())) == (4, 4)
    usage = body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (2, 16, 18)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 8
    assert "usage" not in whole_reply(asked(), "chatcmpl-1", 0, "tiny", ReplyShape(usage="never"), 0)


@pytest.mark.parametrize("emitted", range(10))
def test_what_a_client_keeps_of_an_answer_that_came_so_far(emitted: int) -> None:
    said = said_message(asked(), SHAPE, emitted)
    whole = said_message(asked(), SHAPE, 8)
    assert whole is not None
    if emitted <= 4:  # reasoning only: nothing goes into a history
        assert said is None
    else:
        assert said is not None
        assert len(said["content"].split()) == min(emitted, 8) - 4
        assert whole["content"].startswith(said["content"])


def test_a_called_tool_is_kept_as_a_call() -> None:
    said = said_message(asked(tools=[TOOL], tool_choice="required"), ReplyShape(), 8)
    assert said is not None
    (call,) = said["tool_calls"]
    assert (said["content"], call["function"]["name"]) == ("", "look")
    assert len(json.loads(call["function"]["arguments"])["words"].split()) == 8
