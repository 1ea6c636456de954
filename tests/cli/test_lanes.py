"""Agent lanes, from the command line to the journal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted_engine import Script, ScriptedEngine, answering, whole_stream

from cli.command import Command, lines_of
from cli.replays import journal

SIMULATED = ("--engine", "fixed-5ms", "--simulate")


def write_agents(path: Path, sessions: int, turns: int, delay: float = 20) -> Path:
    """Sessions whose prompts grow by a block a turn."""
    rows = [
        {
            "session_id": f"s{name}",
            "request_id": f"s{name}.{turn}",
            "delay": delay,
            "input_length": 64 * (turn + 4),
            "output_length": 3,
            "hash_ids": list(range(turn + 4)),
            "block_size": 64,
            "hash_id_scope": "session",
        }
        for name in range(sessions)
        for turn in range(turns)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_lanes_begin_with_warm_caches_and_go_on_to_the_end(command: Command, workers: int) -> None:
    write_agents(command.folder / "agents.jsonl", 4, 8)
    flags = ("--lanes", 3, "--lane-warmup", 2, "--duration", 1, "--workers", workers, "--out", "run", "--json")
    summary = command.run("replay", "agents.jsonl", *SIMULATED, *flags).check(0).json
    assert (summary["cache_warmup"]["requests"], summary["cache_warmup"]["failed"], summary["ended"]) == (
        6,
        0,
        "duration",
    )
    paths = sorted((command.folder / "run").glob("exchanges-*.jsonl"))
    rows = [row for path in paths for row in lines_of(path)]
    warm = [row for row in rows if row.get("kind") == "warmup"]
    measured = sorted((row for row in rows if "kind" not in row), key=lambda row: int(row["sent_ns"]))
    assert len(warm) == 6
    assert len(measured) == summary["requests"]["sent"] > 20
    assert max(row["ended_ns"] for row in warm) <= min(row["scheduled_ns"] for row in measured)
    firsts = {row["session_id"]: row for row in reversed(measured) if "~" not in row["session_id"]}
    for name in ("s0", "s1", "s2"):  # all of it but its own last block was there already
        assert firsts[name]["usage"]["cached_tokens"] >= firsts[name]["planned_input_tokens"] - 2 * 64
    assert firsts["s3"]["usage"]["cached_tokens"] == 0
    assert any(row["session_id"].endswith("~1") for row in measured)  # the trace began anew


def test_lanes_in_virtual_time_are_those_of_a_live_run(command: Command) -> None:
    """The same warm-up, the same turns with the same waits; time in which nothing happens is cut out of both."""
    write_agents(command.folder / "agents.jsonl", 3, 8, delay=400)
    flags = ("--lanes", 2, "--lane-warmup", 2, "--duration", 1, "--system-idle-cap", 0.1, "--json")
    live = command.run("replay", "agents.jsonl", *SIMULATED, *flags, "--out", "live").check(0).json
    virtual = command.run("replay", "agents.jsonl", *SIMULATED, *flags, "--virtual", "--out", "virtual").check(0).json
    live_rows, rows = ({row["request_id"]: row for row in journal(command, out)} for out in ("live", "virtual"))
    both = live_rows.keys() & rows.keys()
    assert len(both) >= 12  # a busy machine gets less far
    assert all(live_rows[name].get("kind") == rows[name].get("kind") for name in both)
    assert all(live_rows[name]["usage"] == rows[name]["usage"] for name in both)
    assert virtual["cache_warmup"]["requests"] == live["cache_warmup"]["requests"] == 4
    assert virtual["trace"]["system_idle_cut_s"] > 0.5
    assert live["trace"]["system_idle_cut_s"] > 0.2
    begun = sorted(row["scheduled_ns"] for row in rows.values() if "kind" not in row)
    ended = sorted(row["ended_ns"] for row in rows.values())
    gaps_ns = [at - max(each for each in ended if each <= at) for at in begun]
    assert max(gaps_ns) == 100_000_000
    table = " ".join(command.run("report", "virtual").check(0).out.split())
    assert "--system-idle-cap cut" in table


def test_text_is_salted_lap_by_lap(command: Command, start_engine: Callable[[Script], ScriptedEngine]) -> None:
    engine = start_engine(answering(*whole_stream(2)))
    rows = [
        {
            "session_id": "s",
            "request_id": f"r{turn}",
            "messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": "hello"}],
        }
        for turn in range(4)
    ]
    (command.folder / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command.run("replay", "text.jsonl", "--url", engine.url, "--lanes", 1, "--duration", 0.5, "--out", "run").check(0)
    asked = [json.loads(request.body)["messages"] for request in engine.requests if request.line.startswith(b"POST")]
    assert {messages[0]["content"] for messages in asked} == {"Be."}
    marked = [messages[1]["content"] for messages in asked]
    assert all(text.endswith("] hello") for text in marked)
    laps = [marked.index(text) for text in dict.fromkeys(marked)]
    assert len(laps) > 2
    assert laps[1] - laps[0] <= 4


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--lanes", 2), "give a --duration as well"),
        (("--lanes", 2, "--duration", 5, "--rate", 1), "--lanes sets the load itself"),
        (("--lanes", 2, "--duration", 5, "--loop"), "--loop shapes when requests come"),
        (("--lanes", 2, "--duration", 5, "--history", "live"), "--history live goes on with answers"),
        (("--lanes", 2, "--duration", 5, "--start-at", "0.5"), "--start-at 0.5: give LOW:HIGH"),
        (("--lanes", 2, "--duration", 5, "--start-at", "0.8:0.2"), "shares of a session"),
        (("--start-at", "0.1:0.2"), "leave them out without --lanes"),
        (("--lanes", 2, "--duration", 5, "--system-idle-cap", 1, "--workers", 2), "none of --workers 2 sees those of"),
    ],
)
def test_what_does_not_go_together(command: Command, flags: tuple[object, ...], why: str) -> None:
    write_agents(command.folder / "agents.jsonl", 2, 2)
    assert why in command.run("replay", "agents.jsonl", *SIMULATED, *flags).complaint()


def test_a_trace_without_sessions(command: Command, trace: Path) -> None:
    flags = ("--lanes", 2, "--duration", 5)
    assert "no row of this trace names one" in command.run("replay", trace, *SIMULATED, *flags).complaint()
