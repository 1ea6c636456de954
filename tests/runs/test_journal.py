import errno
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.errors import ImaxproxyError
from imaxproxy.metrics import (
    ANSWER,
    REASONING,
    TOOL,
    Ask,
    CountedBy,
    Exchange,
    Flag,
    HealthSample,
    Outcome,
    Timeline,
    Usage,
    mark,
)
from imaxproxy.runs import Journal, RunDirectory, read_health, read_journal
from imaxproxy.runs.journal import exchange_row

NS = st.integers(0, 2**62)
COUNT = st.none() | st.integers(0, 2**28)
TEXT = st.none() | st.text(max_size=8)


@st.composite
def timelines(draw: st.DrawFn, counted_by: CountedBy) -> Timeline:
    counted = counted_by is not CountedBy.EVENTS
    events = draw(st.lists(st.tuples(st.integers(0, 2**40), st.sampled_from([REASONING, ANSWER, TOOL]))))
    times_ns = sorted(time_ns for time_ns, _ in events)
    tokens = draw(st.lists(st.integers(0, 2**28), min_size=len(events), max_size=len(events)))
    marks = [mark(kind, count if counted else 0) for (_, kind), count in zip(events, tokens, strict=True)]
    return Timeline(times_ns, marks, counted=counted)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    counted_by = draw(st.sampled_from(CountedBy))
    timeline = draw(timelines(counted_by))
    return Exchange(
        ask=draw(st.builds(Ask, st.text(max_size=8), st.text(max_size=8), NS, NS | st.none(), NS | st.none(),
                           NS | st.none(), TEXT, TEXT, COUNT, COUNT)),
        outcome=draw(st.sampled_from(Outcome)),
        ended_ns=draw(NS),
        status=draw(st.none() | st.integers(100, 999)),
        error=draw(TEXT),
        detail=draw(TEXT),
        first_byte_ns=draw(NS | st.none()),
        streamed=draw(st.booleans()),
        model=draw(TEXT),
        finish_reason=draw(TEXT),
        usage=draw(st.builds(Usage, COUNT, COUNT, COUNT, COUNT)),
        counted_by=counted_by,
        timeline=timeline,
        simulated=draw(st.booleans()),
        first_event_ns=draw(st.none() | st.integers(0, 2**60)),
        flags=tuple(draw(st.lists(st.sampled_from(list(Flag)), max_size=3))),
        coalesced_events=draw(st.integers(0, len(timeline))) if len(timeline) else 0,
    )  # fmt: skip


@settings(deadline=None)
@given(st.lists(exchanges(), max_size=4))
def test_what_was_written_is_read(written: list[Exchange]) -> None:
    with TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        journal = Journal(run)
        for exchange in written:
            journal.add(exchange)
        journal.close()
        assert list(read_journal(run)) == written


FAILED = Exchange(Ask("r-1", "/v1/completions", 7), Outcome.FAILED, 9, error="connect_refused")


def test_a_line_leaves_out_what_is_not_known() -> None:
    timeline = Timeline([100, 130, 160, 160], [mark(REASONING, 1), mark(ANSWER, 1), mark(ANSWER, 1), mark(TOOL, 2)])
    ask = Ask("r-1", "/v1/chat/completions", 7, sent_ns=90, dialect="chat")
    full = Exchange(ask, Outcome.COMPLETED, 170, usage=Usage(4, 5), counted_by=CountedBy.USAGE, timeline=timeline)
    assert exchange_row(full) == {
        "request_id": "r-1", "path": "/v1/chat/completions", "started_ns": 7, "sent_ns": 90, "dialect": "chat",
        "outcome": "completed", "ending": "complete", "ended_ns": 170, "streamed": False,
        "usage": {"input_tokens": 4, "output_tokens": 5},
        "counted_by": "usage", "first_token_ns": 100, "gaps_ns": [30, 30, 0],
        "marks": [("r", 1, 1), ("c", 1, 2), ("t", 2, 1)], "coalesced_events": 0,
    }  # fmt: skip
    assert exchange_row(FAILED) == {
        "request_id": "r-1", "path": "/v1/completions", "started_ns": 7, "outcome": "failed",
        "ending": "not_connected", "ended_ns": 9,
        "streamed": False, "error": "connect_refused", "usage": {}, "counted_by": "events",
    }  # fmt: skip


