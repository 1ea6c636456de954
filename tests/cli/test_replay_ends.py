"""`imaxproxy replay` when something ends before its time: an engine, a worker, the command itself."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_engine import (
    LAST_CHUNK,
    STREAM_HEAD,
    Script,
    answering,
    page,
    sse,
    token,
)

from cli.command import Command, lines_of, until, write_trace
from cli.replays import DONE, SIMULATED, StartEngine, closing, journal


def test_a_broken_line_is_named_before_anything_is_sent(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"timestamp": 0, "input_length": 5, "output_length": 4}\n{"timestamp": "x"}\n')
    complaint = command.run("replay", "t.jsonl", *SIMULATED, "--out", "run").complaint()
    assert "t.jsonl:2" in complaint
    assert "timestamp" in complaint or "input_length" in complaint
    assert not (tmp_path / "run").exists()
    done = command.run("replay", "t.jsonl", *SIMULATED, "--out", "run", "--skip-bad", "--json").check(0)
    assert (done.json["requests"]["completed"], done.json["trace"]["skipped"]) == (1, 1)


@pytest.mark.parametrize("model", [[], ["--model", "m"]])
def test_a_dead_engine_is_counted_and_the_run_ends(command: Command, tmp_path: Path, model: list[str]) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 200)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        done = command.run("replay", trace, "--url", url, "--speed", 10, "--out", "run", "--json", *model).check(1)
    assert done.json["ended"] == "no_engine"
    assert done.json["requests"]["by_error"] == {"connect_refused": done.json["requests"]["failed"]}
    assert done.json["requests"]["completed"] == 0
    assert bool(model) or f"no engine answers at {url.removesuffix('/v1')}" in done.err


@pytest.mark.parametrize(
    ("script", "outcome", "error"),
    [
        (answering(page(500, b'{"error":{"message":"down"}}')), "failed", "http_500"),
        (closing(STREAM_HEAD, token("a")), "truncated", "cut"),
        (answering(STREAM_HEAD, token("a"), LAST_CHUNK), "truncated", "no_end"),
        (answering(STREAM_HEAD, sse(b'{"cho'), DONE), "failed", "malformed_event"),
        (answering(STREAM_HEAD, sse({"error": {"message": "oom"}}), DONE), "failed", "error_event"),
        (closing(b"SSH-2.0-OpenSSH\r\n\r\n"), "failed", "bad_head"),
    ],
)
def test_what_goes_wrong_is_counted_under_its_name(
    command: Command, start_engine: StartEngine, trace: Path, script: Script, outcome: str, error: str
) -> None:
    engine = start_engine(script)
    done = command.run("replay", trace, "--url", engine.url, "--out", "run", "--json").check(1)
    requests = done.json["requests"]
    assert (requests["sent"], requests["completed"], requests[outcome]) == (10, 0, 10)
    assert requests["by_error"] == {error: 10}


@pytest.mark.parametrize("whom", ["parent", "group", "twice"])
def test_ctrl_c_keeps_what_was_done(command: Command, tmp_path: Path, whom: str) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 5000)
    if whom == "twice":  # the second may hit an import, whose file the collector then closes
        command.environment["PYTHONWARNINGS"] = "error,ignore::ResourceWarning"
    running = command.start("replay", trace, *SIMULATED, "--out", "run", "--json")
    until(lambda: len(journal(command)) >= 5, "some requests to end")
    running.send(signal.SIGINT, group=whom == "group")
    if whom == "twice":
        running.says("stopping")
        running.send(signal.SIGINT)
    done = running.wait()
    assert done.code == 130
    assert "Traceback" not in done.err
    assert "what was done so far will be reported" in done.err
    until(lambda: not command.family(), "worker and engine to end")
    if whom != "twice":  # then it may have been given up before
        assert done.json["ended"] == "interrupted"
        assert done.json["requests"]["sent"] == len(journal(command)) >= 5
        assert json.loads((command.folder / "run" / "summary.json").read_bytes())["ended"] == "interrupted"


def test_ctrl_c_before_the_first_request(command: Command, start_engine: StartEngine, trace: Path) -> None:
    engine = start_engine(answering(models=b""))  # says nothing when it is asked for its models
    command.environment["PYTHONWARNINGS"] = "error,ignore::ResourceWarning"  # urllib's socket, closed by the collector
    running = command.start("replay", trace, "--url", engine.url, "--out", "run")
    until(lambda: engine.requests, "the engine to be asked")
    running.send(signal.SIGINT, group=True)
    done = running.wait()
    assert (done.code, done.err.splitlines()[-1]) == (130, "imaxproxy: interrupted")
    until(lambda: not command.family(), "the worker to end")


@pytest.mark.parametrize("fed", ["all rows handed over", "rows still to come"])
def test_a_killed_replay_leaves_nobody_behind(
    command: Command, start_engine: StartEngine, tmp_path: Path, fed: str
) -> None:
    """The worker would go on to load an engine that somebody pays for."""
    rows = 20 if fed == "all rows handed over" else 20_000
    trace = write_trace(tmp_path / "trace.jsonl", rows)
    engine = start_engine(answering(STREAM_HEAD, token("a")))  # no answer ends
    running = command.start("replay", trace, "--url", engine.url, "--calibrate", "never", "--out", "run")
    until(lambda: len(engine.requests) > 10, "requests to be under way")
    running.send(signal.SIGKILL)
    running.wait()
    until(lambda: not command.family(), "the worker to end")
    assert running.err == ""
    summary = command.run("report", "run", "--json").check(0).json
    assert (summary["ended"], summary["requests"]["by_error"].keys()) == ("killed", {"stopped"})


def test_a_killed_worker_is_told_and_what_it_wrote_is_kept(command: Command, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 5000)
    running = command.start("replay", trace, *SIMULATED, "--out", "run")
    until(lambda: len(journal(command)) >= 5, "some requests to end")
    is_worker = b"conduct.replay.worker"
    (worker,) = [pid for pid in command.family() if is_worker in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(worker, signal.SIGKILL)
    done = running.wait().check(1)
    assert "the player process ended too soon (worker 0 with code -9)" in done.err
    assert json.loads((command.folder / "run" / "summary.json").read_bytes())["requests"]["completed"] >= 5


def test_a_worker_that_dies_ends_the_run_and_all_journals_are_kept(command: Command, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 5000)
    running = command.start("replay", trace, *SIMULATED, "--workers", 2, "--out", "run")
    until(lambda: all(len(lines_of(tmp_path / "run" / f"exchanges-{n}.jsonl")) >= 3 for n in (0, 1)), "some to end")
    players = [pid for pid in command.family() if b"conduct.replay.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(max(players), signal.SIGKILL)
    done = running.wait().check(1)
    assert "worker 1 with code -9" in done.err
    summary = json.loads((command.folder / "run" / "summary.json").read_bytes())
    assert summary["requests"]["sent"] == sum(len(lines_of(path)) for path in (tmp_path / "run").glob("exch*"))


def test_a_worker_without_a_file_left_says_what_to_do(trace: Path, start_engine: StartEngine, tmp_path: Path) -> None:
    url = start_engine(closing(STREAM_HEAD, DONE)).url
    replay = [sys.executable, "-m", "imaxproxy.cli.main", "replay", trace, "--url", url, "--out", "run"]
    few = ["bash", "-c", 'ulimit -n 24; exec "$@"', "bash", *map(str, replay)]
    done = subprocess.run(few, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "worker 0 has no file left of 24: give more by `ulimit -n`" in done.stderr
    assert "Traceback" not in done.stderr
