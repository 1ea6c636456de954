"""`imaxproxy compare` over virtual runs: exit codes and forms."""

from pathlib import Path

import pytest

from cli.command import Command, write_trace


@pytest.fixture
def runs(command: Command, tmp_path: Path) -> Path:
    trace = write_trace(tmp_path / "load.jsonl", 60)
    for gpu in ("b200", "h200"):
        command.run(
            "replay", trace, "--engine", f"gpt-oss-120b-{gpu}-vllm", "--simulate", "--virtual", "--out", f"{gpu}"
        ).check(0)
    return tmp_path


def test_a_slower_engine_is_a_regression_and_exit_1(command: Command, runs: Path) -> None:
    found = command.run("compare", "b200", "h200", "--json").check(1).json
    assert found["schema"] == "imaxproxy.compare/1"
    assert found["verdict"] == "regression"
    assert found["paired"]["matched"] == 60
    assert found["a"]["simulated"] is True
    text = command.run("compare", "b200", "h200", "--markdown").check(1).out
    assert text.startswith("**REGRESSION** of B against A")
    assert "SIMULATED" in text


def test_the_same_run_or_a_faster_one_is_exit_0(command: Command, runs: Path) -> None:
    assert "request by request" in command.run("compare", "b200", "b200").check(0).out
    assert command.run("compare", "h200", "b200", "--json").check(0).json["verdict"] in {"improvement", "undecided"}
    three = command.run("compare", "b200", "b200", "b200", "--threshold", "0.1", "--json").check(0).json
    assert len(three["comparisons"]) == 2


def test_what_cannot_be_compared_is_one_line(command: Command, runs: Path) -> None:
    assert "two runs or more" in command.run("compare", "b200").complaint()
    assert "nowhere is no run, and holds none" in command.run("compare", "b200", "nowhere").complaint()
    assert "--threshold is a share such as 5%" in command.run("compare", "b200", "h200", "--threshold", "x").complaint()
    broken = runs / "h200" / "exchanges-0.jsonl"
    broken.write_text("{}\n" + broken.read_text())
    done = command.run("compare", "b200", "h200").check(1)
    assert "not a journal line" in done.err
    assert len(done.err.splitlines()) == 1


def test_folders_of_repeats_are_held_against_each_other(command: Command, tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "load.jsonl", 20)
    for name in ("a", "b"):
        for number in (1, 2):
            command.run(
                "replay", trace, "--engine", "gpt-oss-120b-b200-vllm", "--simulate", "--virtual", "--seed", number,
                "--out", f"{name}/repeat-{number}",
            ).check(0)  # fmt: skip
    found = command.run("compare", "a", "b", "--json").check(0).json
    assert found["a"]["path"] == "a (2 runs)"
    assert "as runs" in found["not_paired_because"]
    assert "a/repeat-1 is one run and another side has 2" in command.run("compare", "a/repeat-1", "b").complaint()
