from typing import Any

import pytest

from imaxproxy.metrics import ANSWER, REASONING, TOOL
from imaxproxy.wire import CHAT
from imaxproxy.wire.dialect import NO_TOKENS, Facts, Reading


def read(*choices: dict[str, Any]) -> Reading:
    return CHAT.read_event({"model": "m", "choices": list(choices)}, Facts())


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"role": "assistant", "content": ""}, NO_TOKENS),  # vLLM
        ({"role": "assistant", "content": None}, NO_TOKENS),  # llama.cpp
        ({"role": "assistant", "content": "", "reasoning_content": None}, NO_TOKENS),  # SGLang
        ({}, NO_TOKENS),  # the finish chunk
        (None, NO_TOKENS),
        ({"content": "a"}, (ANSWER, "a", "content")),
        ({"role": "assistant", "content": "a"}, (ANSWER, "a", "content")),  # Dynamo: the first token beside the role
        ({"content": "a", "reasoning_content": None}, (ANSWER, "a", "content")),
        ({"reasoning_content": "r"}, (REASONING, "r", "reasoning_content")),
        ({"reasoning_content": "r", "content": ""}, (REASONING, "r", "reasoning_content")),  # TensorRT-LLM
        ({"reasoning": "r"}, (REASONING, "r", "reasoning")),  # vLLM since 0.12
        ({"reasoning": "r", "reasoning_content": "r"}, (REASONING, "r", "reasoning_content")),  # both names, one text
        ({"reasoning": "re", "content": "a"}, (ANSWER, "are", "")),  # the think block ends inside the event
        ({"refusal": "no"}, (ANSWER, "no", "refusal")),
        ({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}, (TOOL, "f", "tool_calls")),
        ({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}, (TOOL, '{"a"', "tool_calls")),
        ({"tool_calls": [{"index": 0, "function": {"arguments": ""}}]}, NO_TOKENS),
        ({"tool_calls": [{"index": 0, "id": "x"}]}, NO_TOKENS),
        ({"tool_calls": []}, NO_TOKENS),
        ({"tool_calls": [{"function": {"name": "f"}}], "content": "a"}, (TOOL, "af", "")),
        ({"tool_calls": [{"function": {"name": "f"}}], "reasoning": "r"}, (TOOL, "rf", "")),
    ],
)
def test_a_delta_with_text_carries_tokens(delta: object, expected: Reading) -> None:
    assert read({"index": 0, "delta": delta}) == expected


def test_two_choices_in_one_event_are_read_together() -> None:
    reading = read({"index": 0, "delta": {"reasoning": "r"}}, {"index": 1, "delta": {"content": "a"}})
    assert reading == (ANSWER, "ra", "")


def test_events_without_choices_carry_no_tokens() -> None:
    facts = Facts()
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert CHAT.read_event({"model": "m", "choices": [], "usage": usage}, facts) == NO_TOKENS
    assert (facts.model, facts.usage) == ("m", usage)
    assert CHAT.read_event({"choices": None}, facts) == NO_TOKENS


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"content": ["a"]}}]},
        {"choices": [{"delta": {"reasoning": {"text": "r"}}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {"a": 1}}}]}}]},
        {"choices": [{"delta": "a"}]},
        {"choices": [{"index": [1], "delta": {}}]},
        {"choices": ["a"]},
        {"choices": {"delta": {}}},
        {"usage": 5},
        {"choices": "a", "usage": {"completion_tokens": 1}},
        [],
    ],
)
def test_what_is_not_this_api_is_an_error_that_reception_knows(chunk: Any) -> None:  # noqa: ANN401
    with pytest.raises((AttributeError, TypeError, KeyError)):
        CHAT.read_event(chunk, Facts())


def test_a_whole_answer_gives_its_end_and_usage() -> None:
    facts = Facts()
    choices = [{"index": 0, "finish_reason": "stop", "message": {"content": "a"}}]
    CHAT.read_body({"model": "m", "choices": choices, "usage": {"completion_tokens": 4}}, facts)
    assert (facts.model, facts.finish_reason, facts.usage) == ("m", "stop", {"completion_tokens": 4})
