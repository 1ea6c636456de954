from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.errors import UsageError
from imaxproxy.traces import Endpoint, History, Prompts, Request, TraceRow, build_request, open_trace

DATA = Path(__file__).parents[1] / "data" / "traces"
PROMPTS = Prompts(seed=1)
SAID = {"role": "user", "content": "hi"}


def build(row: TraceRow, endpoint: Endpoint = "chat") -> tuple[Request, dict[str, Any]]:
    request = build_request(row, model="m", endpoint=endpoint, prompts=PROMPTS)
    return request, orjson.loads(request.body)


def test_lengths_become_a_synthetic_chat_that_forces_its_output() -> None:
    row = TraceRow("7", input_length=100, output_length=20)
    request, body = build(row)
    assert (request.path, request.request_id) == ("/v1/chat/completions", "7")
    assert (request.input_tokens, request.output_tokens) == (100, 20)
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": PROMPTS.text(row)}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 20,
        "min_tokens": 20,
        "ignore_eos": True,
    }


def test_lengths_on_the_completions_endpoint() -> None:
    request, body = build(TraceRow("1", input_length=9, output_length=2), "completions")
    assert request.path == "/v1/completions"
    assert len(body["prompt"].split(" ")) == 9
    assert "messages" not in body


@pytest.mark.parametrize(
    ("mode", "asked", "planned"),
    [
        ("exact", {"max_tokens": 5, "min_tokens": 5, "ignore_eos": True}, 5),
        ("max", {"max_tokens": 5}, None),
        ("natural", {}, None),
    ],
)
def test_output_modes(mode: Any, asked: dict[str, Any], planned: int | None) -> None:  # noqa: ANN401
    request, body = build(TraceRow("1", text_input="hi", output_length=5, output_mode=mode))
    assert {key: body[key] for key in body.keys() & {"max_tokens", "min_tokens", "ignore_eos"}} == asked
    assert request.output_tokens == planned


@pytest.mark.parametrize(
    ("row", "endpoint", "path", "content"),
    [
        (TraceRow("1", text_input="hi"), "chat", "/v1/chat/completions", {"messages": [SAID]}),
        (TraceRow("1", text_input="hi"), "completions", "/v1/completions", {"prompt": "hi"}),
        (TraceRow("1", prompt="hi"), "chat", "/v1/completions", {"prompt": "hi"}),  # the row's own kind wins
        (TraceRow("1", prompt=(5, 6)), "chat", "/v1/completions", {"prompt": [5, 6]}),
        (TraceRow("1", messages=(SAID,)), "completions", "/v1/chat/completions", {"messages": [SAID]}),
        (TraceRow("1", body={"prompt": "hi"}), "chat", "/v1/completions", {"prompt": "hi"}),
        (TraceRow("1", body={"input": "a"}, url="https://h/v1/responses"), "chat", "/v1/responses", {"input": "a"}),
    ],
)
def test_what_a_row_brings_decides_path_and_content(
    row: TraceRow, endpoint: Endpoint, path: str, content: dict[str, Any]
) -> None:
    request, body = build(row, endpoint)
    assert request.path == path
    assert {key: body.get(key) for key in content} == content


def test_token_ids_are_counted() -> None:
    assert build(TraceRow("1", prompt=(5, 6, 7)))[0].input_tokens == 3
    assert build(TraceRow("1", text_input="hi there"))[0].input_tokens is None


def test_a_batch_row_keeps_its_body_but_not_its_model() -> None:
    row = next(iter(open_trace(DATA / "openai_batch.jsonl")))
    request, body = build(row)
    assert request.request_id == "request-2"
    assert row.body is not None
    assert row.body["model"] == "facebook/opt-125m"  # the row itself is not touched
    assert body == row.body | {"model": "m", "stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages"])
def test_usage_is_asked_for_only_where_that_is_an_option(path: str) -> None:
    request, body = build(TraceRow("1", url=path, body={"input": "hi"}))
    assert (request.path, body["stream"]) == (path, True)
    assert "stream_options" not in body


def test_usage_may_be_asked_for_with_every_event() -> None:
    row = TraceRow("1", text_input="hi")
    body = orjson.loads(build_request(row, model="m", prompts=PROMPTS, continuous_usage=True).body)
    assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


def test_a_body_may_refuse_to_stream() -> None:
    _, body = build(TraceRow("1", body={"messages": [], "stream": False}))
    assert body["stream"] is False
    assert "stream_options" not in body


def test_a_forced_length_takes_the_place_of_a_recorded_cap() -> None:
    row = TraceRow("1", body={"messages": [], "max_completion_tokens": 9}, output_length=4, output_mode="exact")
    _, body = build(row)
    assert "max_completion_tokens" not in body
    assert body["max_tokens"] == 4


def test_extra_comes_last() -> None:
    _, body = build(TraceRow("1", text_input="hi", priority=3, extra={"stream": False, "temperature": 0}))
    assert (body["stream"], body["temperature"], body["priority"]) == (False, 0, 3)


def test_a_delta_is_sent_with_its_history() -> None:
    history = History()
    bodies = [
        orjson.loads(build_request(row, model="m", prompts=PROMPTS, history=history).body)
        for row in open_trace(DATA / "swebench_reasoning_agent.excerpt.jsonl")
    ]
    assert [len(body["messages"]) for body in bodies] == [2, 4, 6, 8]
    assert all(body["tools"] == bodies[0]["tools"] for body in bodies)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (TraceRow("x", text_input="hi", method="GET"), "request x: method GET"),
        (TraceRow("x", session_id="s", messages=({"role": "user"},), messages_mode="delta"), "request x: .* a delta"),
        (TraceRow("x", text_input="hi", url="http://[bad"), "request x: url"),
    ],
)
def test_what_cannot_be_sent_names_the_request(row: TraceRow, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build(row)


def test_fields_that_an_engine_refuses_are_left_out_and_nothing_is_held_to_a_length() -> None:
    row = TraceRow(request_id="r", input_length=5, output_length=7, extra={"min_tokens": 7, "top_k": 3})
    built = build_request(row, model="m", prompts=PROMPTS, extras=frozenset())
    body = orjson.loads(built.body)
    assert not {"ignore_eos", "min_tokens"} & body.keys()
    assert (body["max_tokens"], body["top_k"]) == (7, 3)
    assert built.output_tokens is None


def test_a_newer_name_for_the_length() -> None:
    row = TraceRow(request_id="r", input_length=5, output_length=7)
    body = orjson.loads(build_request(row, model="m", prompts=PROMPTS, length_field="max_completion_tokens").body)
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body
