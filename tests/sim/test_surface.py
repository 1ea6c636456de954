"""What a client can ask of the server beyond a plain stream: n, stop, tools, responses, usage, pages."""

import json
import re
from typing import Any

import pytest
from openai import OpenAI

from imaxproxy.power.simulated import SimulatedSource
from imaxproxy.sim.words import text_of
from sim.conftest import RunningSim, StartSim, dechunked, events, read_all, read_until, sent

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
CLOSE = "Connection: close"
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
MESSAGES: list[Any] = [{"role": "user", "content": "a b c"}]


def client(sim: RunningSim) -> OpenAI:
    return OpenAI(base_url=sim.base_url, api_key="none", max_retries=0, timeout=10)


def streamed(sim: RunningSim, path: str, **fields: object) -> list[dict[str, Any]]:
    body = {"prompt": "a b c", "messages": MESSAGES, "max_tokens": 4, "stream": True, **fields}
    with sent(sim, path, body, CLOSE) as connection:
        found = events(dechunked(read_all(connection)))
    return [json.loads(event) for event in found if event != "[DONE]"]


def page(sim: RunningSim, path: str, body: object = None) -> bytes:
    if body is not None:
        with sent(sim, path, body, CLOSE) as connection:
            return read_all(connection)
    with sim.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: sim\r\n{CLOSE}\r\n\r\n".encode())
        return read_all(connection)


def test_several_choices_are_streamed_side_by_side(fast_sim: RunningSim) -> None:
    *chunks, usage = streamed(fast_sim, COMPLETIONS, n=3, stream_options={"include_usage": True})
    by_choice = [chunk["choices"][0] for chunk in chunks]
    for index in range(3):
        own = [choice for choice in by_choice if choice["index"] == index]
        assert [choice["finish_reason"] for choice in own] == [None, None, None, "length"]
    assert usage["usage"]["completion_tokens"] == 12
    with client(fast_sim) as openai:
        whole = openai.completions.create(model="tiny", prompt="a", n=2, max_tokens=3)
    assert [choice.index for choice in whole.choices] == [0, 1]


def test_a_stop_string_ends_the_answer(fast_sim: RunningSim) -> None:
    stop = text_of(3, 1).decode().strip()
    chunks = streamed(fast_sim, COMPLETIONS, max_tokens=10, stop=[stop])
    said = "".join(chunk["choices"][0]["text"] for chunk in chunks)
    assert said == text_of(1, 2).decode() + " "
    last = chunks[-1]["choices"][0]
    assert (last["finish_reason"], last["stop_reason"]) == ("stop", stop)
    with client(fast_sim) as openai:
        whole = openai.completions.create(model="tiny", prompt="a", max_tokens=10, stop=stop)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (said, "stop")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "look_up"}}])
def test_a_tool_is_called_on_request(fast_sim: RunningSim, choice: Any) -> None:  # noqa: ANN401 (any JSON)
    with client(fast_sim) as openai:
        asked: dict[str, Any] = {"model": "tiny", "messages": MESSAGES, "max_tokens": 6}
        stream = openai.chat.completions.create(**asked, tools=[TOOL], tool_choice=choice, stream=True)
        deltas = [chunk.choices[0] for chunk in stream]
        whole = openai.chat.completions.create(**asked, tools=[TOOL], tool_choice=choice)
    calls = [delta.delta.tool_calls[0] for delta in deltas if delta.delta.tool_calls]
    assert len(calls) == 6
    arguments = "".join(call.function.arguments for call in calls)
    assert json.loads(arguments)
    assert [call.function.name for call in calls] == ["look_up"] + [None] * 5
    assert deltas[-1].finish_reason == "tool_calls"
    message = whole.choices[0].message
    assert message.content is None
    assert message.tool_calls[0].function.arguments == arguments
    assert [delta for delta in deltas if delta.delta.content] == []


def test_a_tool_is_not_called_on_auto(fast_sim: RunningSim) -> None:
    chunks = streamed(fast_sim, CHAT, tools=[TOOL], tool_choice="auto")
    assert all("tool_calls" not in chunk["choices"][0]["delta"] for chunk in chunks)


