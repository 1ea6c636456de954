"""The data process: what it reads ahead, and whom it tells."""

import asyncio
import os
import sys

import pytest
import uvloop
from on_loop import run, until
from scripted_engine import ScriptedEngine, answering, whole_stream

from imaxproxy.clock import monotonic_ns
from imaxproxy.load import Ended, Rules
from imaxproxy.load import worker as worker_module
from imaxproxy.load.item import END, WARM
from imaxproxy.load.worker import PRIMED_ITEMS, Inbox, Teller, WorkerSettings, say
from imaxproxy.wire import BaseUrl
from load.items import item, playing

FAR_NS = 10**15


class Primed:
    """Counts how often an inbox said that it is ready."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def test_settings_survive_the_pipe() -> None:
    settings = WorkerSettings(
        BaseUrl("e", 1, "/a", tls=True), Rules(3, 1.5, 9.0, 2, 1.0, 0.5), "out", 2, 7, 8, warms_up=True, tokenizer="/t"
    )
    row = {
        "url": {"host": "e", "port": 1, "prefix": "/a", "tls": True},
        "rules": {
            "concurrency": 3,
            "duration_s": 1.5,
            "timeout_s": 9.0,
            "retries": 2,
            "ramp_s": 1.0,
            "ramp_shift": 0.5,
        },
        "out": "out",
        "worker": 2,
        "start_fd": 7,
        "look_fd": 8,
        "warms_up": True,
        "tokenizer": "/t",
    }
    assert WorkerSettings.from_dict(row) == settings


@pytest.mark.parametrize(
    "frames",
    [
        [item(f"r{number}", offset_ns=FAR_NS).frame() for number in range(PRIMED_ITEMS + 5)],
        [item("a", offset_ns=FAR_NS).frame(), END],
        [END],
    ],
)
def test_it_is_ready_with_enough_in_hand_or_all_there_is(frames: list[bytes]) -> None:
    async def scenario() -> None:
        async with playing(answering()) as play:
            primed = Primed()
            inbox = Inbox(play.player, primed)
            for frame in frames:
                inbox.data_received(frame)
            assert primed.times == 1
            play.player.stop(Ended.INTERRUPTED)

    run(scenario())


def test_it_is_ready_when_its_warm_up_has_ended() -> None:
    async def scenario() -> None:
        async with playing(answering(*whole_stream(1)), starts_itself=False) as play:
            primed = Primed()
            inbox = Inbox(play.player, primed, warms_up=True)
            inbox.data_received(item("w", before_start=True, kind="warmup").frame())
            await until(lambda: "w" in play.exchanges, "the first to end")
            assert primed.times == 0  # more of the warm-up may come
            inbox.data_received(item("v", before_start=True, kind="warmup").frame() + WARM)
            inbox.data_received(item("a", offset_ns=0).frame() + END)
            assert primed.times == 0
            await until(lambda: primed.times, "it to be ready")
            assert set(play.exchanges) == {"w", "v"}
            assert play.player.outcomes.total() == 0
            play.player.start(monotonic_ns())
            assert await play.player.finished() is Ended.FINISHED
            assert (play.player.outcomes.total(), play.exchanges["v"].ask.kind) == (1, "warmup")

    run(scenario())


def test_it_is_ready_a_moment_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PRIMED_AFTER_S", 0.01)

    async def scenario() -> None:
        async with playing(answering()) as play:
            primed = Primed()
            inbox = Inbox(play.player, primed)
            inbox.data_received(item("a", offset_ns=FAR_NS).frame())
            assert primed.times == 0
            await until(lambda: primed.times, "it to be ready")
            inbox.data_received(END)
            assert primed.times == 1
            play.player.stop(Ended.INTERRUPTED)

    run(scenario())


def test_what_was_sent_is_told_once_a_turn_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(worker_module, "say", told.append)

    async def scenario() -> None:
        teller = Teller(asyncio.get_running_loop())
        for name in "ab":
            teller.on_sent(item(name))
        teller.on_ended(item("a"), None)
        teller.on_ended(item("b", tell_end=True), None)
        await asyncio.sleep(0)
        teller.on_sent(item("c"))
        await asyncio.sleep(0)

    run(scenario())
    assert told == [{"sent": ["a", "b"], "done": [("b", None)]}, {"sent": ["c"]}]


def test_a_pipe_that_ends_too_soon_stops_the_player() -> None:
    async def scenario() -> None:
        async with playing(answering()) as play:
            inbox = Inbox(play.player, Primed())
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


def test_what_a_callback_raises_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop would log it, and the request it was about would be in flight for ever."""
    stdin, feed = os.pipe()
    start, zero = os.pipe()
    monkeypatch.setattr(sys, "stdin", open(stdin))  # noqa: SIM115 (the loop closes it)

    def broken(_: object) -> None:
        raise LookupError("a bug of ours")

    async def scenario() -> None:
        async with ScriptedEngine(answering(*whole_stream(1))) as engine:
            settings = WorkerSettings(BaseUrl.parse(engine.url, "--url"), Rules(), "out", start_fd=start)
            playing = asyncio.ensure_future(worker_module.play(settings, broken, lambda _: None))
            asyncio.get_running_loop().call_soon(broken, None)
            with pytest.raises(LookupError, match="a bug of ours"):
                await playing

    try:
        uvloop.run(scenario())
    finally:
        for fd in (feed, start, zero):
            os.close(fd)
