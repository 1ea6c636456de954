"""What the tests of `imaxproxy replay` share."""

from collections.abc import Callable
from typing import Any

from scripted_engine import (
    LAST_CHUNK,
    Call,
    Script,
    ScriptedEngine,
    answering,
    sse,
)

from cli.command import Command, lines_of

StartEngine = Callable[[Script], ScriptedEngine]
DONE = sse(b"[DONE]") + LAST_CHUNK
SIMULATED = ("--engine", "fixed-5ms", "--simulate")


def journal(command: Command, out: str = "run") -> list[dict[str, Any]]:
    return lines_of(command.folder / out / "exchanges-0.jsonl")


def closing(*pieces: bytes) -> Script:
    answer = answering(*pieces)

    async def script(call: Call) -> None:
        await answer(call)
        if call.request.line.startswith(b"POST"):
            call.close()

    return script
