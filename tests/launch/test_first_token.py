import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imaxproxy.launch.first_token import Door, RefusedError, first_token_s, names_model, page, warm_up
from imaxproxy.launch.port import free_port

FAKE = Path(__file__).with_name("fake_engine.py")


@pytest.fixture
def engine() -> Iterator[Callable[..., Door]]:
    """Starts the small engine; where it listens."""
    with ExitStack() as stack:

        def start(*flags: str) -> Door:
            port = free_port("127.0.0.1")
            argv = [sys.executable, str(FAKE), "--port", str(port), "--say-ready", *flags]
            process = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
            return Door("127.0.0.1", port, "tiny")

        yield start


def test_a_token_comes_and_the_stream_is_read_to_its_end(engine: Callable[..., Door]) -> None:
    assert first_token_s(engine(), 10.0) > 0


def test_a_model_without_a_chat_template_is_asked_for_a_completion(engine: Callable[..., Door]) -> None:
    assert first_token_s(engine("--no-template"), 10.0) > 0


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--refuse", "/v1/chat/completions answered 500: Internal Server Error"),
        ("--error-in-stream", "an error in the stream: .*EngineCore"),
        ("--no-tokens", "answered 200 and ended without a token"),
    ],
)
def test_an_answer_without_a_token_is_none(engine: Callable[..., Door], flag: str, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        first_token_s(engine(flag), 10.0)


def test_warming_up_asks_as_often_as_told_and_hears_of_failure(engine: Callable[..., Door]) -> None:
    warm_up(engine(), (1, 2, 3), 10.0)
    with pytest.raises(RefusedError):
        warm_up(engine("--refuse"), (2,), 10.0)


def test_a_page_is_its_body_or_nothing(engine: Callable[..., Door]) -> None:
    door = engine()
    body = page(door, "/v1/models", 10.0)
    assert body is not None
    assert names_model(body)
    assert page(door, "/none", 10.0) is None
    assert page(Door("127.0.0.1", free_port("127.0.0.1"), "tiny"), "/v1/models", 10.0) is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": []}', b"<html>", b'{"object": "list"}'])
def test_a_page_may_name_no_model(body: bytes) -> None:
    assert not names_model(body)
