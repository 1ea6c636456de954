"""The data process: what it reads ahead, and whom it tells."""

import asyncio
import os
import sys

import pytest
from on_loop import run, until
from scripted_engine import answering, whole_stream

from imaxproxy.load import Ended, Item, Rules
from imaxproxy.load import worker as worker_module
from imaxproxy.load.item import END
from imaxproxy.load.worker import QUEUE_ITEMS, Inbox, WorkerSettings, say
from imaxproxy.wire import BaseUrl
from load.items import Playing, item, playing

FAR_NS = 10**15


class FakePipe(asyncio.ReadTransport):
    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


def inbox_of(play: Playing) -> tuple[Inbox, FakePipe]:
    inbox, pipe = Inbox(play.player), FakePipe()
    inbox.connection_made(pipe)
    return inbox, pipe


def pour(inbox: Inbox, pipe: FakePipe, items: list[Item]) -> int:
    """Feed items as long as they are wanted; how many that were."""
    for number, each in enumerate(items):
        if not pipe.reading:
            return number
        inbox.data_received(each.frame())
    return len(items)


def test_settings_survive_the_pipe() -> None:
    settings = WorkerSettings(BaseUrl("e", 1, "/a", tls=True), Rules(3, 1.5, 9.0), "out", 2)
    row = {
        "url": {"host": "e", "port": 1, "prefix": "/a", "tls": True},
        "rules": {"concurrency": 3, "duration_s": 1.5, "timeout_s": 9.0},
        "out": "out",
        "worker": 2,
    }
    assert WorkerSettings.from_dict(row) == settings


def test_it_reads_ahead_and_not_endlessly() -> None:
    async def scenario() -> None:
        async with playing(answering()) as play:
            inbox, pipe = inbox_of(play)
            items = [item(f"r{number}", offset_ns=FAR_NS) for number in range(2 * QUEUE_ITEMS)]
            assert pour(inbox, pipe, items) == QUEUE_ITEMS
            inbox.resume_if_room()
            assert not pipe.reading  # idle, and still enough to do
            play.player.stop(Ended.INTERRUPTED)

    run(scenario())


@pytest.mark.parametrize("concurrency", [None, 2])
def test_what_waits_for_others_does_not_keep_the_rest_from_going(concurrency: int | None) -> None:
    """A long session at the trace's start must leave no place of a closed loop empty, and no open one late."""

    async def scenario() -> None:
        async with playing(answering(), Rules(concurrency=concurrency)) as play:  # answers nothing: all stays in flight
            inbox, pipe = inbox_of(play)
            session = [item("s0"), *(item(f"s{n}", wait_for=(f"s{n - 1}",)) for n in range(1, 2 * QUEUE_ITEMS))]
            assert pour(inbox, pipe, [*session, item("other")]) == len(session) + 1
            await until(lambda: sorted(play.asked) == ["other", "s0"], "both to be asked")
            play.player.stop(Ended.INTERRUPTED)

    run(scenario())


def test_memory_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "QUEUE_BYTES", 10_000)

    async def scenario() -> None:
        async with playing(answering()) as play:
            inbox, pipe = inbox_of(play)
            items = [item(f"{number:01000}", offset_ns=FAR_NS) for number in range(100)]
            assert pour(inbox, pipe, items) < 12
            play.player.stop(Ended.INTERRUPTED)

    run(scenario())


def test_it_reads_on_when_all_it_holds_waits_for_what_it_has_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "QUEUE_BYTES", 1000)

    async def scenario() -> None:
        async with playing(answering(*whole_stream(2))) as play:
            inbox, pipe = inbox_of(play)
            inbox.data_received(item("b" * 1000, wait_for=("a",)).frame())
            assert not pipe.reading
            inbox.resume_if_room()
            assert pipe.reading
            inbox.data_received(item("a").frame() + END)
            assert await play.player.finished() is Ended.FINISHED
            assert len(play.exchanges) == 2

    run(scenario())


def test_a_pipe_that_ends_too_soon_stops_the_player() -> None:
    async def scenario() -> None:
        async with playing(answering()) as play:
            inbox, _ = inbox_of(play)
            inbox.data_received(item("a", offset_ns=FAR_NS).frame())
            inbox.connection_lost(None)
            assert await play.player.finished() is Ended.INTERRUPTED

    run(scenario())


def test_it_notices_that_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    with open(write_end, "wb") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert say({"in_flight": 1})
        assert os.read(read_end, 100) == b'{"in_flight":1}\n'
        os.close(read_end)
        assert not say({"in_flight": 1})
