"""LiteLLM and LangChain, which people put between their programs and an engine; each in a process of its own."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable

import pytest
from scripted_engine import Script

from clients.conftest import Serving, playing, text_of

Serve = Callable[[Script], Serving]
RECORDING = "vllm-chat-stream-usage"
pytestmark = pytest.mark.clients

LITELLM = """
import os, sys
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"  # else it looks for prices on the network
import litellm
messages = [{"role": "user", "content": "Say hello to the load tester."}]
where = {"api_base": sys.argv[1], "api_key": "none"}
for event in litellm.completion(model="openai/tiny", messages=messages, stream=True, **where):
    print(event.choices[0].delta.content or "", end="")
"""
LANGCHAIN = """
import sys
from langchain_openai import ChatOpenAI
for piece in ChatOpenAI(model="tiny", base_url=sys.argv[1], api_key="none").stream("Say hello to the load tester."):
    print(piece.content, end="")
"""


@pytest.mark.parametrize(("package", "program"), [("litellm", LITELLM), ("langchain_openai", LANGCHAIN)])
def test_a_chat_is_streamed(serve: Serve, package: str, program: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: scripts/test-clients installs it")
    serving = serve(playing(completions_stream=RECORDING))
    command = [sys.executable, "-c", program, serving.base_url]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == text_of(RECORDING)
    (exchange,) = serving.exchanges(1)
    assert (exchange["outcome"], exchange["usage"]["output_tokens"]) == ("completed", 8)
