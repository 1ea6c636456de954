"""What `serve` captured is a trace that `replay` plays as it is."""

import asyncio
import json
import signal
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from cli.command import Command, Started, lines_of, until, write_trace
from cli.test_serve_workers import CHAT, ask_many
from on_loop import run
from openai import OpenAI
from scripted_engine import STREAM_HEAD, Script, ScriptedEngine, answering, sse, token, usage, whole_stream

from imaxproxy.conduct.serve.serving import Files
from imaxproxy.metrics import Ask, Exchange, Outcome
from imaxproxy.proxy import CaptureSettings, RunClock
from imaxproxy.proxy.call import Call
from imaxproxy.runs import RunDirectory

StartEngine = Callable[[Script], ScriptedEngine]
CANARY = "sk-CANARY-0123456789"


def stop(serving: Started) -> None:
    serving.send(signal.SIGTERM)
    serving.wait().check(0)


def inspected(command: Command, trace: str) -> Any:  # noqa: ANN401
    return command.run("trace", "inspect", trace, "--json").check(0).json


def shared_prefixes(path: Path) -> Path:
    """30 requests, 20 ms apart: a system prompt of 512 tokens for all, ten users who come three times each."""
    rows = [
        {
            "timestamp": 20 * n,
            "input_length": 600 + 40 * (n % 10),
            "output_length": 3 + n % 4,
            "hash_ids": [0, n % 10 + 1],
        }
        for n in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_captured_load_is_the_load_and_plays_again(command: Command, tmp_path: Path, workers: int) -> None:
    shared_prefixes(tmp_path / "asked.jsonl")
    serving = command.start(
        "serve", "--engine", "fixed-5ms", "--simulate", "--port", 0, "--out", "run", "--workers", workers
    )
    plain = ("--url", f"{serving.url()}/v1", "--calibrate", "never")  # else two requests of its own are captured
    command.run("replay", "asked.jsonl", *plain, "--out", "first").check(0)
    stop(serving)
    assert "30 requests in run/trace.jsonl" in serving.err
    asked, captured = inspected(command, "asked.jsonl"), inspected(command, "run/trace.jsonl")
    assert (captured["format"], captured["requests"], captured["duplicate_request_ids"]) == ("canonical", 30, 0)
    for lengths in ("input_length", "output_length"):
        assert captured[lengths] == asked[lengths]
    assert captured["span_s"] == pytest.approx(asked["span_s"], abs=0.3)
    reuse = [each["prefix_reuse"]["token_weighted"] for each in (asked, captured)]
    assert reuse[1] == pytest.approx(reuse[0], abs=0.08)  # blocks of 64 tokens, where the asked ones had 512
    again = command.run("replay", "run/trace.jsonl", "--engine", "fixed-5ms", "--simulate", "--out", "second", "--json")
    summary = again.check(0).json
    assert (summary["requests"]["completed"], summary["trace"]["skipped"]) == (30, 0)
    assert summary["tokens"]["output"] == sum(3 + n % 4 for n in range(30))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    sha256 = summary["trace"]["sha256"]
    assert manifest["capture"] == {"trace": "trace.jsonl", "rows": 30, "left_out": {}, "sha256": sha256}
    compared = command.run("compare", "run", "second", "--json").json  # whatever the verdict of so short a run
    assert compared["paired"]["matched"] == 30
    assert not [warning for warning in compared["warnings"] if "different" in warning]
    page = command.run("report", "run", "second", "-o", "page.html").check(0)
    assert "comparing 2 runs of one trace" in page.err
    assert manifest["settings"]["capture"] == "shape"


def test_a_conversation_plays_again_as_one_session(command: Command, tmp_path: Path) -> None:
    serving = command.start("serve", "--engine", "fixed-5ms", "--simulate", "--port", 0, "--workers", 2, "--out", "run")
    messages: list[Any] = [{"role": "system", "content": "be kind " * 50}]
    for turn in range(3):
        messages.append({"role": "user", "content": f"question {turn} " * 20})
        with OpenAI(base_url=f"{serving.url()}/v1", api_key="none", timeout=20) as client:  # a connection each time
            answer = client.chat.completions.create(model="fixed-5ms", messages=messages, max_tokens=5)
        messages.append({"role": "assistant", "content": answer.choices[0].message.content or ""})
    stop(serving)
    rows = lines_of(tmp_path / "run" / "trace.jsonl")[1:]
    assert [(row["session_id"], row["turn"], "delay" in row) for row in rows] == [
        ("s1", 0, False), ("s1", 1, True), ("s1", 2, True),
    ]  # fmt: skip
    again = command.run("replay", "run/trace.jsonl", "--engine", "fixed-5ms", "--simulate", "--out", "again", "--json")
    assert again.check(0).json["requests"]["completed"] == 3
    asked = sorted(lines_of(tmp_path / "again" / "exchanges-0.jsonl"), key=lambda row: row["sent_ns"])
    assert all(after["sent_ns"] >= before["ended_ns"] for before, after in pairwise(asked))


def test_bodies_of_a_full_capture_are_sent_again_as_they_were(
    command: Command, start_engine: StartEngine, tmp_path: Path
) -> None:
    engine = start_engine(answering(*whole_stream(2)))
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--out", "run", "--capture", "full")
    body = {"model": "m", "messages": [{"role": "user", "content": "Grüße 🎈"}], "stream": True, "temperature": 0.5}
    request = urllib.request.Request(f"{serving.url()}/v1/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.read()
    stop(serving)
    command.run("replay", "run/trace.jsonl", "--url", f"{engine.url}/v1", "--model", "m", "--out", "again").check(0)
    assert json.loads(engine.requests[-1].body) == body | {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("flags", "files"),
    [
        (["--out", "run"], ["capture-0.jsonl", "trace.jsonl"]),
        (["--out", "run", "--capture", "off"], []),
        ([], []),
        (["--capture", "shape"], ["capture-0.jsonl", "trace.jsonl"]),
    ],
)
def test_when_something_is_captured(command: Command, tmp_path: Path, flags: list[str], files: list[str]) -> None:
    serving = command.start("serve", "--upstream", "http://127.0.0.1:9", "--port", 0, *flags)
    serving.url()
    stop(serving)
    (manifest,) = tmp_path.glob("**/manifest.json")
    found = sorted(path.name for path in manifest.parent.glob("*.jsonl") if not path.name.startswith(("ex", "meter")))
    assert found == files


@pytest.mark.parametrize("capture", ["shape", "full"])
def test_no_key_stands_in_anything_that_a_run_leaves(
    command: Command, start_engine: StartEngine, tmp_path: Path, capture: str
) -> None:
    """The client's and the engine's, which the engine repeats in its answer, and the client in its prompt."""
    command.environment["ENGINE_KEY"] = f"{CANARY}-engine"
    (tmp_path / "keys").write_text(f"alice:{CANARY}-client\n")
    events = [token(f"{CANARY}-client"), token(f"{CANARY}-engine", "stop"), usage(2), sse(b"[DONE]") + b"0\r\n\r\n"]
    engine = start_engine(answering(STREAM_HEAD, *events))
    serving = command.start(
        "serve", "--upstream", engine.url, "--port", 0, "--out", "run", "--capture", capture, "--workers", 2,
        "--keys", "keys", "--upstream-key-env", "ENGINE_KEY",
    )  # fmt: skip
    with OpenAI(base_url=f"{serving.url()}/v1", api_key=f"{CANARY}-client", timeout=20) as client:
        asked: Any = [{"role": "user", "content": f"is {CANARY}-client my key?"}]
        headers = {"X-Imax-Tag": f"key={CANARY}-client, team=a", "X-Session-ID": f"{CANARY}-client"}
        headers |= {"X-Request-ID": f"{CANARY}-client"}
        assert list(client.chat.completions.create(model="m", messages=asked, stream=True, extra_headers=headers))
    stop(serving)
    assert f"{CANARY}-engine".encode() in engine.requests[-1].head
    rows = lines_of(tmp_path / "run" / "trace.jsonl")
    assert len(rows) == 2
    assert rows[1]["tags"] == {"other": "invalid", "team": "a"}
    assert [path.name for path in (tmp_path / "run").iterdir() if CANARY.encode() in path.read_bytes()] == []


def test_what_a_killed_run_captured_is_made_a_trace_by_report(
    command: Command, start_engine: StartEngine, tmp_path: Path
) -> None:
    engine = start_engine(answering(*whole_stream(3)))
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--workers", 2, "--out", "run")
    asyncio.run(ask_many(serving.url(), 20))
    until(lambda: sum(len(lines_of(path)) for path in (tmp_path / "run").glob("capture-*.jsonl")) == 20, "20 rows")
    serving.send(signal.SIGKILL)
    serving.wait()
    assert not (tmp_path / "run" / "trace.jsonl").exists()
    assert "20 requests in run/trace.jsonl" in command.run("report", "run").check(0).err
    assert inspected(command, "run/trace.jsonl")["requests"] == 20
    assert json.loads((tmp_path / "run" / "manifest.json").read_bytes())["capture"]["rows"] == 20
    assert "requests in" not in command.run("report", "run").check(0).err  # it is there


def test_rows_that_a_full_disk_does_not_take_are_counted_beside_the_journals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full takes nothing."""
    monkeypatch.setattr(RunDirectory, "capture", lambda self, worker: Path("/dev/full"))
    settings = CaptureSettings(full=False, salt=b"salt", clock=RunClock(0, 0.0))
    plan = SimpleNamespace(run=RunDirectory(tmp_path), capture=settings, capture_limit_bytes=None, doors=[None])
    files = Files(plan)  # type: ignore[arg-type]
    ended = Exchange(Ask("r", CHAT, 1, dialect="chat"), Outcome.COMPLETED, 2)

    async def one_exchange() -> None:
        files.journal.add(ended)
        assert files.capture is not None
        files.capture.add(Call(make_mocked_request("POST", CHAT), None, None, ended.ask, None, b"{}"), ended)  # type: ignore[arg-type]
        await files.finish()

    run(one_exchange())
    files.close()
    assert (files.lost, len(lines_of(tmp_path / "exchanges-0.jsonl"))) == (1, 1)


def test_a_capture_stops_at_its_limit_and_says_so(command: Command, start_engine: StartEngine, tmp_path: Path) -> None:
    engine = start_engine(answering(*whole_stream(2)))
    flags = ("--out", "run", "--max-capture", 0.0001)  # 107 kB
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, *flags)
    asyncio.run(ask_many(serving.url(), 300))
    stop(serving)
    assert serving.err.count("has reached its 0.0001 GiB (--max-capture)") == 1
    rows, exchanges = (lines_of(tmp_path / "run" / f"{name}-0.jsonl") for name in ("capture", "exchanges"))
    assert 10 < len(rows) < len(exchanges) == 300
    assert (tmp_path / "run" / "capture-0.jsonl").stat().st_size < 180_000
    assert command.run("serve", "--upstream", engine.url, "--max-capture", "-1").complaint().startswith("--max-capture")


def test_traces_of_replays_are_no_captures(command: Command) -> None:
    write_trace(command.folder / "t.jsonl", 2)
    command.run("replay", "t.jsonl", "--engine", "fixed-5ms", "--simulate", "--out", "run").check(0)
    command.run("report", "run").check(0)
    assert not (command.folder / "run" / "trace.jsonl").exists()
