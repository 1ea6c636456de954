from pathlib import Path

import pytest
from runs.made_run import make_run

from cli.command import Command


@pytest.fixture
def runs(command: Command) -> Path:
    folder = command.folder / "runs"
    folder.mkdir()
    for name in ("a", "b"):
        make_run(folder / name, trace={"path": "t.jsonl", "sha256": "abc", "skipped": 0, "clamped": 0})
    return folder


def test_one_page_of_many_runs(command: Command, runs: Path) -> None:
    (runs / "b" / "summary.json").unlink()
    ran = command.run("report", "runs", "-o", "report.html").check(0)
    assert "report.html  1 operating points of 2 runs" in ran.out
    assert "b has no summary.json: summing it up" in ran.err
    html = (command.folder / "report.html").read_text()
    assert "<title>gpt-oss-120b on b200</title>" in html
    assert '"command":"imaxproxy report runs -o report.html"' in html
    assert not list(command.folder.glob("*.part"))


def test_what_was_left_out_is_said_and_counted(command: Command, runs: Path) -> None:
    (runs / "b" / "summary.json").write_text('{"schema": "imaxproxy.summary/0"}')
    ran = command.run("report", "runs", "-o", "report.html", "--json").check(0)
    assert ran.json["runs"] == 1
    assert "schema 'imaxproxy.summary/0', this version reads" in ran.json["left_out"][0]["why"]
    assert ran.json["bytes"] == (command.folder / "report.html").stat().st_size
    assert "left out: runs/b:" in command.run("report", "runs", "-o", "report.html").check(0).err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("runs", "-o", "no/report.html"), "there is no folder no"),
        (("runs", "-o", "r.html", "--by", ","), "--by names what makes a machine"),
        (("runs", "-o", "r.html", "--threshold", "much"), "--threshold is a share such as 5%"),
        (("runs", "-o", "r.html", "--price", "rent"), "--price is a number"),
        (("runs", "-o", "r.html", "--baseline", "none.json"), "none.json cannot be read"),
        (("-o", "r.html"), "give RUN directories, --baseline FILE, or both"),
        (("nowhere", "-o", "r.html"), "nowhere is no directory"),
        (("runs/a", "--title", "x"), "--title goes with -o FILE.html"),
        (("runs/a", "runs/b"), "several make a page: -o FILE"),
    ],
)
def test_bad_usage_is_one_line(command: Command, runs: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in command.run("report", *arguments).complaint()
    assert not (command.folder / "r.html").exists()
