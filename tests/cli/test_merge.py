"""`replay --share` on what could be several machines, and `imaxproxy merge` of what they leave."""

import json
import time
from pathlib import Path

import pytest
from scripted_engine import answering, whole_stream

from cli.command import Command, lines_of, write_trace
from cli.replays import StartEngine

FLAGS = ("--rate", 100, "--seed", 7, "--salt", "a", "--calibrate", "never")


def start_time() -> str:
    return f"{time.time() + 3.5:.3f}"


def played(command: Command, url: str, of: int, *flags: object) -> list[str]:
    """Run all shares side by side; their run directories."""
    at = start_time()
    outs = [f"share-{index}" for index in range(of)]
    shares = [
        command.start(
            "replay", "trace.jsonl", "--url", url, *FLAGS, "--share", f"{index}/{of}", "--start-time", at, "--out", out,
            *flags,
        )
        for index, out in enumerate(outs)
    ]  # fmt: skip
    for share in shares:
        share.wait().check(0)
    return outs


def schedule(folder: Path) -> dict[str, int]:
    """When each request should have left, from the first one on."""
    rows = [row for path in sorted(folder.glob("exchanges-*.jsonl")) for row in lines_of(path)]
    first_ns = min(row["scheduled_ns"] for row in rows)
    assert len({row["request_id"] for row in rows}) == len(rows)
    return {row["request_id"]: row["scheduled_ns"] - first_ns for row in rows}


def test_shares_are_the_schedule_of_one_process(command: Command, start_engine: StartEngine, tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.jsonl", 60)
    engine = start_engine(answering(*whole_stream(3)))
    command.run("replay", "trace.jsonl", "--url", engine.url, *FLAGS, "--out", "whole").check(0)
    alone = sorted(request.body for request in engine.requests if request.body)
    engine.requests.clear()
    outs = played(command, engine.url, 2, "--workers", 2)
    assert sorted(request.body for request in engine.requests if request.body) == alone
    done = command.run("merge", *outs, "--out", "merged", "--json").check(0)
    assert schedule(tmp_path / "merged") == schedule(tmp_path / "whole")
    summary = done.json
    assert (summary["ended"], summary["requests"]["completed"], summary["shares"]["lost"]) == ("finished", 60, None)
    assert [part["workers"] for part in summary["shares"]["parts"]] == [[0, 1], [2, 3]]
    assert summary["shares"]["start_error_ms"] < 1  # one clock: their zeros say it themselves
    manifest = json.loads((tmp_path / "merged" / "manifest.json").read_bytes())
    assert "share" not in manifest["settings"]
    again = command.run("report", "merged", "--json").check(0).json
    assert again["shares"] == summary["shares"]
    # One of them missing: refused before anything is written, unless it is said.
    assert "1/2 are missing" in command.run("merge", outs[0], "--out", "half").complaint()
    assert not (tmp_path / "half").exists()
    half = command.run("merge", outs[0], "--out", "half", "--allow-missing", "--strict").check(1)
    assert "lost: 50.00% of the schedule, with share 1/2" in half.out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--share", "0/2"), "--share needs --start-time"),
        (("--share", "0/2", "--start-time", "1"), "--share needs --salt"),
        (("--start-time", "1"), "--start-time is for the shares"),
        (("--share", "2/2", "--start-time", "1", "--salt", "a"), "shares count from 0"),
        (("--share", "0/2", "--start-time", "soon", "--salt", "a"), "--start-time soon: give Unix seconds"),
        (("--share", "0/2", "--start-time", "1", "--salt", "a", "--repeat", "2"), "leave --repeat out"),
        (("--share", "0/9", "--start-time", "1", "--salt", "a", "--concurrency", "4"), "cannot share --concurrency 4"),
    ],
)
def test_shares_that_cannot_be_played(command: Command, trace: Path, flags: tuple[str, ...], said: str) -> None:
    assert said in command.run("replay", trace, "--url", "http://127.0.0.1:1/v1", *flags).complaint()


def test_a_share_that_comes_too_late_sends_nothing(command: Command, start_engine: StartEngine, trace: Path) -> None:
    engine = start_engine(answering(*whole_stream(3)))
    flags = (*FLAGS, "--share", "0/2", "--start-time", f"{time.time() - 5:.0f}", "--out", "run")
    done = command.run("replay", trace, "--url", engine.url, *flags).check(2)
    assert "--start-time passed" in done.err
    assert not [request for request in engine.requests if request.line.startswith(b"POST")]
