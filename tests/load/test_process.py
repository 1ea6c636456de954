"""The worker as its command sees it: a child process that never outlives its use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine, answering, in_background, whole_stream

from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.load import Item, Rules
from imaxproxy.load.process import PlayerProcess, check_worker
from imaxproxy.load.worker import WorkerSettings
from imaxproxy.runs import RunDirectory, read_journal
from imaxproxy.wire import BaseUrl
from load.items import item

WORKER = "imaxproxy.cli.player_worker"


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    with in_background(ScriptedEngine(answering(*whole_stream(2)))) as running:
        yield running


def settings(engine: ScriptedEngine, out: Path) -> WorkerSettings:
    return WorkerSettings(BaseUrl.parse(engine.url, "--url"), Rules(), str(out))


def ids(out: Path) -> list[str]:
    return sorted(exchange.ask.request_id for exchange in read_journal(RunDirectory(out)))


def test_items_go_in_and_a_journal_comes_out(engine: ScriptedEngine, tmp_path: Path) -> None:
    worker = PlayerProcess(WORKER)
    worker.feed(settings(engine, tmp_path), (item(f"r{number}") for number in range(10)))
    lines = list(worker.progress())
    assert lines[-1] == {"ended": "finished", "lost_lines": 0}
    assert lines[-2] == {"in_flight": 0, "output_tokens": 20, "completed": 10}
    assert worker.close() == 0
    assert ids(tmp_path) == sorted(f"r{number}" for number in range(10))


def test_a_row_in_mid_trace_that_cannot_be_sent_is_told_at_the_end(engine: ScriptedEngine, tmp_path: Path) -> None:
    """What was sent before it is measured."""

    def items() -> Iterator[Item]:
        yield item("a")
        raise UsageError("request b: no good")

    worker = PlayerProcess(WORKER)
    worker.feed(settings(engine, tmp_path), items())
    assert list(worker.progress())[-1]["ended"] == "finished"
    with pytest.raises(UsageError, match="request b: no good"):
        worker.close()
    assert ids(tmp_path) == ["a"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_making_items_stops_the_worker(engine: ScriptedEngine, tmp_path: Path) -> None:
    def items() -> Iterator[Item]:
        yield item("a")
        raise RuntimeError("a bug")

    worker = PlayerProcess(WORKER)
    worker.feed(settings(engine, tmp_path), items())
    assert list(worker.progress())[-1]["ended"] == "interrupted"
    assert worker.close() == 0


def test_a_worker_that_is_abandoned_ends() -> None:
    worker = PlayerProcess(WORKER)
    worker.abandon()
    assert worker.close() != 0
    worker.abandon()  # again: no harm


def test_a_worker_that_is_killed_is_heard_of(engine: ScriptedEngine, tmp_path: Path) -> None:
    worker = PlayerProcess(WORKER)
    worker.feed(settings(engine, tmp_path), (item(f"r{number}", offset_ns=number * 10**9) for number in range(1000)))
    next(worker.progress())
    worker._process.kill()
    assert not any("ended" in line for line in worker.progress())
    with pytest.raises(ImaxproxyError, match="ended with code -9"):
        check_worker(worker.close())
