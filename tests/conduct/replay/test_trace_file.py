"""What a replay says of its trace before anything is sent."""

import json
import shutil

import pytest
from cli.command import Command, write_trace

SIMULATED = ("--engine", "fixed-5ms", "--simulate")
SMALL = """
schema = "imaxproxy.recipe/1"
model = "small"
precision = "bf16"
source = "made up"
as_of = 2026-11-26
[gpu]
kind = "none"
count = 0
[engine]
name = "vllm"
version = "0.32.0"
[engine.flags]
max-model-len = 100
[simulate]
fixed_step_ms = 1.0
fixed_ttft_ms = 2.0
"""


def write(command: Command, *rows: dict[str, object]) -> str:
    (command.folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "t.jsonl"


def test_waits_in_a_circle_are_found_before_anything_is_sent(command: Command) -> None:
    rows = [{"request_id": name, "input_length": 5, "wait_for": [other]} for name, other in ("ab", "bc", "ca")]
    complaint = command.run("replay", write(command, *rows), *SIMULATED, "--concurrency", 1, "--out", "run").complaint()
    assert complaint == (
        "t.jsonl: field `wait_for`: a waits for b waits for c waits for a: none of them could ever start; "
        "mend the trace"
    )
    assert not (command.folder / "run").exists()


def test_what_can_be_played_all_the_same_is_said(command: Command) -> None:
    rows = [
        {"timestamp": 0, "input_length": 1024, "output_length": 2, "hash_ids": [1, 2]},
        {"timestamp": 1, "input_length": 1024, "output_length": 2, "hash_ids": [3, 2]},
    ]
    done = command.run("replay", write(command, *rows), *SIMULATED, "--out", "run").check(0)
    assert "1 x hash id under two parents, such as t.jsonl: request 2: field `hash_ids`: 2 follows 3 here" in done.err


def test_requests_over_the_models_limit_are_counted_before_they_fail(command: Command) -> None:
    (command.folder / "small.toml").write_text(SMALL)
    trace = write(
        command,
        *[{"timestamp": n, "input_length": length, "output_length": 8} for n, length in enumerate([50, 92, 93, 500])],
    )
    for virtual in ((), ("--virtual",)):
        done = command.run("replay", trace, "--engine", "small.toml", "--simulate", *virtual, "--json").check(1)
        assert "2 of 4 requests are over the model's 100 tokens, and will fail; `imaxproxy trace filter" in done.err
        assert done.json["requests"]["failed"] == 2


@pytest.mark.parametrize(
    ("keeps", "ids", "session", "is_said"),
    [
        ("false", ([1, 2], [1, 3]), {}, True),
        ("false", ([1, 2], [4, 3]), {}, False),
        ("false", ([1, 2], [4, 3]), {"session_id": "s"}, True),
        ("true", ([1, 2], [1, 3]), {}, False),
    ],
)
def test_shared_prefixes_of_which_a_recipe_makes_nothing_are_said(
    command: Command, keeps: str, ids: tuple[list[int], ...], session: dict[str, str], is_said: bool
) -> None:
    recipe = command.folder / "r.toml"
    recipe.write_text(
        f'schema = "imaxproxy.recipe/1"\nextends = "gpt-oss-120b-b200-vllm"\n[limits]\nprefix_caching = {keeps}\n'
    )
    rows = ({"timestamp": 0, "input_length": 1024, "output_length": 2, "hash_ids": each, **session} for each in ids)
    trace = write(command, *rows)
    for virtual in (["--virtual"], [])[: 1 + is_said]:
        done = command.run("replay", trace, "--engine", recipe, "--simulate", *virtual, "--out", "run").check(0)
        assert done.err.count("prompts share prefixes, and this recipe keeps none") == is_said
        shutil.rmtree(command.folder / "run")


def test_later_turns_need_no_stamp(command: Command) -> None:
    """AIPerf stamps the first turn of a session alone; the others come when the one before has ended."""
    rows = [
        {"request_id": "a1", "session_id": "a", "timestamp": 20, "input_length": 5, "output_length": 2},
        {"request_id": "a2", "session_id": "a", "delay": 40, "input_length": 9, "output_length": 2},
        {"request_id": "b1", "session_id": "b", "timestamp": 0, "input_length": 5, "output_length": 2},
    ]
    done = command.run("replay", write(command, *rows), *SIMULATED, "--out", "run", "--json").check(0)
    assert done.json["requests"]["completed"] == 3
    lines = (command.folder / "run" / "exchanges-0.jsonl").read_text().splitlines()
    at = {row["request_id"]: row for row in map(json.loads, lines)}
    assert at["a1"]["scheduled_ns"] - at["b1"]["scheduled_ns"] == 20_000_000
    assert at["a2"]["scheduled_ns"] >= at["a1"]["ended_ns"] + 40_000_000


def test_a_first_turn_does(command: Command) -> None:
    rows = [{"timestamp": 0, "input_length": 5}, {"request_id": "x", "session_id": "s", "input_length": 5}]
    assert "request x has no timestamp" in command.run("replay", write(command, *rows), *SIMULATED).complaint()


def test_a_usual_trace_gives_no_word(command: Command) -> None:
    write_trace(command.folder / "t.jsonl", 5)
    assert command.run("replay", "t.jsonl", *SIMULATED, "--out", "run").check(0).err == ""