def test_the_openai_client_streams_a_response(fast_sim: RunningSim) -> None:
    with client(fast_sim) as openai:
        found = list(openai.responses.create(model="tiny", input="one two", max_output_tokens=3, stream=True))
        whole = openai.responses.create(model="tiny", input="one two", max_output_tokens=3)
    assert [event.type for event in found] == [
        *("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"),
        *["response.output_text.delta"] * 3,
        *("response.output_text.done", "response.content_part.done", "response.output_item.done"),
        "response.completed",
    ]
    assert [event.sequence_number for event in found] == list(range(11))
    said = "".join(event.delta for event in found if event.type == "response.output_text.delta")
    last = found[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == said == whole.output_text
    assert last.response.usage is not None
    assert (last.response.usage.input_tokens, last.response.usage.output_tokens) == (2, 3)


@pytest.mark.parametrize(("policy", "counts"), [("final", [9]), ("never", []), ("continuous", [0, 1, 2, 3, 4, 4])])
def test_usage_comes_as_the_engine_is_set(start_sim: StartSim, policy: str, counts: list[int]) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--usage", policy)
    chunks = streamed(sim, CHAT)
    found = [chunk["usage"]["completion_tokens"] for chunk in chunks if chunk.get("usage")]
    assert found == ([4] if policy == "final" else counts)


def test_the_role_comes_ahead_when_the_engine_is_set_so(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--fixed-ttft-ms", "5", "--role", "taken-up")
    chunks = streamed(sim, CHAT)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(chunks) == 5


def test_the_role_comes_when_a_request_was_read_long_before_its_first_token(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--fixed-ttft-ms", "60000", "--role", "admitted")
    with sent(sim, CHAT, {"messages": MESSAGES, "stream": True}) as connection:
        read_until(connection, b'"role":"assistant"')


def test_answers_stop_early_whatever_they_were_asked(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--early-stop", "0.5")
    *chunks, usage = streamed(sim, CHAT, max_tokens=7, ignore_eos=True, stream_options={"include_usage": True})
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["completion_tokens"] == 4
    (record,) = sim.stop()
    assert (record["osl"], record["end"]) == (4, "stop")


def test_metrics_have_vllms_names_and_the_boards_power(start_sim: StartSim) -> None:
    sim = start_sim("--model", "openai/gpt-oss-120b", "--gpu", "b200", "--tp", "2")
    for _ in range(2):
        streamed(sim, COMPLETIONS, prompt=" ".join(f"w{number}" for number in range(40)))
    text = page(sim, "/metrics").decode()
    values = {name: float(value) for name, value in re.findall(r"^([\w:]+)\{[^}]*\} (\S+)$", text, re.MULTILINE)}
    assert values["vllm:num_requests_running"] == values["vllm:num_requests_waiting"] == 0
    assert values["vllm:prompt_tokens_total"] == values["vllm:prefix_cache_queries_total"] == 80
    assert values["vllm:generation_tokens_total"] == 8
    assert values["vllm:prefix_cache_hits_total"] == 32
    assert values["vllm:time_to_first_token_seconds_count"] == 2
    assert 0 <= values["vllm:kv_cache_usage_perc"] <= 1
    assert 'finished_reason="length"} 2' in text
    assert text.count("DCGM_FI_DEV_POWER_USAGE{") == 2
    assert values["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"] > 0
    source = SimulatedSource(f"http://127.0.0.1:{sim.port}")
    assert [(board.device, board.index, board.idle_w) for board in source.devices()] == [
        ("sim-gpu-0", 0, 165),
        ("sim-gpu-1", 1, 165),
    ]
    samples = source.sample()
    source.close()
    assert all(sample.simulated and (sample.energy_mj or 0) > 0 for sample in samples)


def test_tokenize_counts_as_the_engine_does(fast_sim: RunningSim) -> None:
    answer = json.loads(page(fast_sim, "/tokenize", {"prompt": "one two three"}).split(b"\r\n\r\n", 1)[1])
    assert (answer["count"], answer["max_model_len"], len(answer["tokens"])) == (3, 4096, 3)
    chat = json.loads(page(fast_sim, "/tokenize", {"messages": MESSAGES}).split(b"\r\n\r\n", 1)[1])
    assert chat["count"] == 3
    assert page(fast_sim, "/tokenize", {"prompt": 7}).startswith(b"HTTP/1.1 400")


def test_an_engine_that_starts_says_503(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--startup-s", "600")
    for path in ("/health", "/ready", "/v1/models"):
        assert page(sim, path).startswith(b"HTTP/1.1 503")
    refused = page(sim, COMPLETIONS, {"prompt": "a"})
    assert refused.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: " in refused
    assert page(sim, "/imax/engine").startswith(b"HTTP/1.1 200")


def test_disaggregated_and_replicated_engines_serve(start_sim: StartSim) -> None:
    for flags in (("--prefill-workers", "1", "--decode-workers", "2"), ("--replicas", "2")):
        sim = start_sim("--model", "openai/gpt-oss-120b", "--gpu", "b200", *flags)
        assert len(streamed(sim, COMPLETIONS, max_tokens=9)) == 9
        (record,) = sim.stop()
        assert (record["end"], sum(record["tokens"])) == ("length", 9)
        assert record["planned_ns"] == sorted(record["planned_ns"])


def test_accepted_drafts_come_in_one_event(start_sim: StartSim) -> None:
    sim = start_sim("--fixed-step-ms", "1", "--acceptance", "1,1")
    chunks = streamed(sim, COMPLETIONS, max_tokens=10)
    assert [len(chunk["choices"][0]["text"].split()) for chunk in chunks] == [1, 3, 3, 3]
