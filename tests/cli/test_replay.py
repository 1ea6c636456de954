import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted_engine import (
    LAST_CHUNK,
    STREAM_HEAD,
    Call,
    Script,
    ScriptedEngine,
    answering,
    page,
    sse,
    token,
    whole_stream,
)

from cli.command import Command, Done, lines_of, until, write_trace

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


def offsets_ms(command: Command, *flags: object) -> list[float]:
    """The schedule that a run was played by, in whole ms."""
    out = f"run-{len(command.started)}"
    command.run("replay", "trace.jsonl", *SIMULATED, "--out", out, *flags).check(0)
    times = sorted(row["scheduled_ns"] for row in journal(command, out))
    return [round((time - times[0]) / 1e6) for time in times]


def test_a_trace_against_a_simulated_engine(command: Command, trace: Path) -> None:
    done = command.run("replay", trace, *SIMULATED, "--out", "run", "--json").check(0)
    summary = done.json
    assert (summary["simulated"], summary["ended"], summary["run"]) == (True, "finished", "run")
    assert (summary["requests"]["completed"], summary["tokens"]["input"], summary["tokens"]["output"]) == (10, 200, 40)
    assert len(journal(command)) == 10
    manifest = json.loads((command.folder / "run" / "manifest.json").read_bytes())
    assert (manifest["ended"], manifest["trace"]["format"], manifest["settings"]["model"]) == (
        "finished",
        "mooncake",
        "fixed-5ms",
    )
    files = {"manifest.json", "summary.json", "histograms.hlog", "engine.log", "engine-truth.jsonl"}
    assert files <= {path.name for path in (command.folder / "run").iterdir()}


def test_the_table_is_for_people(command: Command, trace: Path) -> None:
    done = command.run("replay", trace, *SIMULATED, "--out", "run").check(0)
    assert "10 sent, 10 completed, 0 failed" in done.out
    assert "SIMULATED" in done.out


def test_the_traces_times_a_rate_and_a_seed(command: Command, trace: Path) -> None:
    assert offsets_ms(command, "--speed", 2) == [number * 5 for number in range(10)]
    assert offsets_ms(command, "--rate", 100, "--arrivals", "constant") == [number * 10 for number in range(10)]
    first, same, other = (offsets_ms(command, "--rate", 100, "--seed", seed) for seed in (1, 1, 2))
    assert first == same != other


def test_a_closed_loop_keeps_its_number(command: Command, start_engine: StartEngine, tmp_path: Path) -> None:
    """An answer ends only once four are under way, or all that are left."""
    under_way = most = ended = 0
    models = answering()

    async def script(call: Call) -> None:
        nonlocal under_way, most, ended
        if call.request.line.startswith(b"GET"):
            await models(call)
            return
        under_way += 1
        most = max(most, under_way)
        await call.send(STREAM_HEAD, token("a"))
        while most < 4 or under_way < min(4, 30 - ended):
            await asyncio.sleep(0.001)
        under_way, ended = under_way - 1, ended + 1
        await call.send(*whole_stream(3)[1:])

    engine = start_engine(script)
    trace = write_trace(tmp_path / "trace.jsonl", 30)
    flags = ("--concurrency", 4, "--calibrate", "never", "--out", "run", "--json")
    done = command.run("replay", trace, "--url", engine.url, *flags).check(0)
    assert (most, done.json["requests"]["completed"]) == (4, 30)
    assert done.json["ttft_from_schedule_ms"]["count"] == 0  # nobody intends a time


def test_limit_and_duration(command: Command, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 1000)
    assert (
        command.run("replay", trace, *SIMULATED, "--limit", 3, "--out", "a", "--json").check(0).json["requests"]["sent"]
        == 3
    )
    summary = command.run("replay", trace, *SIMULATED, "--duration", "0.3", "--out", "b", "--json").check(0).json
    assert summary["ended"] == "duration"
    assert 1 <= summary["requests"]["sent"] <= 31


