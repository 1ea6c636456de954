from pathlib import Path

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
