"""The workers as their command sees them: child processes that never outlive their use."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_engine import ScriptedEngine, answering, in_background, whole_stream

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.load import Feeder, Item, Placement, Rules, Turn
from imaxproxy.load.process import Crew, Part
from imaxproxy.load.worker import WorkerSettings
from imaxproxy.metrics import Exchange, LivePart
from imaxproxy.runs import RunDirectory, read_journal
from imaxproxy.traces import TraceRow
from imaxproxy.wire import BaseUrl
from load.items import item

WORKER = "imaxproxy.conduct.replay.worker"


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    with in_background(ScriptedEngine(answering(*whole_stream(2)))) as running:
        yield running


def settings(engine: ScriptedEngine, out: Path) -> WorkerSettings:
    return WorkerSettings(BaseUrl.parse(engine.url, "--url"), Rules(), str(out))


def parts(
    names: list[str], workers: int = 1, make: Callable[[Turn], Item] = lambda turn: made(turn), gap_ns: int = 0
) -> list[Part]:
    schedule = [(number * gap_ns, TraceRow(name)) for number, name in enumerate(names)]
    return [Part(Feeder(Placement(workers).part(schedule, worker), make)) for worker in range(workers)]


def made(turn: Turn) -> Item:
    return item(turn.row.request_id, offset_ns=turn.offset_ns)


def ids(out: Path) -> list[str]:
    return sorted(exchange.ask.request_id for exchange in read_journal(RunDirectory(out)))


@pytest.mark.parametrize("workers", [1, 2])
def test_items_go_in_and_journals_come_out(engine: ScriptedEngine, tmp_path: Path, workers: int) -> None:
    names = [f"r{number}" for number in range(10)]
    crew = Crew(WORKER, workers)
    crew.feed(settings(engine, tmp_path), parts(names, workers))
    rows: list[dict[str, Any]] = list(crew.progress())
    assert rows[-1] == {"ended": "finished", "lost_lines": 0, "idle_cut_ns": 0}
    assert rows[-2] == {"in_flight": 0, "warming": 0, "idle_cut_ns": 0, "output_tokens": 20, "completed": 10}
    crew.close()
    assert ids(tmp_path) == sorted(names)
    assert len(RunDirectory(tmp_path).journals()) == workers


def test_all_workers_warm_up_before_one_of_them_begins(engine: ScriptedEngine, tmp_path: Path) -> None:
    def warm(turn: Turn) -> Item:
        return item(turn.row.request_id, kind="warmup", before_start=True, wait_for=turn.follows)

    warmups = [TraceRow("w0"), TraceRow("w1", wait_for=("w0",)), TraceRow("w2"), TraceRow("w3"), TraceRow("w4")]
    placements = [Placement(2), Placement(2)]
    schedule = [(0, TraceRow(f"r{number}")) for number in range(6)]
    fed = [
        Part(
            Feeder(placement.part(schedule, worker), made),
            Feeder(placement.part([(0, row) for row in warmups], worker), warm),
        )
        for worker, placement in enumerate(placements)
    ]
    crew = Crew(WORKER, 2)
    crew.feed(settings(engine, tmp_path), fed)
    assert list(crew.progress())[-1]["ended"] == "finished"
    crew.close()
    ended: list[Exchange] = []
    measured = list(read_journal(RunDirectory(tmp_path), on_warmup=ended.append))
    assert sorted(exchange.ask.request_id for exchange in measured) == [f"r{number}" for number in range(6)]
    assert {exchange.ask.request_id for exchange in ended} == {row.request_id for row in warmups}
    assert max(each.ended_ns for each in ended) <= min(each.ask.scheduled_ns or 0 for each in measured)


def test_more_workers_than_requests_is_no_harm(engine: ScriptedEngine, tmp_path: Path) -> None:
    crew = Crew(WORKER, 3)
    crew.feed(settings(engine, tmp_path), parts(["a"], 3))
    assert list(crew.progress())[-1]["ended"] == "finished"
    crew.close()
    assert ids(tmp_path) == ["a"]


def test_a_row_in_mid_trace_that_cannot_be_sent_is_told_at_the_end(engine: ScriptedEngine, tmp_path: Path) -> None:
    """What was sent before it is measured."""

    def make(turn: Turn) -> Item:
        if turn.row.request_id == "b":
            raise UsageError("request b: no good")
        return made(turn)

    crew = Crew(WORKER, 1)
    crew.feed(settings(engine, tmp_path), parts(["a", "b"], make=make))
    assert list(crew.progress())[-1]["ended"] == "finished"
    with pytest.raises(UsageError, match="request b: no good"):
        crew.close()
    assert ids(tmp_path) == ["a"]


def test_who_gives_up_in_mid_feed_hears_nothing_of_its_threads(engine: ScriptedEngine, tmp_path: Path) -> None:
    """As a second Ctrl-C does: they write and read while the worker is killed."""
    for number in range(4):
        crew = Crew(WORKER, 1)
        crew.feed(settings(engine, tmp_path), parts([f"{number}-{row}" for row in range(20_000)]))
        next(iter(crew.progress()))
        crew.abandon()
        assert not [thread for thread in threading.enumerate() if thread.daemon]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_making_items_stops_the_worker(engine: ScriptedEngine, tmp_path: Path) -> None:
    def make(turn: Turn) -> Item:
        if turn.row.request_id == "b":
            raise RuntimeError("a bug")
        return made(turn)

    crew = Crew(WORKER, 1)
    crew.feed(settings(engine, tmp_path), parts(["a", "b"], make=make))
    assert list(crew.progress())[-1]["ended"] == "interrupted"
    crew.close()


def test_workers_that_are_abandoned_end() -> None:
    crew = Crew(WORKER, 2)
    crew.abandon()
    with pytest.raises(ImaxproxyError, match="worker 0 with code -9, worker 1 with code -9"):
        crew.close()
    crew.abandon()  # again: no harm


def test_a_worker_that_is_killed_is_heard_of_and_the_others_stop(engine: ScriptedEngine, tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(1000)]
    crew = Crew(WORKER, 2)
    crew.feed(settings(engine, tmp_path), parts(names, 2, gap_ns=10**9))
    progress = crew.progress()
    next(progress)
    crew._workers[1]._process.kill()
    assert not any("ended" in row for row in progress)
    with pytest.raises(ImaxproxyError, match="worker 1 with code -9"):
        crew.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_say_what_is_in_flight_when_they_are_asked(
    engine: ScriptedEngine, tmp_path: Path, workers: int
) -> None:
    names = [f"r{number}" for number in range(24)]
    crew = Crew(WORKER, workers)
    heard: list[tuple[int, LivePart]] = []
    crew.on_live = lambda worker, row: heard.append((worker, LivePart.from_row(row)))
    crew.feed(settings(engine, tmp_path), parts(names, workers, gap_ns=50 * NS_PER_MS))
    crew.look()  # finds where everything stands
    rows = []
    for row in crew.progress():
        rows.append(row)
        crew.look()
    crew.close()
    crew.look()  # nobody is there any more
    assert rows[-1]["ended"] == "finished"
    assert {worker for worker, _ in heard} == set(range(workers))
    seen = LivePart()
    for _, part in heard:
        seen.merge_counts(part)
    assert 0 < seen.ended <= len(names)  # those that ended between the first look and the last one
    assert seen.events == seen.gap_ns.total + seen.ttft_ns.total
    assert seen.ttft_ns.total <= len(names)
