import json
from pathlib import Path

import pytest

from cli.command import Command


def test_inspect_says_what_a_trace_is(command: Command, trace: Path) -> None:
    found = command.run("trace", "inspect", trace, "--json").check(0).json
    assert (found["format"], found["requests"], found["sessions"]) == ("mooncake", 10, 0)
    lines = command.run("trace", "inspect", trace).check(0).out.splitlines()
    assert any(line.split() == ["requests", "10"] for line in lines)


def test_validate_finds_every_broken_line(command: Command, trace: Path) -> None:
    command.run("trace", "validate", trace).check(0)
    trace.write_text(trace.read_text() + '{"timestamp": 1}\nnot json\n')
    done = command.run("trace", "validate", trace).check(2)
    assert f"{trace}:11" in done.err
    assert f"{trace}:12" in done.err
    assert done.err.splitlines()[-1].startswith(f"imaxproxy: {trace}: 2 broken lines")
    assert command.run("trace", "validate", trace, "--json").check(2).json["broken"] == 2


def test_a_file_that_is_not_there_is_one_line(command: Command) -> None:
    for action in ("inspect", "validate"):
        assert "gone.jsonl" in command.run("trace", action, "gone.jsonl").complaint()


def test_convert_filter_sample_give_traces_that_hash_tells_apart(command: Command, trace: Path) -> None:
    command.run("trace", "convert", trace, "-o", "all.jsonl.zst", "--header").check(0)
    command.run("trace", "filter", "all.jsonl.zst", "--max-input", 1, "-o", "none.jsonl").check(0)
    command.run("trace", "sample", trace, "--sessions", 3, "--seed", 7, "-o", "three.jsonl.gz").check(0)
    found = command.run("trace", "inspect", "three.jsonl.gz", "--json").check(0).json
    assert (found["format"], found["requests"]) == ("canonical", 3)
    whole, again, three = (
        command.run("trace", "hash", name).check(0).out.split()[0]
        for name in ("all.jsonl.zst", trace, "three.jsonl.gz")
    )
    assert whole == again != three


def test_generate_writes_the_same_trace_twice(command: Command) -> None:
    once, twice = (command.run("trace", "generate", "fixed-1k1k", "--set", "concurrency=2").check(0) for _ in "ab")
    assert once.out == twice.out
    assert len(once.out.splitlines()) == 1 + 2 * (10 + 2)
    assert "reasoning-r1" in command.run("trace", "specs").check(0).out
    assert "gone" in command.run("trace", "generate", "gone").complaint()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            '{"request_id":"a","input_length":5,"wait_for":["b"]}\n{"request_id":"b","input_length":5,"wait_for":["a"]}\n',
            "none of them could ever start",
        ),
        (
            '{"session_id":"s","input_length":5}\n{"session_id":"s","input_length":5,"delay":-4}\n',
            "bad.jsonl:2: field `delay`",
        ),
        (
            '{"timestamp":0,"input_length":1024,"output_length":1,"hash_ids":[1,2]}\n{"timestamp":1,"input_length":1024,"output_length":1,"hash_ids":[3,2]}\n',
            "2 follows 3 here and 1 in a row before",
        ),
        ('{"timestamp":0,"input_length":"x","output_length":1,"hash_ids":[1]}\n', "bad.jsonl:1: field `input_length`"),
    ],
    ids=["cycle", "negative-delay", "two-parents", "wrong-field"],
)
def test_a_trace_that_cannot_be_is_said_to_be(command: Command, lines: str, says: str) -> None:
    (command.folder / "bad.jsonl").write_text(lines)
    assert says in command.run("trace", "validate", "bad.jsonl").check(2).err


def test_an_idle_gap_is_cut_to_its_cap_and_said(command: Command) -> None:
    rows = '{"session_id":"s","input_length":5,"timestamp":0}\n{"session_id":"s","input_length":5,"delay":900000}\n'
    (command.folder / "t.jsonl").write_text(rows)
    done = command.run("trace", "filter", "t.jsonl", "--idle-gap-cap", 300).check(0)
    assert json.loads(done.out.splitlines()[-1])["delay"] == 300_000
    assert "600" in done.err
