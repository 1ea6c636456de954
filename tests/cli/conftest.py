from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, in_background

from cli.command import Command, write_trace


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """`imaxproxy`, run in tmp_path; the test fails when a process outlives it."""
    made = Command(tmp_path)
    yield made
    made.close()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Ten small requests, 10 ms apart."""
    return write_trace(tmp_path / "trace.jsonl", 10)


@pytest.fixture
def start_engine() -> Iterator[Callable[[Script], ScriptedEngine]]:
    """Scripted engines that run until the test ends."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(in_background(ScriptedEngine(script)))
