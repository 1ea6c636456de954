"""The openai SDK: what it gets through the proxy is what the engine said, and what it does unasked is seen."""

import asyncio
import json
from collections.abc import Callable

import pytest
from openai import AsyncOpenAI, OpenAI
from scripted_engine import LAST_CHUNK, STREAM_HEAD, Call, Script, page, sse, whole_stream

from clients.conftest import Serving, playing, text_of

Serve = Callable[[Script], Serving]
MESSAGES = [{"role": "user", "content": "Say hello to the load tester."}]
pytestmark = pytest.mark.clients


def test_chat_streamed_and_whole(serve: Serve) -> None:
    serving = serve(playing(completions="vllm-chat", completions_stream="vllm-chat-stream-usage"))
    with OpenAI(base_url=serving.base_url, api_key="sk-CANARY", timeout=20) as client:
        usage = {"include_usage": True}
        stream = client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True, stream_options=usage)
        events = list(stream)
        said = "".join(e.choices[0].delta.content or "" for e in events if e.choices)
        assert said == text_of("vllm-chat-stream-usage")
        assert events[-1].usage is not None
        assert events[-1].usage.completion_tokens == 8
        whole = client.chat.completions.create(model="tiny", messages=MESSAGES)
        assert whole.usage is not None
        assert [model.id for model in client.models.list()] == ["m"]
    streamed, answered = serving.exchanges(2)
    assert (streamed["outcome"], streamed["usage"]["output_tokens"], streamed["streamed"]) == ("completed", 8, True)
    assert (answered["outcome"], answered["streamed"]) == ("completed", False)
    assert answered["usage"]["output_tokens"] == whole.usage.completion_tokens
    serving.stop()
    assert not [path for path in serving.run.iterdir() if b"CANARY" in path.read_bytes()]


def test_a_hundred_async_streams_at_once(serve: Serve) -> None:
    serving = serve(playing(completions_stream="vllm-chat-stream-usage"))

    async def ask(client: AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)
        return "".join([event.choices[0].delta.content or "" async for event in stream if event.choices])

    async def scenario() -> list[str]:
        async with AsyncOpenAI(base_url=serving.base_url, api_key="none", timeout=20) as client:
            return await asyncio.gather(*(ask(client) for _ in range(100)))

    assert set(asyncio.run(scenario())) == {text_of("vllm-chat-stream-usage")}
    assert {row["outcome"] for row in serving.exchanges(100)} == {"completed"}


def test_completions(serve: Serve) -> None:
    serving = serve(playing(completions_stream="vllm-completions-stream-usage"))
    with OpenAI(base_url=serving.base_url, api_key="none", timeout=20) as client:
        events = list(client.completions.create(model="tiny", prompt="hello", stream=True))
    assert "".join(e.choices[0].text for e in events if e.choices) == text_of("vllm-completions-stream-usage")
    (exchange,) = serving.exchanges(1)
    assert (exchange["dialect"], exchange["outcome"]) == ("completions", "completed")


def test_responses(serve: Serve) -> None:
    serving = serve(playing(responses="vllm-responses", responses_stream="vllm-responses-stream"))
    with OpenAI(base_url=serving.base_url, api_key="none", timeout=20) as client:
        events = list(client.responses.create(model="tiny", input="Say hello", stream=True))
        whole = client.responses.create(model="tiny", input="Say hello")
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == text_of("vllm-responses-stream")
    assert whole.usage is not None
    streamed, answered = serving.exchanges(2)
    assert {streamed["dialect"], answered["dialect"]} == {"responses"}
    assert streamed["usage"]["output_tokens"] == 8
    assert answered["usage"]["output_tokens"] == whole.usage.output_tokens


def test_tool_calls(serve: Serve) -> None:
    """As vLLM sends them: name and arguments in deltas of their own."""

    def call(**function: str) -> bytes:
        calls = [{"index": 0, "function": function} | ({"id": "c", "type": "function"} if "name" in function else {})]
        return sse({"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": None}]})

    end = sse({"model": "m", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "tool_calls"}]})
    pieces = [call(name="weather", arguments=""), call(arguments='{"city":'), call(arguments='"Ulm"}'), end]

    async def script(each: Call) -> None:
        if each.request.line.startswith(b"GET"):
            await each.send(page(404, b"{}"))
        else:
            await each.send(STREAM_HEAD, *pieces, sse(b"[DONE]") + LAST_CHUNK)

    serving = serve(script)
    with OpenAI(base_url=serving.base_url, api_key="none", timeout=20) as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        calls = [part.function for e in stream for part in e.choices[0].delta.tool_calls or ()]
    assert json.loads("".join(part.arguments or "" for part in calls if part)) == {"city": "Ulm"}
    (exchange,) = serving.exchanges(1)
    assert (exchange["finish_reason"], [mark[0] for mark in exchange["marks"]]) == ("tool_calls", ["t"])


def test_the_sdks_silent_retries_are_seen(serve: Serve) -> None:
    """An engine that answers 500 twice: the user sees one good answer, the proxy three requests."""
    answers = [page(500, b'{"error":{"message":"no"}}')] * 2

    async def script(call: Call) -> None:
        if call.request.line.startswith(b"GET"):
            await call.send(page(404, b"{}"))
        elif answers:
            await call.send(answers.pop())
        else:
            await call.send(*whole_stream(3))

    serving = serve(script)
    with OpenAI(base_url=serving.base_url, api_key="none", timeout=20) as client:
        assert list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    rows = serving.exchanges(3)
    assert [row["outcome"] for row in rows] == ["failed", "failed", "completed"]
    assert [row.get("client_retry", 0) for row in rows] == [0, 1, 2]
