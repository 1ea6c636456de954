"""One load, live over sockets and in virtual time: the same requests end in the same way."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from cli.command import Command, lines_of, write_trace

FIXED = ("--engine", "fixed-5ms", "--simulate")


def both(command: Command, trace: Path, *flags: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The journals of a live run and of a virtual one, by request."""
    journals = []
    for out, more in (("live", ()), ("virtual", ("--virtual",))):
        assert command.run("replay", trace, *flags, *more, "--out", out).code in (0, 1)  # 1: many have left
        rows = lines_of(command.folder / out / "exchanges-0.jsonl")
        journals.append(sorted(rows, key=lambda row: row["request_id"]))
    return journals[0], journals[1]


def ends(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("request_id", "path", "outcome", "ending", "error", "planned_input_tokens", "planned_output_tokens")
    return [(*(row.get(name) for name in names), row["usage"].get("output_tokens")) for row in rows]


def conversations(path: Path, sessions: int) -> Path:
    """Chats of three turns; a short answer, one that is longer than anybody waits, and one more."""
    rows = [
        {
            "request_id": f"{session}-{turn}",
            "session_id": f"s{session}",
            "turn": turn,
            "messages": [{"role": "user", "content": "one two three four"}],
            "messages_mode": "delta",
            "output_length": (10, 400, 10)[turn],
            "output_mode": "exact",
            "delay_ms": 10.0,
        }
        for session in range(sessions)
        for turn in range(3)
    ]
    header = {"schema": "imaxproxy.trace/1"}
    path.write_text("".join(json.dumps(row) + "\n" for row in (header, *rows)))
    return path


@pytest.mark.parametrize(
    "flags",
    [
        ("--cancel", "0.5@tokens=5", "--max-idle-gap", "0.005"),
        ("--cancel", "0.5@s=0.05", "--concurrency", "3", "--ramp", "0.3"),
    ],
)
def test_users_leave_and_places_open_alike(command: Command, flags: tuple[str, ...]) -> None:
    trace = write_trace(command.folder / "long.jsonl", 12, output_length=60)
    live, virtual = both(command, trace, *FIXED, *flags)
    assert ends(live) == ends(virtual)
    assert {row["outcome"] for row in virtual} == {"completed", "aborted"}


def test_live_conversations_and_timeouts_come_out_alike(command: Command) -> None:
    trace = conversations(command.folder / "chat.jsonl", 3)
    flags = (*FIXED, "--history", "live", "--timeout", "0.8", "--concurrency", "3")
    live, virtual = both(command, trace, *flags)
    assert [row["ending"] for row in live] == [row["ending"] for row in virtual]
    assert {row.get("error") for row in virtual} == {None, "timeout"}
    asked = [[row.get("usage", {}).get("input_tokens") for row in rows] for rows in (live, virtual)]
    assert asked[0][0::3] == asked[1][0::3] == [4, 4, 4]
    assert asked[0][2::3] == pytest.approx(asked[1][2::3], rel=0.05)  # with what had come within 0.8 s
    assert min(asked[1][2::3]) > 4 + 10 + 4 + 100 + 4
    facts = [json.loads((command.folder / out / "manifest.json").read_text())["trace"] for out in ("live", "virtual")]
    for name in ("live_turns", "answers_missing"):
        assert facts[0][name] == facts[1][name]


@pytest.mark.slow  # half a minute in real time, on cores that have time for it
@pytest.mark.parametrize(
    ("recipe", "lengths", "load"),
    [
        ("gpt-oss-120b-b200-vllm", (2000, 300), ("--rate", "10")),
        ("gpt-oss-120b-b200-vllm", (1000, 200), ("--concurrency", "32")),
        ("llama-3.3-70b-fp8-h200-vllm", (1000, 100), ("--rate", "6")),
        ("gpt-oss-120b-b200-dynamo-vllm", (500, 400), ("--rate", "6")),
    ],
)
def test_the_figures_are_within_three_percent(
    command: Command, recipe: str, lengths: tuple[int, int], load: tuple[str, ...]
) -> None:
    given, answered = lengths
    blocks = -(-given // 512)
    rows = [
        {
            "timestamp": 0,
            "input_length": given,
            "output_length": answered,
            "hash_ids": [blocks * n + i for i in range(blocks)],
        }
        for n in range(120)
    ]
    trace = command.folder / "trace.jsonl"
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("replay", trace, "--engine", recipe, "--simulate", *load, "--json")
    live = command.start(*flags, "--out", "live").wait().check(0).json
    virtual = command.run(*flags, "--virtual", "--out", "virtual").check(0).json
    truth = lines_of(command.folder / "live" / "engine-truth.jsonl")
    late_ms = fmean(
        (one["write_ns"][0] - one["planned_ns"][0]) / 1e6 for one in truth
    )  # this machine's, not the model's
    for name, measured, simulated in (
        ("TTFT ms", live["ttft_ms"]["mean"] - late_ms, virtual["ttft_ms"]["mean"]),
        ("TPOT ms", live["tpot_ms"]["mean"], virtual["tpot_ms"]["mean"]),
        ("output tokens/s", *(run["throughput"]["output_tokens_per_s"] for run in (live, virtual))),
    ):
        print(f"{recipe} {' '.join(load)} {name}: live {measured:.2f}, virtual {simulated:.2f}; late {late_ms:.2f} ms")
        assert simulated == pytest.approx(measured, rel=0.03)
