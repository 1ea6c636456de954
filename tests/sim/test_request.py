import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.sim.request import Api, BadRequest, CompletionRequest, Limits, parse_request

LIMITS = Limits(model="tiny", context_tokens=100, kv_tokens=80, default_output_tokens=10)


def parse(api: Api = "completions", **fields: Any) -> CompletionRequest:  # noqa: ANN401 (any JSON)
    return parse_request(json.dumps(fields).encode(), api, LIMITS)


@pytest.mark.parametrize(
    ("fields", "prompt_tokens"),
    [
        ({"prompt": "one  two\nthree"}, 3),
        ({"prompt": [5, 6, 7, 8]}, 4),
        ({"prompt": [[5, 6]]}, 2),
        ({"prompt": ["one two"]}, 2),
        ({"prompt": ""}, 1),  # an engine has a start token at least
        ({"api": "chat", "messages": [{"content": "one two"}, {"content": None}, {"content": "three"}]}, 3),
        ({"api": "chat", "messages": [{"content": [{"type": "text", "text": "a b"}, {"type": "image_url"}]}]}, 2),
    ],
)
def test_tokens_of_a_prompt_are_words_or_ids(fields: dict[str, Any], prompt_tokens: int) -> None:
    assert parse(**fields).prompt_tokens == prompt_tokens


@pytest.mark.parametrize(
    ("fields", "output_tokens", "finish_reason"),
    [
        ({}, 10, "stop"),
        ({"min_tokens": 20}, 20, "stop"),
        ({"ignore_eos": True}, 79, "length"),  # what fits: the KV cache is smaller than the context
        ({"max_tokens": 7}, 7, "length"),
        ({"max_tokens": 7, "max_completion_tokens": 5}, 5, "length"),
        ({"max_tokens": 79}, 79, "length"),
    ],
)
def test_length_of_the_answer(fields: dict[str, Any], output_tokens: int, finish_reason: str) -> None:
    request = parse(prompt="one", **fields)
    assert (request.output_tokens, request.finish_reason) == (output_tokens, finish_reason)


def test_continuous_usage_needs_usage() -> None:
    alone = parse(prompt="a", stream=True, stream_options={"continuous_usage_stats": True})
    assert not alone.continuous_usage
    both = parse(prompt="a", stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
    assert both.include_usage
    assert both.continuous_usage


@pytest.mark.parametrize("options", [[1], "yes", 7])
def test_options_are_an_object(options: object) -> None:
    with pytest.raises(BadRequest, match="valid dictionary"):
        parse(prompt="a", stream=True, stream_options=options)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [
        *("model", "messages", "prompt", "input", "max_tokens", "min_tokens", "stream", "stream_options", "n", "stop"),
        *("tools", "tool_choice"),
    ]
)


@given(st.dictionaries(names, json_values), st.sampled_from(["chat", "completions", "responses"]))
def test_only_bad_request_leaves(fields: dict[str, Any], api: Api) -> None:
    sound = {"prompt": "one", "messages": [{"content": "one"}], "input": "one"}
    with suppress(BadRequest):
        request = parse(api, **{**sound, **fields})
        assert 1 <= request.output_tokens <= 80 - request.prompt_tokens


@given(st.binary(max_size=30))
def test_only_bad_request_leaves_for_bytes(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(body, "chat", LIMITS)
    assert json.loads(caught.value.as_json())["error"]["code"] == caught.value.status == 400
