"""An endpoint that we do not know is asked, over a real socket, which fields it takes."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli.command import Command
from scripted_engine import Call, Script, ScriptedEngine, answering, page, whole_stream

from imaxproxy.conduct.engine.dialect import dialect_of, dialect_of_recipe, say_what_it_cannot
from imaxproxy.traces import Endpoint
from imaxproxy.wire import ENGINE_DIALECTS, UNKNOWN, BaseUrl


class Picky(HTTPServer):
    """Answers 200 to a body that holds none of the `refused` fields, else `status`."""

    def __init__(self, refused: set[str], status: int = 400) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refused, self.status = refused, status
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Picky

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status if self.server.refused & body.keys() else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def served(server: Picky) -> Iterator[BaseUrl]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield BaseUrl.parse(f"http://127.0.0.1:{server.server_port}/v1", "--url")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(server: Picky, models: list[Any] | None = None, endpoint: Endpoint = "chat") -> Any:  # noqa: ANN401
    with served(server) as url:
        return dialect_of(url, "m", models or [{"id": "m", "owned_by": "someone"}], endpoint, "sk-1")


def test_an_engine_that_its_models_page_names_is_not_asked() -> None:
    server = Picky(set())
    assert asked(server, [{"id": "m", "owned_by": "sglang"}]) is ENGINE_DIALECTS["sglang"]
    assert server.asked == []


def test_one_that_takes_all_is_asked_once() -> None:
    server = Picky(set())
    found = asked(server)
    assert found.extras == {"ignore_eos", "min_tokens"}
    ((path, key, body),) = server.asked
    assert (path, key) == ("/v1/chat/completions", "Bearer sk-1")
    assert body["max_tokens"] == 1


def test_one_that_refuses_them_gets_the_safe_set() -> None:
    server = Picky({"ignore_eos", "min_tokens"}, status=422)
    assert asked(server, endpoint="completions") is UNKNOWN
    assert [path for path, _key, _body in server.asked] == ["/v1/completions"] * 2
    assert server.asked[1][2] == {"prompt": "hi", "model": "m", "stream": True, "max_tokens": 1}


def test_one_that_has_a_newer_name_for_the_length() -> None:
    found = asked(Picky({"ignore_eos", "min_tokens", "max_tokens"}))
    assert (found.length_field, found.extras) == ("max_completion_tokens", frozenset())


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_an_answer_about_something_else_ends_the_asking(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    server = Picky({"model"}, status)
    assert asked(server) is UNKNOWN
    assert len(server.asked) == 1
    assert "did not tell which fields it takes" in capsys.readouterr().err


def test_one_that_refuses_everything_gets_the_safe_set() -> None:
    server = Picky({"model"})
    assert asked(server) is UNKNOWN
    assert len(server.asked) == 3


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with served(Picky(set())) as url:
        pass
    assert dialect_of(url, "m", [], "chat", None) is UNKNOWN
    assert "it gets only those that OpenAI documents" in capsys.readouterr().err


def test_what_an_engine_cannot_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    say_what_it_cannot(dialect_of_recipe("vllm"))
    assert capsys.readouterr().err == ""
    say_what_it_cannot(dialect_of_recipe("transformers"))
    assert "transformers: this engine takes no ignore_eos" in capsys.readouterr().err


def test_a_replay_asks_a_strict_engine_once_and_then_sends_what_it_takes(
    command: Command, start_engine: Callable[[Script], ScriptedEngine], trace: Path
) -> None:
    models = page(200, b'{"data": [{"id": "m", "owned_by": "someone"}]}')
    answer = answering(*whole_stream(4), models=models)

    async def strict(call: Call) -> None:
        refused = b"ignore_eos" in call.request.body
        await (call.send(page(422, b'{"detail": "Unexpected fields"}')) if refused else answer(call))

    engine = start_engine(strict)
    done = command.run("replay", trace, "--url", engine.url, "--calibrate", "never", "--out", "run", "--json").check(0)
    assert done.json["requests"]["completed"] == 10
    assert "this engine takes no ignore_eos" in done.err
    posts = [request for request in engine.requests if request.line.startswith(b"POST")]
    assert [b"ignore_eos" in request.body for request in posts] == [True, *[False] * 11]
    manifest = json.loads((command.folder / "run" / "manifest.json").read_bytes())
    assert manifest["settings"]["dialect"] == "unknown"
