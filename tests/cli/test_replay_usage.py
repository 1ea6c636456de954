"""`imaxproxy replay` and what its user gives it: keys, flags, files, servers."""

import json
from pathlib import Path

import pytest
from scripted_engine import (
    Call,
    answering,
    page,
    whole_stream,
)

from cli.command import Command
from cli.replays import SIMULATED, StartEngine, journal
from imaxproxy.conduct.replay.session import without_key


@pytest.mark.parametrize("argv", [["replay", "t", "--api-key", "sk-1"], ["replay", "t", "--api-key=sk-1"]])
def test_the_command_line_is_written_down_without_its_key(argv: list[str]) -> None:
    hidden = without_key(argv)
    assert "sk-1" not in " ".join(hidden)
    assert hidden[:2] == ["replay", "t"]


@pytest.mark.parametrize("how", ["equals", "environment"])
def test_the_key_is_sent_and_written_nowhere(
    command: Command, start_engine: StartEngine, trace: Path, how: str
) -> None:
    key = "sk-CANARY-1234567890"
    flags = [f"--api-key={key}"] if how == "equals" else []
    if how == "environment":
        command.environment["OPENAI_API_KEY"] = key
    engine = start_engine(answering(*whole_stream(2)))
    done = command.run("replay", trace, "--url", engine.url, "--out", "run", *flags).check(0)
    assert {request.header(b"authorization") for request in engine.requests if b"/v1/" in request.line} == {
        f"Bearer {key}".encode()
    }
    assert [path for path in (command.folder / "run").iterdir() if key.encode() in path.read_bytes()] == []
    assert key not in done.out + done.err


def test_a_key_that_the_engine_repeats_is_written_nowhere(
    command: Command, start_engine: StartEngine, trace: Path
) -> None:
    key = "sk-CANARY-1234567890"
    engine = start_engine(answering(page(401, json.dumps({"error": {"message": f"bad key {key}"}}).encode())))
    command.run("replay", trace, "--url", engine.url, "--out", "run", "--api-key", key).check(1)
    assert [path for path in (command.folder / "run").iterdir() if key.encode() in path.read_bytes()] == []
    assert {row["detail"] for row in journal(command)} == {"bad key ***"}


def test_a_key_that_no_header_can_hold(command: Command, trace: Path) -> None:
    command.environment["OPENAI_API_KEY"] = "sk-CANARY\n"
    complaint = command.run("replay", trace, "--url", "http://127.0.0.1:9", "--out", "run").complaint()
    assert "OPENAI_API_KEY" in complaint
    assert "CANARY" not in complaint


URL = ("--url", "http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ([], "give either --url URL"),
        ([*URL, *SIMULATED], "give either --url URL"),
        (["--engine", "no-such", "--simulate"], "no-such"),
        (["--url", "ftp://e"], "--url must be like"),
        (["--url", "http://exa mple/v1"], "--url"),
        (["--url", "http://ex..ample/v1"], "--url"),
        ([*URL, "--rate", "1", "--concurrency", "1"], "--rate is an open loop and --concurrency a closed one"),
        ([*URL, "--rate", "1", "--speed", "2"], "--speed plays the trace's own timestamps"),
        ([*URL, "--concurrency", "2", "--arrivals", "constant"], "--arrivals says how the requests of a --rate come"),
        ([*URL, "--rate", "0"], "--rate must be above 0"),
        ([*URL, "--rate", "nan"], "--rate must be above 0"),
        ([*URL, "--speed", "-1"], "--speed must be above 0"),
        ([*URL, "--speed", "inf"], "--speed must be above 0"),
        ([*URL, "--spread-ties", "-1"], "--spread-ties must be 0 ms or more"),
        ([*URL, "--concurrency", "0"], "--concurrency"),
        ([*URL, "--limit", "0"], "--limit"),
        ([*URL, "--duration", "0"], "--duration"),
        ([*URL, "--duration", "inf"], "--duration"),
        ([*URL, "--timeout", "nan"], "--timeout"),
        ([*URL, "--format", "csv"], "--format"),
        ([*URL, "--rate"], "--rate"),
        ([*URL, "--wat"], "No such option"),
        ([*URL, "more.jsonl"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line(command: Command, trace: Path, flags: list[str], complaint: str) -> None:
    assert complaint in command.run("replay", trace, *flags, "--out", "run").complaint()
    assert not (command.folder / "run").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "trace.jsonl"),
        (b"", "is empty"),
        (b"\x00\xff\xfe", "trace.jsonl holds binary data"),
        (b"[1, 2]\n", "trace.jsonl, element 1 of the array: expected a JSON object"),
        (b'{"input_length": 5, "output_length": 4}\n', "no timestamp; pass --rate or --concurrency"),
    ],
)
def test_a_trace_that_is_none_is_one_line(command: Command, content: bytes | None, complaint: str) -> None:
    if content is not None:
        (command.folder / "trace.jsonl").write_bytes(content)
    assert complaint in command.run("replay", "trace.jsonl", *URL, "--out", "run").complaint()


@pytest.mark.parametrize("what", ["a file", "a run", "below a file"])
def test_a_directory_that_cannot_take_a_run(command: Command, trace: Path, what: str) -> None:
    out = {"a file": "taken", "a run": "taken", "below a file": "taken/run"}[what]
    if what == "a run":
        (command.folder / "taken").mkdir()
        (command.folder / "taken" / "exchanges-0.jsonl").write_text("")
    else:
        (command.folder / "taken").write_text("")
    complaint = command.run("replay", trace, *URL, "--out", out).complaint()
    assert complaint.startswith(f"--out {out} ")


def test_a_server_that_speaks_something_else(command: Command, start_engine: StartEngine, trace: Path) -> None:
    async def script(call: Call) -> None:
        await call.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        call.close()

    engine = start_engine(script)
    done = command.run("replay", trace, "--url", engine.url, "--out", "run", "--json").check(1)
    assert done.json["requests"]["completed"] == 0
    assert "no engine answers" in done.err


def test_an_engine_without_models_wants_the_flag(command: Command, start_engine: StartEngine, trace: Path) -> None:
    engine = start_engine(answering(*whole_stream(2), models=page(200, b'{"data":[]}')))
    assert "names no model: pass --model" in command.run("replay", trace, "--url", engine.url, "--out", "a").complaint()
    command.run("replay", trace, "--url", engine.url, "--out", "b", "--model", "m").check(0)
