"""Real clients against a real proxy process, behind which an engine's recorded answers are played."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli.command import Command, Started, lines_of, until
from scripted_engine import MODELS, Call, Script, ScriptedEngine, in_background, page
from wire.streams import Recorded


@dataclass
class Serving:
    """A proxy that runs, and the engine behind it."""

    engine: ScriptedEngine
    started: Started
    run: Path
    url: str

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes."""
        return f"{self.url}/v1"

    def exchanges(self, count: int) -> list[dict[str, Any]]:
        """The journal's lines of measured paths, once there are so many."""
        path = self.run / "exchanges-0.jsonl"
        until(lambda: len(_measured(path)) >= count, f"{count} exchanges in the journal")
        return _measured(path)

    def stop(self) -> None:
        self.started.send(signal.SIGTERM)
        self.started.wait().check(0)


def _measured(path: Path) -> list[dict[str, Any]]:
    return [row for row in lines_of(path) if "dialect" in row]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Script], Serving]]:
    """Start a proxy before a script."""
    command = Command(tmp_path)
    with ExitStack() as stack:

        def start(script: Script) -> Serving:
            engine = stack.enter_context(in_background(ScriptedEngine(script)))
            started = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "run")
            return Serving(engine, started, tmp_path / "run", started.url())

        yield start
        command.close()


def playing(**recordings: str) -> Script:
    """Answers a path's last word, with `_stream` behind it where a stream is asked for, with a recording."""

    async def script(call: Call) -> None:
        path = call.request.line.split()[1].partition(b"?")[0].decode()
        if call.request.line.startswith(b"GET"):
            await call.send(MODELS if path == "/v1/models" else page(404, b"{}"))
            return
        streamed = "_stream" if json.loads(call.request.body).get("stream") else ""
        recorded = Recorded.load(recordings[path.rpartition("/")[2] + streamed])
        framing = "event" if streamed else "length"
        await call.send(recorded.head(framing), *recorded.chunks(framing))

    return script


def text_of(recording: str) -> str:
    """The answer's text as the recording has it."""
    return "".join(_texts(Recorded.load(recording).body))


def _texts(body: bytes) -> Iterator[str]:
    for line in body.splitlines():
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            for choice in event.get("choices", ()):
                yield choice.get("text") or choice.get("delta", {}).get("content") or ""
            delta = event.get("delta")
            if isinstance(delta, str) and event["type"] == "response.output_text.delta":
                yield delta
            elif isinstance(delta, dict) and "text" in delta:
                yield delta["text"]
