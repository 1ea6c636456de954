"""`imaxproxy replay`: whole runs."""

import asyncio
import json
from pathlib import Path

import pytest
from scripted_engine import (
    STREAM_HEAD,
    Call,
    answering,
    page,
    token,
    whole_stream,
)

from cli.command import Command, Done, lines_of, write_trace
from cli.replays import SIMULATED, StartEngine, journal


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
    virtual = ("--virtual", "--rate", 100)  # the same schedule
    assert offsets_ms(command, *virtual, "--arrivals", "constant") == [number * 10 for number in range(10)]
    first, same, other = (offsets_ms(command, *virtual, "--seed", seed) for seed in (1, 1, 2))
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
    assert "3 runs, " in command.run("replay", trace, *SIMULATED, "--virtual", *flags[:-1], "again").check(0).out
