"""The data process of a replay: items in on stdin, exchanges out to a sink, progress on stdout."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import orjson

from imaxproxy.load.item import FrameReader
from imaxproxy.load.player import Ended, Player, Rules, Sink
from imaxproxy.metrics import Exchange, HealthProbe, HealthSample, tune_gc
from imaxproxy.wire import BaseUrl, Pool

PROGRESS_EVERY_S = 0.25
QUEUE_ITEMS = 256
"""Items held that are free to go: minutes of most traces. Items that wait for others do not count: those that are free
stand behind them."""
QUEUE_BYTES = 256 << 20
"""Of all items held."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The first line on the worker's stdin, as JSON."""

    url: BaseUrl
    rules: Rules
    out: str
    worker: int = 0

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "WorkerSettings":
        return cls(BaseUrl(**row["url"]), Rules(**row["rules"]), row["out"], row["worker"])


class Inbox(asyncio.Protocol):
    """Reads frames from the pipe; stops reading while the player has enough to do."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._frames = FrameReader()
        self._transport: asyncio.ReadTransport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        for item in self._frames.feed(data):
            self._player.offer(item)
        if self._frames.ended:
            self._player.no_more_items()
        elif self._transport is not None and not self._paused and self._is_full(QUEUE_ITEMS, QUEUE_BYTES):
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._frames.ended:  # whoever made the items is gone
            self._player.stop(Ended.INTERRUPTED)

    def resume_if_room(self) -> None:
        """Read on when the queue is half empty, or when all of it waits for items that have not been read yet."""
        if not self._paused or self._transport is None:
            return
        stuck = not self._player.in_flight and not self._player.free
        if stuck or not self._is_full(QUEUE_ITEMS // 2, QUEUE_BYTES // 2):
            self._paused = False
            self._transport.resume_reading()

    def _is_full(self, items: int, data_bytes: int) -> bool:
        return self._player.free >= items or self._player.queued_bytes >= data_bytes


async def play(settings: WorkerSettings, sink: Sink, health_sink: Callable[[HealthSample], None]) -> Ended:
    """Play what comes on stdin until its end, or until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    pool = Pool(settings.url)

    def take(exchange: Exchange) -> None:
        sink(exchange)
        inbox.resume_if_room()

    player = Player(pool, settings.rules, take)
    inbox = Inbox(player)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, player.stop, Ended.INTERRUPTED)
    pipe, _ = await loop.connect_read_pipe(lambda: inbox, sys.stdin.buffer)
    tune_gc()
    probe = HealthProbe(loop, health_sink, settings.worker)
    reporter = loop.create_task(_report(player, inbox))
    try:
        return await player.finished()
    finally:
        reporter.cancel()
        pipe.close()
        probe.close()
        pool.close()
        say(_progress(player))


async def _report(player: Player, inbox: Inbox) -> None:
    while True:
        await asyncio.sleep(PROGRESS_EVERY_S)
        inbox.resume_if_room()
        if not say(_progress(player)):  # the command was killed: nobody is left who wants this load
            player.stop(Ended.INTERRUPTED)
            return


def _progress(player: Player) -> dict[str, Any]:
    counts = {outcome.value: count for outcome, count in player.outcomes.items()}
    return {"in_flight": player.in_flight, "output_tokens": player.output_tokens, **counts}


def say(row: dict[str, Any]) -> bool:
    """One line to whoever shows progress; False when nobody listens any more."""
    try:
        os.write(sys.stdout.fileno(), orjson.dumps(row) + b"\n")  # whole or not at all: shorter than PIPE_BUF
    except BrokenPipeError:
        return False
    return True
