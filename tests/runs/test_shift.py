from pathlib import Path

import pytest

from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import Ask, EngineTiming, Exchange, Outcome
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
