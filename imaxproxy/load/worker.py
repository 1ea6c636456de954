"""The data process of a replay: items in on stdin, exchanges out to a sink, what was sent and how it goes on stdout."""

import asyncio
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from imaxproxy.load.answer_tokens import AnswerTokens
from imaxproxy.load.attempt import Attempt
from imaxproxy.load.item import FrameReader, Item
from imaxproxy.load.looks import Looks
from imaxproxy.load.player import Player, Sink
from imaxproxy.load.rules import Ended, Rules
from imaxproxy.metrics import HealthProbe, HealthSample, tune_gc
from imaxproxy.wire import BaseUrl, Pool, read_stamps

PROGRESS_EVERY_S = 0.25
PRIMED_ITEMS = 32
"""With so many in hand (or all there are, or a moment after the first) a worker is ready to start."""
PRIMED_AFTER_S = 0.25
ZERO = struct.Struct("<q")
"""The schedule's zero, in ns of CLOCK_MONOTONIC, as it comes to every worker."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The first line on the worker's stdin, as JSON."""

    url: BaseUrl
    rules: Rules
    out: str
    worker: int = 0
    start_fd: int = -1
    """Where the schedule's zero comes from once all workers are ready; -1: start with the first item."""
    look_fd: int = -1
    """Where it is asked what is in flight, a byte each time; -1: nobody will."""
    warms_up: bool = False
    """Items before the start come first: the worker is ready when they have ended."""
    tokenizer: str | None = None
    """Where the tokenizer lies that counts what the engine does not."""

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "WorkerSettings":
        return cls(**{**row, "url": BaseUrl(**row["url"]), "rules": Rules(**row["rules"])})


class Teller:
    """Says on stdout what was sent and what has ended: once a turn of the loop, not once a request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sent: list[str] = []
        self._done: list[tuple[str, dict[str, Any] | None]] = []

    def on_sent(self, item: Item) -> None:
        self._call_later()
        self._sent.append(item.request_id)

    def on_ended(self, item: Item, attempt: Attempt | None) -> None:
        if item.tell_end:
            self._call_later()
            kept = attempt.answer if attempt is not None else None
            self._done.append((item.request_id, None if kept is None else kept.message()))

    def _call_later(self) -> None:
        if not self._sent and not self._done:
            self._loop.call_soon(self._say)

    def _say(self) -> None:
        say({"sent": self._sent, "done": self._done} if self._done else {"sent": self._sent})
        self._sent, self._done = [], []


class Inbox(asyncio.Protocol):
    """Reads frames from the pipe. Whoever writes them waits until the queue has room."""

    def __init__(self, player: Player, on_primed: Callable[[], None], *, warms_up: bool = False) -> None:
        self._player, self._on_primed, self._warms_up = player, on_primed, warms_up
        player.on_warm = self._prime
        self._frames = FrameReader()
        self._timer: asyncio.TimerHandle | None = None
        self._is_primed = False

    def data_received(self, data: bytes) -> None:
        for item in self._frames.feed(data):
            self._player.offer(item)
        if self._frames.ended:
            self._player.no_more_items()
        self._prime()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._frames.ended:  # whoever made the items is gone
            self._player.stop(Ended.INTERRUPTED)

    def _prime(self) -> None:
        if self._is_primed or (self._warms_up and (self._player.warming or not self._frames.warm_fed)):
            return
        if self._frames.ended or self._player.free >= PRIMED_ITEMS:
            self._is_primed = True
            self._on_primed()
        elif self._timer is None and self._player.free:
            self._timer = asyncio.get_running_loop().call_later(PRIMED_AFTER_S, self._prime_as_it_is)

    def _prime_as_it_is(self) -> None:
        """Big prompts take their time: what is here can start."""
        if not self._is_primed:
            self._is_primed = True
            self._on_primed()


async def play(settings: WorkerSettings, sink: Sink, health_sink: Callable[[HealthSample], None]) -> Ended:
    """Play what comes on stdin until its end, or until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    _allow_many_connections()
    pool = Pool(settings.url)
    waits = settings.start_fd >= 0
    counter = None if settings.tokenizer is None else await AnswerTokens.started(settings.tokenizer)
    player = Player(pool, settings.rules, sink, listener=Teller(loop), starts_itself=not waits, counter=counter)
    loop.set_exception_handler(lambda _, context: _on_unheard(player, loop, context))
    inbox = Inbox(player, _say_ready, warms_up=settings.warms_up)
    if waits:
        loop.add_reader(settings.start_fd, _start, loop, settings.start_fd, player)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, player.stop, Ended.INTERRUPTED)
    signal.pthread_sigmask(
        signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM)
    )  # Ray's threads start us with both blocked
    say({"up": True})
    pipe, _ = await loop.connect_read_pipe(lambda: inbox, sys.stdin.buffer)
    tune_gc()
    probe = HealthProbe(loop, health_sink, settings.worker, reads=read_stamps)
    reporter = loop.create_task(_report(player))
    looks = Looks(settings.look_fd, player.live, say) if settings.look_fd >= 0 else None
    try:
        ended = await player.finished()
        if counter is not None:
            await counter.close()
        return ended
    finally:
        reporter.cancel()
        if looks is not None:
            looks.close()
        pipe.close()
        probe.close()
        pool.close()
        say(_progress(player))


def _on_unheard(player: Player, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a callback raised, and the loop would only log: what it was to do stays undone, and a request may be in
    flight for ever. So the run ends. What a socket raises as it closes is no bug.
    """
    bug = context.get("exception")
    if bug is None or isinstance(bug, OSError):
        loop.default_exception_handler(context)
    else:
        player.fail(bug)


def _say_ready() -> None:
    say({"ready": True})


def _start(loop: asyncio.AbstractEventLoop, fd: int, player: Player) -> None:
    data = os.read(fd, ZERO.size)
    loop.remove_reader(fd)
    if len(data) < ZERO.size:  # the command is gone
        player.stop(Ended.INTERRUPTED)
    else:
        player.start(ZERO.unpack(data)[0])


def _allow_many_connections() -> None:
    """As many descriptors as the system lets this user have; the usual soft limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _report(player: Player) -> None:
    while True:
        await asyncio.sleep(PROGRESS_EVERY_S)
        if not say(_progress(player)):  # the command was killed: nobody is left who wants this load
            player.stop(Ended.INTERRUPTED)
            return


def _progress(player: Player) -> dict[str, Any]:
    counts = {outcome.value: count for outcome, count in player.outcomes.items()}
    return {
        "in_flight": player.in_flight,
        "warming": player.warming,
        "idle_cut_ns": player.idle_cut_ns,
        "output_tokens": player.output_tokens,
        **counts,
    }


def say(row: dict[str, Any]) -> bool:
    """One line to whoever shows progress; False when nobody listens any more."""
    line = orjson.dumps(row) + b"\n"
    try:
        while line:  # only this process writes to the pipe, so a line that goes in pieces stays whole
            line = line[os.write(sys.stdout.fileno(), line) :]
    except BrokenPipeError:
        return False
    return True
