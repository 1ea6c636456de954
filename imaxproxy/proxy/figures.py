"""The supervisor's book: what all workers have told, the dead ones too, and the pages that are made of it."""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock
from imaxproxy.metrics import Exchange, Objective, Totals
from imaxproxy.proxy.board import LivePage, make_page
from imaxproxy.proxy.merged import Gauges, Merged, WorkerState
from imaxproxy.proxy.place import WorkerProcess

ANSWER_WITHIN_NS = 200 * NS_PER_MS
"""A worker that does not answer for so long counts with what it told last, and the page says so."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker tells: what ended since it last did, and what is so now."""

    totals: Totals
    gauges: Gauges
    lost_lines: int
    """Since it started."""
    journal_bytes: int
    """How long its journal is: what stands behind that has not been told."""


@dataclass(slots=True)
class _Told:
    """What is known of one living worker."""

    pid: int
    state: str = "starting"
    gauges: Gauges = field(default_factory=Gauges)
    lost_lines: int = 0
    journal_bytes: int = 0
    at_ns: int = 0


class Figures:
    """Totals of all workers that ever were: as large as those of one."""

    def __init__(self, objectives: tuple[Objective, ...] = ()) -> None:
        self.totals = Totals(objectives)
        self.restarts = 0
        self._lost_lines = 0
        self._told: dict[int, _Told] = {}

    @property
    def lost_lines(self) -> int:
        return self._lost_lines + sum(told.lost_lines for told in self._told.values())

    def join(self, number: int, pid: int) -> None:
        self._told[number] = _Told(pid)

    def state(self, number: int, state: str) -> None:
        self._told[number].state = state

    def take(self, number: int, part: Part, now_ns: int) -> None:
        self.totals.merge(part.totals)
        told = self._told[number]
        told.gauges, told.lost_lines, told.journal_bytes, told.at_ns = (
            part.gauges, part.lost_lines, part.journal_bytes, now_ns,
        )  # fmt: skip

    def leave(self, number: int, recover: Callable[[int, int], Iterable[Exchange]]) -> None:
        """A worker has ended. What it journalled and did not tell is read from its journal, so nothing counts twice."""
        told = self._told.pop(number)
        self._lost_lines += told.lost_lines
        for exchange in recover(number, told.journal_bytes):
            self.totals.add(exchange)

    def merged(self, silent: Iterable[int], now_ns: int) -> Merged:
        silent = set(silent)
        gauges = Gauges()
        for told in self._told.values():
            gauges.merge(told.gauges)
        workers = [
            WorkerState(number, told.pid, told.state, number not in silent, _age_s(told, now_ns))
            for number, told in self._told.items()
        ]
        return Merged(self.totals, gauges, self.lost_lines, workers, self.restarts)


@dataclass(slots=True)
class _Question:
    """A page that a worker's client waits for, while the others are asked how they stand."""

    request: int
    name: str
    asker: WorkerProcess
    waiting: set[int]
    due_ns: int


class Questions:
    """Pages under way."""

    def __init__(
        self, figures: Figures, engine: dict[str, Any] | None, clock_ns: Clock, live: LivePage | None = None
    ) -> None:
        self._figures, self._engine, self._clock_ns, self._live = figures, engine, clock_ns, live
        self._open: list[_Question] = []

    def ask(self, request: int, name: str, asker: WorkerProcess, workers: Iterable[WorkerProcess]) -> None:
        """`asker` wants a page, and has told its own part. One whose socket is full is not asked: it does not read."""
        others = [worker for worker in workers if worker is not asker and worker.ready]
        for worker in others:
            if not worker.channel.backlog:
                worker.channel.send("tell")
        waiting = {worker.number for worker in others}
        self._open.append(_Question(request, name, asker, waiting, self._clock_ns() + ANSWER_WITHIN_NS))
        self.look(self._clock_ns())

    def answered(self, number: int) -> None:
        """This worker has told its part, or has ended."""
        for question in self._open:
            question.waiting.discard(number)
        self.look(self._clock_ns())

    def due_ns(self) -> int | None:
        return min((question.due_ns for question in self._open), default=None)

    def look(self, now_ns: int) -> None:
        """Answer what is complete, or has waited long enough."""
        done = [question for question in self._open if not question.waiting or question.due_ns <= now_ns]
        if not done:
            return
        self._open = [question for question in self._open if question not in done]
        for question in done:
            try:
                page = make_page(
                    question.name, self._figures.merged(question.waiting, now_ns), self._engine, self._live
                )
            except Exception:  # a bug in a page must not end the workers; stderr hears of it, the client gets a 503
                traceback.print_exc()
                continue
            question.asker.channel.send("page", (question.request, page))


def _age_s(told: _Told, now_ns: int) -> float:
    return (now_ns - told.at_ns) / NS_PER_S if told.at_ns else 0.0
