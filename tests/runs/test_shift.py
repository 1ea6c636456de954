from pathlib import Path

import pytest

from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Ask, EngineTiming, Exchange, HealthSample, Outcome
from imaxproxy.runs import read_health, shift
from imaxproxy.runs.journal import exchange_row
from imaxproxy.runs.shift import EXCHANGE_TIMES, rows_of, shifted_lines
from runs.made_run import answered

_DURATIONS = {"connect_ns", "gaps_ns"}


def test_every_time_of_a_journals_line_is_known() -> None:
    """A field that is added to the journal must be told apart: a time moves, a duration does not."""
    full = answered(1.0)
    names = {name for name in Ask.__slots__ if name.endswith("_ns")}
    names |= {name for name in exchange_row(full) if name.endswith("_ns")}
    names |= {name for name in Exchange.__slots__ if name.endswith("_ns")}
    assert not [name for name in EngineTiming.__slots__ if name.endswith("_ns")]
    assert names == set(EXCHANGE_TIMES) | _DURATIONS


def test_a_shift_of_nothing_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    from imaxproxy.runs import Journal, RunDirectory

    run = RunDirectory(tmp_path)
    journal = Journal(run)
    journal.add(answered(1.0, [0.1, 1 / 3]))
    ask = Ask("caf\u00e9 \U0001f600", "/v1/x", 1, connect_ns=7, tags={"a": "\x1f"})
    journal.add(Exchange(ask, Outcome.FAILED, 5, error="reset"))
    journal.close()
    path = run.journal(0)
    assert b"".join(shifted_lines(path, EXCHANGE_TIMES, 0)) == path.read_bytes()
    there = tmp_path / "moved.jsonl"
    there.write_bytes(b"".join(shifted_lines(path, EXCHANGE_TIMES, 12345)))
    assert b"".join(shifted_lines(there, EXCHANGE_TIMES, -12345)) == path.read_bytes()


@pytest.mark.parametrize("broken", [b"{\n{}\n", b"[]\n"])
def test_a_broken_line_is_named(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "power.jsonl"
    path.write_bytes(broken)
    with pytest.raises(ImaxproxyError, match=r"power.jsonl:1: not a JSON"):
        list(rows_of(path))


def test_files_are_moved_whole_by_several_processes_and_go_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imaxproxy.runs import Journal, RunDirectory, read_journal

    monkeypatch.setattr(shift, "_LARGE_BYTES", 0)
    run, to = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "to")
    for each in (run, to):
        each.path.mkdir()
    for worker in (0, 3):
        journal = Journal(run, worker)
        journal.add(answered(worker))
        journal.add_health(HealthSample(worker, 5, 1, 1, {}))
        journal.close()
    heard: list[float] = []
    before = [exchange.ask.sent_ns for exchange in read_journal(run)]
    shift.move_all(shift.moves_of(run, to, 7), 2, heard.append)
    assert [exchange.ask.sent_ns for exchange in read_journal(to)] == [(at_ns or 0) + 7 for at_ns in before]
    assert [sample.at_ns for sample in read_health(to)] == [12, 12]
    assert heard == [0.25, 0.5, 0.75, 1.0]
    assert len(run.journals()) == 2
    shift.move_all(shift.moves_of(run, to, 7, removes=True), 1)
    assert not run.journals()
    assert not run.meters()
