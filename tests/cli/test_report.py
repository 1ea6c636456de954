from pathlib import Path

import pytest
from runs.made_run import ENGINE, make_run

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


def test_runs_are_listed_found_by_tag_and_half_ones_named(command: Command, trace: Path) -> None:
    command.run("replay", trace, *SIMULATED, "--tag", "nightly", "--out", "imax-runs/a").check(0)
    command.run("replay", trace, *SIMULATED, "--concurrency", 2, "--out", "imax-runs/b").check(0)
    (command.folder / "imax-runs" / "b" / "summary.json").unlink()
    listed = command.run("report", "--list", "--json").check(0).json
    assert listed["found"] == 2
    assert {row["run"]: row["state"] for row in listed["runs"]} == {
        "imax-runs/a": "finished",
        "imax-runs/b": "no summary",
    }
    assert "`imaxproxy report imax-runs/b`" in command.run("report", "--list").check(0).out
    found = command.run("report", "--list", "imax-runs", "--tag", "nightly", "--json").check(0).json
    assert [row["run"] for row in found["runs"]] == ["imax-runs/a"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--list",), "there is no imax-runs here"),
        (("--list", "nowhere"), "nowhere is no directory"),
        (("run", "--model", "m"), "--model chooses among the runs of --list"),
        (("--list", ".", "--since", "x"), "--since is a day or a moment"),
        ((), "give one RUN"),
        (("a", "b"), "give one RUN"),
    ],
)
def test_a_list_that_cannot_be_is_one_line(command: Command, arguments: tuple[str, ...], says: str) -> None:
    assert command.run("report", *arguments).complaint().startswith(says)


def test_every_chart_becomes_a_picture_that_bears_the_mark(command: Command) -> None:
    (command.folder / "runs").mkdir()
    for concurrency in (1, 4):
        settings = {"concurrency": concurrency, "endpoint": "chat"}
        make_run(command.folder / "runs" / f"c{concurrency}", engine=ENGINE | {"simulated": True}, settings=settings)
    done = command.run("report", "runs", "--charts", "charts", "--axes", "interactivity:usd_output").check(0)
    pictures = sorted((command.folder / "charts").iterdir())
    assert f"{len(pictures)} charts in charts" in done.err
    assert sum(path.name.startswith("frontier") for path in pictures) == 1
    for path in pictures:
        assert path.suffix == ".svg"
        assert "SIMULATED, not measured" in path.read_text("utf-8"), path.name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--axes", "interactivity:usd_total"), "--axes says which charts to draw: add --charts DIR"),
        (("run", "--charts", "x", "--axes", "speed:usd_total"), "--axes speed:usd_total: there is no metric speed"),
        (("run", "--charts", "x", "--axes", "usd_total"), "--axes is two metrics"),
        (("run", "--charts", "x", "--axes", "usd_total:usd_total"), "--axes is two metrics"),
        (("run", "--charts", "x"), "run is no directory"),
    ],
)
def test_charts_that_cannot_be_are_one_line(command: Command, arguments: tuple[str, ...], says: str) -> None:
    assert command.run("report", *arguments).complaint().startswith(says)
