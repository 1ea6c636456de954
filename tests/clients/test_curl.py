"""curl sees the engine's own bytes."""

import json
import shutil
import subprocess
from collections.abc import Callable

import pytest
from scripted_engine import Script
from wire.streams import Recorded

from clients.conftest import Serving, playing

Serve = Callable[[Script], Serving]
RECORDING = "vllm-chat-stream-usage"
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]


def curl(serving: Serving, *flags: str) -> bytes:
    body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "stream": True})
    command = ["curl", "--silent", "--show-error", "--max-time", "20", *flags, "--json", body]
    done = subprocess.run([*command, f"{serving.base_url}/chat/completions"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("flags", [["--no-buffer"], ["--http1.0"], ["--compressed"], ["-H", "Expect: 100-continue"]])
def test_the_bytes_are_the_engines(serve: Serve, flags: list[str]) -> None:
    serving = serve(playing(completions_stream=RECORDING))
    assert curl(serving, *flags) == Recorded.load(RECORDING).body
    (exchange,) = serving.exchanges(1)
    assert exchange["outcome"] == "completed"
