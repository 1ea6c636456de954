import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.catalogue import (
    FINISHED,
    NO_SUMMARY,
    RUNNING,
    STALE,
    UNREADABLE,
    CatalogueEntry,
    catalogue,
    find_runs,
    read_entry,
)
from imaxproxy.runs.selection import Selection, moment
from runs.made_run import answered, make_run

LATER_S = 4e9
"""Long after every file was written."""


def run(path: Path, **settings: Any) -> Path:  # noqa: ANN401
    path.mkdir(parents=True)
    make_run(path, [answered(0), answered(1)], settings={"concurrency": 4, **settings})
    return path


def test_a_run_is_described_by_its_files(tmp_path: Path) -> None:
    run(tmp_path / "a" / "b", tag=["nightly"])
    (entry,) = catalogue([tmp_path], LATER_S)
    assert entry.run == str(tmp_path / "a" / "b")
    assert (entry.state, entry.note) == (FINISHED, None)
    assert (entry.model, entry.gpu, entry.gpus, entry.engine) == ("openai/gpt-oss-120b", "b200", 2, "vllm")
    assert (entry.load, entry.tags, entry.requests, entry.completed) == ("concurrency 4", ("nightly",), 2, 2)
    assert entry.figures is not None
    assert entry.figures["interactivity"] == pytest.approx(100, rel=2e-3)
    assert json.loads(json.dumps(entry.as_dict()))["simulated"] is False


def test_a_proxys_run_has_the_model_that_answered(tmp_path: Path) -> None:
    """`serve` is told no model: its clients name them."""
    made = make_run(tmp_path / "run", [answered(0), answered(1)], engine=None, settings={})
    assert (made.summary["models"], made.model) == (["m"], "m")
    (entry,) = catalogue([tmp_path], LATER_S)
    assert entry.model == "m"


def test_runs_are_found_wherever_they_lie_and_once(tmp_path: Path) -> None:
    run(tmp_path / "sweep" / "1k1k" / "b200-c4")
    run(tmp_path / "one")
    (tmp_path / "one" / "exports").mkdir()
    (tmp_path / "one" / "exports" / "summary.json").write_text('{"schema": "imaxproxy.summary/1"}')
    (tmp_path / "npm").mkdir()
    (tmp_path / "npm" / "manifest.json").write_text('{"name": "no run"}')
    found = list(find_runs([tmp_path, tmp_path / "one"]))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in found) == ["one", "sweep/1k1k/b200-c4"]
    with pytest.raises(UsageError, match="nowhere is no directory"):
        list(find_runs([tmp_path / "nowhere"]))


def _truncated(run: RunDirectory) -> None:
    run.summary.write_bytes(run.summary.read_bytes()[:100])


def _of_another_schema(run: RunDirectory) -> None:
    run.manifest.write_bytes(run.manifest.read_bytes().replace(b"manifest/1", b"manifest/9"))


def _hollow(run: RunDirectory) -> None:
    run.summary.write_text('{"schema": "imaxproxy.summary/1", "ended": "finished"}')


def _grown(run: RunDirectory) -> None:
    os.utime(run.summary, (1e9, 1e9))


def _ended(how: str, run: RunDirectory) -> None:
    for path in (run.manifest, run.summary):
        path.write_bytes(path.read_bytes().replace(b'"ended": "finished"', b'"ended": "%s"' % how.encode()))


def _never_summed_up(run: RunDirectory) -> None:
    _ended("killed", run)
    run.summary.unlink()


@pytest.mark.parametrize(
    ("damage", "state", "says"),
    [
        (_never_summed_up, NO_SUMMARY, "half-written (killed): `imaxproxy report "),
        (_truncated, UNREADABLE, "summary.json is no summary"),
        (_of_another_schema, UNREADABLE, "schema 'imaxproxy.manifest/9', this version reads 'imaxproxy.manifest/1'"),
        (_hollow, UNREADABLE, "lacks what a summary has"),
        (_grown, STALE, "its journal is newer than its summary"),
        (lambda run: _ended("interrupted", run), "interrupted", "not played to its end"),
        (lambda run: _ended("no_engine", run), "no engine", "not played to its end"),
        (lambda run: _ended("killed", run), "killed", "not played to its end"),
    ],
)
def test_what_is_not_whole_is_named_as_such(tmp_path: Path, damage: Any, state: str, says: str) -> None:  # noqa: ANN401
    damage(RunDirectory(run(tmp_path / "a")))
    (entry,) = catalogue([tmp_path], LATER_S)
    assert entry.state == state
    assert entry.note is not None
    assert says in entry.note


def test_a_run_whose_files_still_move_is_being_played(tmp_path: Path) -> None:
    made = RunDirectory(run(tmp_path / "a"))
    _never_summed_up(made)
    written_s = max(path.stat().st_mtime for path in (*made.journals(), *made.meters()))
    assert read_entry(made.path, written_s + 1).state == RUNNING
    assert read_entry(made.path, written_s + 60).state == NO_SUMMARY


def test_the_newest_comes_first_and_what_has_no_date_last(tmp_path: Path) -> None:
    for name, day in (("old", "2026-11-01"), ("new", "2026-11-20")):
        path = RunDirectory(run(tmp_path / name)).manifest
        row = json.loads(path.read_text()) | {"started_at": f"{day}T10:00:00.000+00:00"}
        path.write_text(json.dumps(row))
    dateless = RunDirectory(run(tmp_path / "dateless"))
    dateless.manifest.unlink()
    dateless.summary.unlink()
    names = [Path(entry.run).name for entry in catalogue([tmp_path], LATER_S)]
    assert names == ["new", "old", "dateless"]


ENTRY = CatalogueEntry(
    "r", FINISHED, None, "2026-11-20T23:30:00+00:00", model="openai/gpt-oss-120b", gpu="gb200", engine="vllm",
    recipe="gpt-oss-120b-gb200-dynamo-vllm", tags=("nightly", "team=x"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("selection", "fits"),
    [
        (Selection(), True),
        (Selection(models=["GPT-OSS"]), True),
        (Selection(models=["llama"]), False),
        (Selection(models=["llama", "gpt"]), True),  # one of several will do
        (Selection(gpus=["b200"]), False),  # a whole name
        (Selection(gpus=["*b200"]), True),
        (Selection(engines=["vllm"]), True),
        (Selection(engines=["*dynamo*"]), True),  # its recipe's name
        (Selection(tags=["team=x"]), True),
        (Selection(tags=["team"]), False),
        (Selection(gpus=["gb200"], tags=["weekly"]), False),  # every kind has to fit
        (Selection(since=datetime(2026, 11, 20, tzinfo=UTC)), True),
        (Selection(until=moment("2026-11-20", "--until", is_end=True)), True),  # of that day
        (Selection(until=moment("2026-11-20T23:30", "--until", is_end=True)), False),
        (Selection(since=moment("2026-11-21", "--since")), False),
    ],
)
def test_a_selection_takes_what_fits_all_that_was_asked(selection: Selection, fits: bool) -> None:
    assert (ENTRY in selection) == fits


def test_what_has_no_date_is_of_no_day() -> None:
    assert CatalogueEntry("r", UNREADABLE, "why") not in Selection(since=datetime(2000, 1, 1, tzinfo=UTC))
    assert CatalogueEntry("r", UNREADABLE, "why") not in Selection(models=["*"])


def test_a_day_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match="--since is a day or a moment, 2026-11-26 or 2026-11-26T14:30, not yesterday"):
        moment("yesterday", "--since")
