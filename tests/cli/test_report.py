from pathlib import Path

import pytest

from cli.command import Command

SIMULATED = ("--engine", "fixed-5ms", "--simulate")


def test_a_run_is_printed_again_as_it_was(command: Command, trace: Path) -> None:
    first = command.run("replay", trace, *SIMULATED, "--out", "run", "--json").check(0)
    assert command.run("report", "run", "--json").check(0).json == first.json
    assert "10 sent, 10 completed" in command.run("report", "run").check(0).out


def test_half_a_last_line_is_left_out(command: Command, trace: Path) -> None:
    """What a killed process was writing."""
    command.run("replay", trace, *SIMULATED, "--out", "run").check(0)
    journal = command.folder / "run" / "exchanges-0.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    assert command.run("report", "run", "--json").check(0).json["requests"]["sent"] == 9


def test_a_broken_line_in_the_middle_is_named(command: Command, trace: Path) -> None:
    command.run("replay", trace, *SIMULATED, "--out", "run").check(0)
    journal = command.folder / "run" / "exchanges-0.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], b"nonsense\n", *lines[1:]]))
    assert "exchanges-0.jsonl:2: not a journal line" in command.run("report", "run").check(1).err


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder"])
def test_what_is_no_run_is_one_line(command: Command, what: str) -> None:
    path = command.folder / "run"
    if what == "a file":
        path.write_text("")
    elif what == "an empty folder":
        path.mkdir()
    assert command.run("report", "run").complaint().startswith("run ")
