from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.runs import RunDirectory


def test_a_new_run_is_writable_and_empty(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "a" / "b", "replay")
    assert run.path.is_dir()
    assert list(run.path.iterdir()) == []


def test_a_run_without_a_name_is_named_by_time_and_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = RunDirectory.create(None, "replay").path
    assert path.parent == Path("imax-runs")
    assert path.name.endswith("-replay")


def test_runs_that_begin_in_the_same_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {RunDirectory.create(None, "replay").path for _ in range(3)}
    assert len(paths) == 3
    assert paths == set(Path("imax-runs").iterdir())


@pytest.mark.parametrize("name", ["manifest.json", "exchanges-3.jsonl"])
def test_a_run_is_never_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match="holds a run already"):
        RunDirectory.create(tmp_path, "replay")


def test_other_files_may_stand_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    RunDirectory.create(tmp_path, "serve")


def test_where_no_directory_can_be_made_the_flag_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="--out"):
            RunDirectory.create(path, "replay")


def test_files_of_many_workers_come_in_order(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for worker in (1, 0):
        run.journal(worker).touch()
        run.meter(worker).touch()
    assert run.journals() == [run.journal(0), run.journal(1)]
    assert run.meters() == [run.meter(0), run.meter(1)]
    assert RunDirectory.open(tmp_path) == run
    names = [run.manifest.name, run.summary.name, run.histograms.name, run.log.name]
    assert names == ["manifest.json", "summary.json", "histograms.hlog", "engine.log"]


def test_what_is_no_run_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no directory"):
        RunDirectory.open(tmp_path / "none")
    with pytest.raises(UsageError, match="not a run directory"):
        RunDirectory.open(tmp_path)
