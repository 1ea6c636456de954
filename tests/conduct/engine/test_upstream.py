import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from scripted_engine import Call, Script, ScriptedEngine, answering, page

from imaxproxy.conduct.engine import upstream
from imaxproxy.conduct.engine.upstream import EngineChoice, SimulatedRecipe, ask_engine
from imaxproxy.errors import UsageError
from imaxproxy.wire import BaseUrl

StartEngine = Callable[[Script], ScriptedEngine]


def base(engine: ScriptedEngine) -> BaseUrl:
    return BaseUrl.parse(engine.url, "--url")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (page(200, b'{"a": 1}'), {"a": 1}),
        (page(404, b'{"a": 1}'), None),
        (page(500, b""), None),
        (page(200, b"[1]"), None),
        (page(200, b"<html>"), None),
        (page(200, b"\xff\xfe"), None),
    ],
)
def test_a_page_is_an_object_or_nothing(start_engine: StartEngine, answer: bytes, found: object) -> None:
    assert ask_engine(base(start_engine(answering(answer))), "/imax/other") == found


@pytest.mark.parametrize(("limit", "value"), [("_PROBE_BYTES", 1000), ("_PROBE_TIMEOUT_S", 0.2)])
def test_an_answer_without_an_end_is_none(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    async def goes_on(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                await call.send(b"data: {}\n\n")

    monkeypatch.setattr(upstream, limit, value)
    assert ask_engine(base(start_engine(goes_on)), "/imax/other") is None


def test_the_key_goes_along(start_engine: StartEngine) -> None:
    engine = start_engine(answering(page(200, b"{}")))
    ask_engine(base(engine), "/v1/x", "sk-1")
    assert engine.requests[0].header(b"authorization") == b"Bearer sk-1"


def test_nobody_there_is_an_os_error() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            ask_engine(BaseUrl("127.0.0.1", nobody.getsockname()[1]), "/x")


def test_something_else_than_http_is_one_too(start_engine: StartEngine) -> None:
    with pytest.raises(OSError, match="no HTTP: BadStatusLine"):
        ask_engine(base(start_engine(answering(b"SSH-2.0\r\n\r\n"))), "/x")


def test_what_the_user_says_of_an_engine() -> None:
    choice = EngineChoice("http://e", "--url", None, False, "b200", 8)
    choice.check()
    assert choice.stated() == {"simulated": False, "gpu": "b200", "gpus": 8, "said_by": "--gpu, --gpus"}
    assert EngineChoice("http://e", "--url", None, False, None, None).stated() is None


def test_an_unknown_recipe_is_found_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="no-such"):
        EngineChoice(None, "--url", "no-such", True, None, None).check()


def test_a_ctrl_c_while_the_event_loop_is_made_leaves_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    new_loop = asyncio.events.new_event_loop

    def interrupted() -> asyncio.AbstractEventLoop:
        signal.raise_signal(signal.SIGINT)
        made.append(new_loop())
        return made[0]

    monkeypatch.setattr(asyncio.events, "new_event_loop", interrupted)
    with pytest.raises(KeyboardInterrupt), SimulatedRecipe("fixed-5ms", tmp_path):
        pytest.fail("it came up")
    assert made[0].is_closed()
