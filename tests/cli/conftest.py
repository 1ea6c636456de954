from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, in_background

from cli.command import write_trace


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Ten small requests, 10 ms apart."""
    return write_trace(tmp_path / "trace.jsonl", 10)


@pytest.fixture
def start_engine() -> Iterator[Callable[[Script], ScriptedEngine]]:
    """Scripted engines that run until the test ends."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(in_background(ScriptedEngine(script)))