def written(tmp_path: Path, *exchanges: Exchange) -> RunDirectory:
    run = RunDirectory(tmp_path)
    journal = Journal(run)
    for exchange in exchanges:
        journal.add(exchange)
    journal.add_health(HealthSample(0, 1, 2, 3, {4: 5}))
    journal.close()
    return run


def test_a_line_is_on_disk_when_its_exchange_ends(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    journal = Journal(run, worker=2)
    journal.add(FAILED)
    assert list(read_journal(run)) == [FAILED]  # still open: a killed process loses nothing
    assert run.journal(2).stat().st_mode & 0o077 == 0  # nobody else's business
    journal.close()


def test_workers_are_read_one_after_the_other(tmp_path: Path) -> None:
    run = written(tmp_path, FAILED)
    other = Journal(run, worker=1)
    other.add_health(HealthSample(1, 1, 2, 3, {}))
    other.add(FAILED)
    other.close()
    assert list(read_journal(run)) == [FAILED, FAILED]
    assert [sample.worker for sample in read_health(run)] == [0, 1]


def test_the_half_line_of_a_killed_process_is_left_out(tmp_path: Path) -> None:
    run = written(tmp_path, FAILED, FAILED)
    data = run.journal(0).read_bytes()
    for cut in (1, 40, len(data) // 2 - 1):
        run.journal(0).write_bytes(data[:-cut])
        assert list(read_journal(run)) == [FAILED]


@pytest.mark.parametrize(
    "line", [b"{nonsense", b"{}", b"[]", b'"x"', b"7", orjson.dumps(exchange_row(FAILED) | {"outcome": "great"})]
)
def test_a_broken_line_amid_others_names_its_place(tmp_path: Path, line: bytes) -> None:
    run = written(tmp_path, FAILED)
    good = run.journal(0).read_bytes()
    run.journal(0).write_bytes(good + line + b"\n" + good)
    with pytest.raises(ImaxproxyError, match=r"exchanges-0\.jsonl:2: not a journal line"):
        list(read_journal(run))


def test_a_broken_line_of_health_names_its_place(tmp_path: Path) -> None:
    run = written(tmp_path)
    run.meter(0).write_bytes(run.meter(0).read_bytes() + b"{}\n")
    with pytest.raises(ImaxproxyError, match=r"meter-0\.jsonl:2"):
        list(read_health(run))


class FakeDisk:
    """Stands in for os.write: takes `room` bytes, at most `step` at once, then is full."""

    def __init__(self, room: int, step: int = 1 << 20) -> None:
        self.room, self.step = room, step
        self._write: Callable[[int, bytes], int] = os.write

    def write(self, fd: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = data[: min(self.room, self.step)]
        self.room -= len(part)
        return self._write(fd, part)


def test_a_full_disk_is_counted_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path)
    journal = Journal(run)
    journal.add(FAILED)
    disk = FakeDisk(room=50)
    monkeypatch.setattr(os, "write", disk.write)
    journal.add(FAILED)
    journal.add_health(HealthSample(0, 1, 2, 3, {}))
    assert journal.lost == 2
    disk.room = 1 << 20  # somebody made room
    journal.add(FAILED)
    journal.close()
    assert list(read_journal(run)) == [FAILED, FAILED]


def test_a_line_written_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", FakeDisk(room=1 << 20, step=10).write)
    assert list(read_journal(written(tmp_path, FAILED, FAILED))) == [FAILED, FAILED]


def test_a_name_that_is_no_unicode_costs_no_line(tmp_path: Path) -> None:
    """aiohttp hands header bytes that are not UTF-8 on as lone surrogates."""
    odd = Exchange(Ask("id-\udcff", "/", 7), Outcome.FAILED, 9)
    (read,) = read_journal(written(tmp_path, odd))
    assert read.ask.request_id == "id-\\udcff"
