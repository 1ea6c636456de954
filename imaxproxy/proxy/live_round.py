"""The supervisor's live view: while a worker has viewers, all are asked once a second what they see."""

import traceback
from collections.abc import Callable, Iterable

from imaxproxy.clock import Clock
from imaxproxy.metrics import LivePart, pause_ns
from imaxproxy.proxy.board import LivePage
from imaxproxy.proxy.figures import ANSWER_WITHIN_NS
from imaxproxy.proxy.merged import Merged
from imaxproxy.proxy.place import WorkerProcess

MergedOf = Callable[[set[int], int], Merged]
"""The whole proxy's figures; those of these workers are old."""


class LiveRound:
    """Asks, waits for a moment, makes the snapshot, and sends it to the workers whose clients watch."""

    def __init__(self, live: LivePage | None, merged: MergedOf, clock_ns: Clock) -> None:
        self._live, self._merged, self._clock_ns = live, merged, clock_ns
        self._watching: set[int] = set()
        self._next_ns: int | None = None
        self._waiting: set[int] = set()
        self._answer_by_ns: int | None = None
        self._part = LivePart()
        self._dearest_ns = 0

    def watch(self, number: int, *, on: bool, workers: Iterable[WorkerProcess]) -> None:
        """This worker has viewers now, or has none any more."""
        if on and self._live is not None:
            self._watching.add(number)
            if self._next_ns is None:
                self._next_ns = self._clock_ns()
        else:
            self._watching.discard(number)
        if not self._watching and self._next_ns is not None:
            self._next_ns = self._answer_by_ns = None
            for worker in workers:
                worker.channel.send("look no more")

    def take(self, number: int, part: LivePart, workers: Iterable[WorkerProcess]) -> None:
        """What one worker saw since it was last asked; an answer that comes too late counts in the next snapshot."""
        self._part.merge(part)
        self._dearest_ns = self._part.dearest_ns
        self._waiting.discard(number)
        self.look(workers)

    def leave(self, number: int, workers: Iterable[WorkerProcess]) -> None:
        """A worker has ended."""
        self._waiting.discard(number)
        if number in self._watching:
            self.watch(number, on=False, workers=workers)
        self.look(workers)

    def due_ns(self) -> int | None:
        return self._next_ns if self._answer_by_ns is None else self._answer_by_ns

    def look(self, workers: Iterable[WorkerProcess]) -> None:
        """Do what is due."""
        now_ns = self._clock_ns()
        if self._answer_by_ns is not None and (not self._waiting or self._answer_by_ns <= now_ns):
            self._show(workers, now_ns)
        if self._answer_by_ns is None and self._next_ns is not None and self._next_ns <= now_ns:
            self._ask(workers, now_ns)

    def _ask(self, workers: Iterable[WorkerProcess], now_ns: int) -> None:
        asked = [worker for worker in workers if worker.ready and not worker.channel.backlog]
        for worker in asked:
            worker.channel.send("look")
        self._waiting = {worker.number for worker in asked}
        self._answer_by_ns = now_ns + ANSWER_WITHIN_NS
        self._next_ns = now_ns + pause_ns(self._dearest_ns)

    def _show(self, workers: Iterable[WorkerProcess], now_ns: int) -> None:
        part, self._part = self._part, LivePart()
        self._answer_by_ns = None
        if self._live is None or not part.at_ns:
            return
        try:
            page = self._live(self._merged(self._waiting, now_ns), part)
        except Exception:  # a bug in a page must not end the workers; stderr hears of it, viewers get nothing new
            traceback.print_exc()
            return
        for worker in workers:
            if worker.number in self._watching and not worker.channel.backlog:  # one that is slow misses a snapshot
                worker.channel.send("live", page)
