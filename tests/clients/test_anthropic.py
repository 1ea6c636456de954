"""The anthropic SDK on /v1/messages, as vLLM, SGLang and llama.cpp serve it."""

from collections.abc import Callable

import pytest
from scripted_engine import Script

from clients.conftest import Serving, playing, text_of

Serve = Callable[[Script], Serving]
MESSAGES = [{"role": "user", "content": "Say hello to the load tester."}]
pytestmark = pytest.mark.clients


@pytest.mark.parametrize("recording", ["vllm-messages-stream", "sglang-messages-stream", "llamaserver-messages-stream"])
def test_a_message_is_streamed(serve: Serve, recording: str) -> None:
    anthropic = pytest.importorskip("anthropic", reason="the clients extra is not installed: scripts/test-clients")
    serving = serve(playing(messages_stream=recording))
    with (
        anthropic.Anthropic(base_url=serving.url, api_key="sk-CANARY", timeout=20, max_retries=0) as client,
        client.messages.stream(model="tiny", max_tokens=8, messages=MESSAGES) as stream,
    ):
        said = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert said == text_of(recording)
    (exchange,) = serving.exchanges(1)
    assert (exchange["dialect"], exchange["outcome"]) == ("messages", "completed")
    assert exchange["usage"]["output_tokens"] == final.usage.output_tokens
    serving.stop()
    assert not [path for path in serving.run.iterdir() if b"CANARY" in path.read_bytes()]
