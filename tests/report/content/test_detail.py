from pathlib import Path

import pytest
from runs.made_run import EXCHANGES, make_run

from imaxproxy.errors import ImaxproxyError
from imaxproxy.report.content import Detail, read_detail
from imaxproxy.report.content.detail import read_details


def test_a_journal_gives_timeline_and_waterfall(tmp_path: Path) -> None:
    record = make_run(tmp_path)
    detail = read_detail(tmp_path)
    assert detail.waterfall.of == len(EXCHANGES)
    assert detail.timeline.duration_s == pytest.approx(record.summary["duration_s"])
    assert detail.timeline.why_no_power == "power was not measured"


def test_a_broken_journal_spoils_no_other(tmp_path: Path) -> None:
    make_run(tmp_path / "good")
    journal = make_run(tmp_path / "bad").directory.journal(0)
    journal.write_text("nonsense\n" + journal.read_text())
    good, bad = read_details([tmp_path / "good", tmp_path / "bad"])
    assert isinstance(good, Detail)
    assert isinstance(bad, ImaxproxyError)
    assert "exchanges-0.jsonl:1" in str(bad)


def test_a_run_in_which_nothing_was_measured_has_none(tmp_path: Path) -> None:
    make_run(tmp_path, [])
    with pytest.raises(ImaxproxyError, match="no measured request"):
        read_detail(tmp_path)