def test_sessions_run_in_order(command: Command, tmp_path: Path) -> None:
    rows = [
        {"request_id": "a1", "session_id": "a", "timestamp": 0, "input_length": 5, "output_length": 4},
        {"request_id": "a2", "session_id": "a", "timestamp": 1, "input_length": 9, "output_length": 4, "delay": 30},
        {"request_id": "b1", "timestamp": 2, "input_length": 5, "output_length": 4, "wait_for": ["a2"]},
        {"request_id": "lost", "timestamp": 3, "input_length": 5, "output_length": 4, "wait_for": ["nobody"]},
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = command.run("replay", "trace.jsonl", *SIMULATED, "--out", "run", "--json").check(1)
    assert done.json["requests"]["by_error"] == {"never_ready": 1}
    found = {row["request_id"]: row for row in journal(command)}
    assert found["a2"]["started_ns"] >= found["a1"]["ended_ns"] + 30_000_000
    assert found["b1"]["started_ns"] >= found["a2"]["ended_ns"]
    assert "sent_ns" not in found["lost"]


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
    (worker,) = [pid for pid in command.family() if b"player_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(worker, signal.SIGKILL)
    done = running.wait().check(1)
    assert "the player process ended too soon (worker 0 with code -9)" in done.err
    assert json.loads((command.folder / "run" / "summary.json").read_bytes())["requests"]["completed"] >= 5


def test_workers_share_the_schedule_exactly(command: Command, tmp_path: Path) -> None:
    """None missing, none twice, each at the time that one worker alone would have sent it at; one summary of all."""
    trace = write_trace(tmp_path / "trace.jsonl", 60)
    schedules = []
    for workers in (1, 3):
        out = f"run-{workers}"
        flags = ("--rate", 200, "--seed", 7, "--workers", workers, "--out", out, "--json")
        summary = command.run("replay", trace, *SIMULATED, *flags).check(0).json
        assert (summary["requests"]["sent"], summary["requests"]["completed"]) == (60, 60)
        parts = [lines_of(path) for path in sorted((tmp_path / out).glob("exchanges-*.jsonl"))]
        assert [len(part) for part in parts] == [60 // workers] * workers
        rows = sorted((row for part in parts for row in part), key=lambda row: int(row["request_id"]))
        first_ns = min(row["scheduled_ns"] for row in rows)
        schedules.append([row["scheduled_ns"] - first_ns for row in rows])
    assert schedules[0] == schedules[1]


def test_a_worker_that_dies_ends_the_run_and_all_journals_are_kept(command: Command, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 5000)
    running = command.start("replay", trace, *SIMULATED, "--workers", 2, "--out", "run")
    until(lambda: all(len(lines_of(tmp_path / "run" / f"exchanges-{n}.jsonl")) >= 3 for n in (0, 1)), "some to end")
    players = [pid for pid in command.family() if b"player_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(max(players), signal.SIGKILL)
    done = running.wait().check(1)
    assert "worker 1 with code -9" in done.err
    summary = json.loads((command.folder / "run" / "summary.json").read_bytes())
    assert summary["requests"]["sent"] == sum(len(lines_of(path)) for path in (tmp_path / "run").glob("exch*"))


def test_users_who_leave_are_no_failures(command: Command, tmp_path: Path) -> None:
    rows = [
        {"request_id": "own", "timestamp": 0, "input_length": 5, "output_length": 40, "cancel_after_tokens": 2},
        {"request_id": "time", "timestamp": 0, "input_length": 5, "output_length": 400, "cancel_after_ms": 100},
        {"request_id": "stays", "timestamp": 0, "input_length": 5, "output_length": 4},
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = command.run("replay", "trace.jsonl", *SIMULATED, "--out", "run", "--json").check(0)
    assert done.json["requests"]["by_error"] == {"cancelled": 2}
    assert done.json["requests"]["by_ending"] == {"client_left": 2, "complete": 1}
    assert (done.json["requests"]["aborted"], done.json["requests"]["completed"]) == (2, 1)
    found = {row["request_id"]: row for row in journal(command)}
    assert 2 <= len(found["own"]["gaps_ns"]) + 1 < 40
    assert found["time"]["ended_ns"] >= found["time"]["sent_ns"] + 99_000_000
    for row in rows:
        row.pop("cancel_after_tokens", None)
        row.pop("cancel_after_ms", None)
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = command.run("replay", "trace.jsonl", *SIMULATED, "--cancel", "1@tokens=1", "--out", "all", "--json")
    assert summary.check(1).json["requests"]["by_error"] == {"cancelled": 3}


def test_no_retry_unless_asked_and_then_each_is_counted(
    command: Command, start_engine: StartEngine, trace: Path
) -> None:
    asked: list[bytes] = []
    refuse, answer = answering(page(503, b"{}")), answering(*whole_stream(2))

    async def script(call: Call) -> None:
        request_id = call.request.header(b"x-request-id")
        busy = request_id is not None and asked.count(request_id) == 0
        asked.append(request_id or b"")
        await (refuse if busy else answer)(call)

    engine = start_engine(script)
    once = command.run("replay", trace, "--url", engine.url, "--out", "once", "--json").check(1).json
    assert once["requests"]["by_error"] == {"http_503": 10}
    asked.clear()
    again = command.run("replay", trace, "--url", engine.url, "--retries", 2, "--out", "run", "--json").check(1).json
    counted = {name: again["requests"][name] for name in ("sent", "completed", "failed", "retried")}
    assert counted == {"sent": 20, "completed": 10, "failed": 10, "retried": 10}


@pytest.mark.parametrize("how", ["flag", "equals", "environment"])
def test_the_key_is_sent_and_written_nowhere(
    command: Command, start_engine: StartEngine, trace: Path, how: str
) -> None:
    key = "sk-CANARY-1234567890"
    flags = {"flag": ["--api-key", key], "equals": [f"--api-key={key}"], "environment": []}[how]
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


def test_a_proxy_of_the_environment_is_not_asked(command: Command, start_engine: StartEngine, trace: Path) -> None:
    command.environment |= {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    engine = start_engine(answering(*whole_stream(2)))
    done: Done = command.run("replay", trace, "--url", engine.url, "--out", "run", "--json").check(0)
    assert done.json["requests"]["completed"] == 10


def test_an_slo_is_judged_and_sets_the_exit_code(command: Command, trace: Path) -> None:
    """The engine's first token comes after some 20 ms, the others each 5 ms later."""
    met = command.run("replay", trace, *SIMULATED, "--slo", "ttft_ms<5000,tpot_ms<1000@p99", "--out", "a").check(0)
    assert "ttft_ms<5000@p99: 100.0% within" in met.out
    missed = command.run("replay", trace, *SIMULATED, "--slo", "ttft_ms<0.001", "--out", "b", "--json").check(1).json
    assert (missed["slo"]["met"], missed["slo"]["attainment"], missed["slo"]["good"]) == (False, 0.0, 0)
    assert (missed["requests"]["completed"], missed["slo"]["goodput_per_s"]) == (10, 0.0)
    complaint = command.run("replay", trace, *SIMULATED, "--slo", "ttft<5", "--out", "c").complaint()
    assert "ttft is none of ttfb_ms" in complaint
    assert not (command.folder / "c").exists()


def test_windows_by_flags_and_slices(command: Command, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 60)
    flags = ("--warmup", "0.1", "--cooldown", "0.2", "--slice", "0.2", "--out", "run", "--json")
    summary = command.run("replay", trace, *SIMULATED, *flags).check(0).json
    steady = summary["windows"]["steady"]
    assert steady["start_s"] == pytest.approx(0.1)
    assert steady["end_s"] < summary["duration_s"] - 0.2
    assert summary["window_method"]["warmup"] == "--warmup 0.1"
    assert sum(part["requests"]["sent"] for part in summary["timeslices"]) == 60
    assert command.run("report", "run", "--json").check(0).json["windows"] == summary["windows"]


def test_repeats_are_runs_of_one_schedule_with_an_interval(command: Command, trace: Path) -> None:
    flags = ("--rate", 200, "--repeat", 3, "--warmup", 0, "--cooldown", 0, "--out", "run")
    done = command.run("replay", trace, *SIMULATED, *flags, "--json").check(0)
    assert (done.json["runs"], done.json["simulated"]) == (["repeat-1", "repeat-2", "repeat-3"], True)
    summaries = [
        json.loads((command.folder / "run" / name / "summary.json").read_bytes()) for name in done.json["runs"]
    ]
    figure = done.json["figures"]["ttft_ms.p50"]
    parts = [summary["windows"]["steady"] for summary in summaries] if done.json["window"] == "steady" else summaries
    assert figure["values"] == [part["ttft_ms"]["p50"] for part in parts]
    assert figure["low"] <= figure["mean"] <= figure["high"]
    offsets = []
    for name in done.json["runs"]:
        times = sorted(row["scheduled_ns"] for row in journal(command, f"run/{name}"))
        offsets.append([time - times[0] for time in times])
    assert offsets[0] == offsets[1] == offsets[2]
    assert "3 runs, " in command.run("replay", trace, *SIMULATED, *flags[:-1], "again").check(0).out
