from pathlib import Path

import pytest

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs import RunRecord, read_hlog
from imaxproxy.runs.exports import FORMATS, export
from runs.made_run import make_run


def test_the_histogram_log_is_the_runs_own(tmp_path: Path) -> None:
    (path,), _ = export(make_run(tmp_path / "run"), "hlog", (), tmp_path)
    assert path == tmp_path / "histograms.hlog"  # a folder gets the file's own name
    assert read_hlog(path)["ttft_us"].total == 3


@pytest.mark.parametrize("format_", [name for name in FORMATS if name != "parquet"])
def test_writing_again_replaces_what_was_there(tmp_path: Path, format_: str) -> None:
    record = make_run(tmp_path)
    files, _ = export(record, format_, (), None)
    before = [path.read_bytes() for path in files]
    again, _ = export(record, format_, (), None)
    assert [path.read_bytes() for path in again] == before


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("tp", "--set is NAME=VALUE with a name of model, tokenizer"),
        ("colour=red", "not 'colour=red'"),
        ("tp=0", "--set tp= wants a whole number of 1 or more, not '0'"),
        ("dp_attention=yes", "wants true or false"),
    ],
)
def test_facts_that_are_none(tmp_path: Path, said: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        export(make_run(tmp_path), "vllm", (said,), None)


def test_places_and_details_that_do_not_go(tmp_path: Path) -> None:
    record = make_run(tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file: aiperf writes several into a folder"):
        export(record, "aiperf", (), tmp_path / "file")
    with pytest.raises(UsageError, match="cannot be written"):
        export(record, "csv", (), tmp_path / "file" / "below")
    with pytest.raises(UsageError, match="--detailed goes with vllm and sglang"):
        export(record, "csv", (), None, detailed=True)


def test_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no directory"):
        RunRecord.open(tmp_path / "none")
    record = make_run(tmp_path / "run", manifest=False)
    with pytest.raises(ImaxproxyError, match=r"has no manifest\.json: its times have no day"):
        export(record, "vllm", (), None)
    record.directory.summary.unlink()
    with pytest.raises(UsageError, match="`imaxproxy report"):
        RunRecord.open(tmp_path / "run")
    record.directory.summary.write_text('{"schema": "other/1"}')
    with pytest.raises(ImaxproxyError, match="schema 'other/1'"):
        RunRecord.open(tmp_path / "run")
    record.directory.summary.write_text("[]")
    with pytest.raises(ImaxproxyError, match="is no summary"):
        RunRecord.open(tmp_path / "run")
