import json
from pathlib import Path

import pytest
from cli.command import Command

SIMULATED = ("--engine", "fixed-5ms", "--simulate")


def test_json_is_one_object_alone_on_stdout(command: Command, trace: Path) -> None:
    done = command.run("replay", trace, *SIMULATED, "--out", "run", "--json").check(0)
    found, end = json.JSONDecoder().raw_decode(done.out)
    assert done.out[end:] == "\n"
    assert found["schema"] == "imaxproxy.summary/1"
    assert found["run"] == "run"
    assert {**found, "run": None} == {**json.loads((command.folder / "run" / "summary.json").read_bytes()), "run": None}


@pytest.mark.parametrize("no_color", [True, False])
def test_colours_are_left_out_when_asked(command: Command, trace: Path, no_color: bool) -> None:
    command.run("replay", trace, *SIMULATED, "--out", "run").check(0)
    command.environment |= {"FORCE_COLOR": "1"} | ({"NO_COLOR": "1"} if no_color else {})
    out = command.run("report", "run").check(0).out
    assert any(f"\x1b[{colour}" in out for colour in ("31", "32", "33", "35", "36", "1;3")) is not no_color


def test_a_pipe_gets_no_escapes(command: Command, trace: Path) -> None:
    assert "\x1b" not in command.run("replay", trace, *SIMULATED, "--out", "run").check(0).out
