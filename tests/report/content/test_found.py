from pathlib import Path

import orjson
import pytest
from runs.made_run import make_run

from imaxproxy.errors import UsageError
from imaxproxy.report.content import find_runs
from imaxproxy.report.content.found import SWEEP_SCHEMA


def sweep(folder: Path) -> Path:
    """One point done, one failed, one not begun."""
    (folder / "1k1k").mkdir(parents=True)
    make_run(folder / "1k1k" / "b200-c4")
    points = [
        {"run": "1k1k/b200-c4", "workload": "1k1k", "state": "done", "reason": None},
        {"run": "1k1k/b200-c8", "workload": "1k1k", "state": "failed", "reason": "does not fit"},
        {"run": "1k1k/b200-c16", "workload": "1k1k", "state": "pending", "reason": None},
    ]
    (folder / "sweep.json").write_bytes(orjson.dumps({"schema": SWEEP_SCHEMA, "points": points}))
    return folder


def test_a_run_a_folder_and_a_sweep_are_all_taken_each_run_once(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "sweep")
    make_run(tmp_path / "alone")
    found = find_runs([tmp_path / "alone", folder, folder / "1k1k", tmp_path])
    names = [(each.record.directory.path.name, each.workload) for each in found.runs]
    assert names == [("alone", None), ("b200-c4", "1k1k")]


def test_points_that_a_sweep_did_not_finish_are_named_with_their_reason(tmp_path: Path) -> None:
    said = [(Path(each.path).name, each.why) for each in find_runs([sweep(tmp_path / "sweep")]).left_out]
    assert said == [("b200-c8", "failed: does not fit"), ("b200-c16", "pending")]


def test_a_half_written_run_is_summed_up_and_it_is_said(tmp_path: Path) -> None:
    record = make_run(tmp_path / "killed")
    record.directory.summary.unlink()
    said: list[str] = []
    assert len(find_runs([tmp_path / "killed"], said.append).runs) == 1
    assert record.directory.summary.exists()
    assert "killed has no summary.json" in said[0]


def test_what_cannot_be_read_is_left_out_with_file_and_reason(tmp_path: Path) -> None:
    make_run(tmp_path / "good")
    old, broken = (make_run(tmp_path / name).directory.summary for name in ("old", "broken"))
    old.write_text('{"schema": "imaxproxy.summary/0"}')
    broken.write_text('{"schema": ')
    said = {Path(each.path).name: each.why for each in find_runs([tmp_path]).left_out}
    assert "schema 'imaxproxy.summary/0', this version reads 'imaxproxy.summary/1'" in said["old"]
    assert "is no summary" in said["broken"]


@pytest.mark.parametrize(
    ("text", "said"), [("{", "is no sweep's record"), ('{"schema": "x/9", "points": []}', "schema 'x/9'")]
)
def test_a_broken_sweep_record_costs_the_names_only(tmp_path: Path, text: str, said: str) -> None:
    folder = sweep(tmp_path / "sweep")
    (folder / "sweep.json").write_text(text)
    found = find_runs([folder])
    assert len(found.runs) == 1
    assert said in found.left_out[0].why


def test_nothing_to_report_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run, and holds none"):
        find_runs([tmp_path])
    with pytest.raises(UsageError, match="is no directory"):
        find_runs([tmp_path / "missing"])
    make_run(tmp_path / "old").directory.summary.write_text('{"schema": "imaxproxy.summary/0"}')
    with pytest.raises(UsageError, match=r"no run can be read; .*old: .*schema"):
        find_runs([tmp_path])
