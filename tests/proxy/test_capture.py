"""What a proxy captures of the requests that it relays."""

import functools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import make_mocked_request
from on_loop import run, until
from scripted_engine import STREAM_HEAD, Script, answering, page, sse, token, usage, whole_stream
from wire.streams import Recorded

from imaxproxy.proxy import Capture, CaptureSettings, Credentials, RunClock
from imaxproxy.proxy.call import Call
from imaxproxy.proxy.capture import LONG_BODY_BYTES, MOST_BODY_BYTES
from proxy.running import Running, post, proxied

ASKED = {"model": "m", "messages": [{"role": "user", "content": "PRIVATE words"}], "stream": True, "max_tokens": 9}


def on_loop(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(scenario)
    def test(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        run(scenario(*args, **kwargs))

    return test


@asynccontextmanager
async def capturing(script: Script, *, full: bool = False) -> AsyncIterator[Any]:
    """A proxy, and the rows that it captured."""
    rows: list[dict[str, Any]] = []
    capture = Capture(
        CaptureSettings(full, b"salt", RunClock(0, 0.0)), lambda row: rows.append(orjson.loads(orjson.dumps(row)))
    )
    async with proxied(script, capture=capture) as running:
        yield running, rows, capture
        await capture.close()


async def ask(running: Running, body: object = ASKED, *headers: bytes) -> None:
    """One request, to the end of its exchange."""
    before = len(running.exchanges)
    client = await running.connect()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    await client.send(post(data, *headers, b"Connection: close"))
    await client.read_all()
    await until(lambda: len(running.exchanges) > before, "the exchange to end")


async def row_of(script: Script, body: object = ASKED, *headers: bytes, full: bool = False) -> dict[str, Any]:
    async with capturing(script, full=full) as (running, rows, _):
        await ask(running, body, *headers)
        await until(lambda: rows, "a row")
        (row,) = rows
        return row


@on_loop
async def test_a_shape_has_lengths_times_and_digests_and_no_text() -> None:
    row = await row_of(answering(*whole_stream(3)), ASKED, b"X-Imax-Tag: team=search", b"X-Request-ID: abc")
    assert (row["request_id"], row["output_length"], row["tags"], row["max_tokens"]) == (
        "abc",
        3,
        {"team": "search"},
        9,
    )
    assert (row["prompt_bytes"], len(row["blocks"])) == (len("<user>PRIVATE words"), 12)
    assert 0 < row["timestamp"] < row["ended"]
    recorded = row["recorded"]
    assert (recorded["status"], recorded["outcome"], recorded["stream"]) == (200, "completed", True)
    assert 0 <= recorded["ttft_ms"] <= recorded["e2e_ms"]
    assert "PRIVATE" not in json.dumps(row)
    assert "words" not in json.dumps(row)


@on_loop
async def test_tokens_that_the_engine_did_not_count_are_those_of_events_and_it_says_so() -> None:
    row = await row_of(answering(STREAM_HEAD, token("a"), token("b", "stop"), sse(b"[DONE]") + b"0\r\n\r\n"))
    assert (row["input_length"], row["output_length"], row["recorded"]["output_length_by"]) == (None, 2, "events")


@pytest.mark.parametrize("body", [b"not json", b"[1]", b'{"messages": 3}', b""])
@on_loop
async def test_a_body_of_unknown_form_has_unknown_lengths(body: bytes) -> None:
    row = await row_of(answering(page(400, b'{"error": "what?"}')), body)
    assert (row["input_length"], row["recorded"]["prompt_unread"]) == (None, "unknown form")
    assert "blocks" not in row


@on_loop
async def test_a_body_that_is_too_long_to_look_at_has_no_blocks_but_the_engines_count() -> None:
    long = ASKED | {"messages": [{"role": "user", "content": "x" * MOST_BODY_BYTES}]}
    row = await row_of(answering(*whole_stream(1)), long)
    assert row["recorded"]["prompt_unread"] == "over 4 MiB"
    assert "blocks" not in row


@on_loop
async def test_several_answers_to_one_prompt_are_played_as_several() -> None:
    whole = {"choices": [{"index": n, "finish_reason": "stop", "message": {}} for n in range(2)]}
    answer = json.dumps(whole | {"usage": {"prompt_tokens": 5, "completion_tokens": 7}}).encode()
    row = await row_of(answering(page(200, answer)), {**ASKED, "stream": False, "n": 2})
    assert (row["input_length"], row["output_length"], row["extra"]) == (5, 4, {"n": 2})


@pytest.mark.parametrize(("header", "member"), [(b"X-Session-ID: s", None), (b"X-A: b", "s")])
@on_loop
async def test_a_session_goes_by_what_the_client_says(header: bytes, member: str | None) -> None:
    async with capturing(answering(*whole_stream(1))) as (running, rows, _):
        for content in ("one", "another"):
            said = {"session_id": member} if member else {}
            await ask(running, {**said, "messages": [{"role": "user", "content": content}]}, header)
        await until(lambda: len(rows) == 2, "both rows")
    assert rows[0]["session"] == rows[1]["session"] != "s"
    assert rows[0]["turn"] is None


@on_loop
async def test_full_has_the_body_and_the_answer() -> None:
    row = await row_of(answering(*whole_stream(2)), ASKED, full=True)
    assert (row["body"], row["url"]) == (ASKED, "/v1/chat/completions")
    assert row["recorded"]["response"] == {"text": " t0 end"}
    whole = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}
    row = await row_of(answering(page(200, json.dumps(whole).encode())), {"messages": ASKED["messages"]}, full=True)
    assert row["body"] == {"messages": ASKED["messages"], "stream": False}
    assert row["recorded"]["response"] == {"message": {"role": "assistant", "content": "hi"}}


@pytest.mark.parametrize(
    ("path", "body", "recorded", "asked", "answered"),
    [
        (
            "/v1/responses",
            {"input": "hi there", "instructions": "be kind", "stream": True, "max_output_tokens": 7},
            "vllm-responses-stream",
            "<system>be kind<user>hi there",
            "delta",
        ),
        (
            "/v1/messages",
            {"system": "be kind", "messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 7},
            "vllm-messages-stream",
            "<system>be kind<user>hi",
            "text",
        ),
    ],
)
@on_loop
async def test_other_apis_are_captured_too(
    path: str, body: dict[str, Any], recorded: str, asked: str, answered: str
) -> None:
    stream = Recorded.load(recorded).body
    async with capturing(answering(STREAM_HEAD, b"%x\r\n%b\r\n0\r\n\r\n" % (len(stream), stream)), full=True) as found:
        running, rows, _ = found
        client = await running.connect()
        await client.send(post(json.dumps(body).encode(), b"Connection: close", path=path.encode()))
        await client.read_all()
        await until(lambda: rows, "a row")
    (row,) = rows
    assert (row["prompt_bytes"], row["max_tokens"], row["url"]) == (len(asked), 7, path)
    assert row["input_length"] == running.exchanges[0].usage.input_tokens > 0
    assert row["output_length"] == running.exchanges[0].usage.output_tokens > 0
    said = row["recorded"]["response"]
    text = said.get("reasoning", "") + said["text"]
    pieces = [json.loads(line[6:]) for line in stream.decode().splitlines() if line.startswith("data: {")]
    assert text == "".join(_piece(piece, answered) for piece in pieces)
    assert text


def _piece(event: dict[str, Any], key: str) -> str:
    delta = event.get("delta")
    if isinstance(delta, str):
        return delta
    return "".join(delta.get(name, "") for name in (key, "thinking")) if isinstance(delta, dict) else ""


@pytest.mark.parametrize("full", [False, True])
@on_loop
async def test_no_key_is_captured_wherever_it_is_repeated(full: bool) -> None:
    """By the client in its body and tags, by the engine in its answer."""
    body = ASKED | {
        "messages": [{"role": "user", "content": "my key is sk-CLIENT-CANARY"}],
        "model": "sk-CLIENT-CANARY",
        "tools": [{"type": "mcp", "authorization": "TOOL-CANARY", "headers": {"Authorization": "TOOL-CANARY"}}],
    }
    events = [token("sk-CLIENT-CANARY"), token("UPSTREAM-CANARY", "stop"), usage(2), sse(b"[DONE]") + b"0\r\n\r\n"]
    async with capturing(answering(STREAM_HEAD, *events), full=full) as (running, rows, _):
        urls = [upstream.url for upstream in running.fleet.upstreams]
        running.proxy._admission._credentials = Credentials([lambda: "UPSTREAM-CANARY"], urls)
        await ask(
            running,
            body,
            b"Authorization: Bearer sk-CLIENT-CANARY",
            b"Cookie: id=COOKIE-CANARY",
            b"X-Imax-Tag: k=sk-CLIENT-CANARY",
        )
        await until(lambda: rows, "a row")
        assert b"UPSTREAM-CANARY" in running.engine.requests[0].head
    assert "CANARY" not in json.dumps(rows)
    if full:
        assert rows[0]["body"]["messages"] == [{"role": "user", "content": "my key is ***"}]


@on_loop
async def test_a_capture_that_fails_takes_nothing_else_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(row: object) -> None:
        raise RuntimeError("a bug of ours")

    capture = Capture(CaptureSettings(False, b"salt", RunClock(0, 0.0)), broken)
    async with proxied(answering(*whole_stream(1)), capture=capture) as running:
        await ask(running)
        await ask(running)
        await capture.close()
    assert (len(running.exchanges), capture.lost) == (2, 2)
    assert capsys.readouterr().err.count("Traceback") == 1


@on_loop
async def test_bodies_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaxproxy.proxy.capture.MOST_WAITING_BYTES", 150)
    monkeypatch.setattr("imaxproxy.proxy.capture.SHORT_BODY_BYTES", 0)
    async with capturing(answering(*whole_stream(1))) as (running, rows, capture):
        body = json.dumps(ASKED).encode()
        await ask(running, body)
        await capture.close()
        assert "prompt_unread" not in rows[0]["recorded"]
        call = Call(make_mocked_request("POST", "/"), None, None, running.exchanges[0].ask, None, body)
        for _ in range(3):
            capture.add(call, running.exchanges[0])
        await capture.close()
    unread = [row["recorded"].get("prompt_unread") for row in rows[1:]]
    assert unread == ["too busy" if len(body) * (3 - n) > 150 else None for n in range(3)]
    assert "too busy" in unread


@on_loop
async def test_a_long_body_is_read_in_slices_to_the_same_row() -> None:
    messages = [{"role": "user", "content": f"{n} " * 400} for n in range(400)]
    long = ASKED | {"messages": messages}
    assert len(json.dumps(long)) > LONG_BODY_BYTES
    row = await row_of(answering(*whole_stream(1)), long)
    assert row["prompt_bytes"] == sum(len(f"<user>{message['content']}") for message in messages)
    assert row["max_tokens"] == 9
    broken = json.dumps(long).encode()[:-1]
    row = await row_of(answering(page(400, b'{"error": "what?"}')), broken)
    assert row["recorded"]["prompt_unread"] == "unknown form"


@on_loop
async def test_an_answer_that_was_not_kept_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaxproxy.proxy.capture.MOST_KEPT_BYTES", 64)
    row = await row_of(answering(*whole_stream(3)), full=True)
    assert "response" not in row["recorded"]
    assert row["recorded"]["response_unkept"] == "all answers under way held 0 MiB"


@on_loop
async def test_what_is_only_passed_through_is_not_captured() -> None:
    async with capturing(answering(page(200, b"{}"))) as (running, rows, capture):
        client = await running.connect()
        await client.send(post(b"{}", b"Connection: close", path=b"/v1/embeddings"))
        await client.read_all()
        await running.exchange()
        await capture.close()
    assert rows == []
