"""What the workers of this machine and their journals say, each time somebody looks."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from imaxproxy.live.feed.journal_follower import JournalFollower
from imaxproxy.live.feed.nodes import Look, NodeSeen
from imaxproxy.live.feed.ticks import SILENT_S
from imaxproxy.metrics import LivePart, Objective, Totals
from imaxproxy.metrics.live_part import slowest
from imaxproxy.runs import RunDirectory

Json = dict[str, Any]
_ANSWER_WITHIN_NS = 200 * NS_PER_MS
_READ_NS = 150 * NS_PER_MS
"""Of each second, for the journal: where requests end faster than that, the view is behind, and the load is not."""
HERE = ""
"""The name of what is seen where one machine plays."""


class Lookable(Protocol):
    """The workers of a replay (`load.process.Crew`)."""

    on_live: Callable[[int, Json], None]
    zero_ns: int | None

    @property
    def size(self) -> int: ...

    def look(self) -> None: ...


class View(Protocol):
    """Who is looked at: asked once a second, and no more than that."""

    answer_within_ns: int
    """So long an answer is waited for; one that comes later counts the next time."""
    on_answered: Callable[[], None]
    """To be called once all that were asked have answered, where somebody hears of it at once."""

    @property
    def totals(self) -> Totals:
        """All that has ended, as far as it is known."""

    @property
    def zero_ns(self) -> int | None:
        """When the schedule began."""

    @property
    def nodes(self) -> list[NodeSeen]:
        """Of a cluster; empty where one machine plays."""

    @property
    def reasons(self) -> list[str]:
        """Why the figures are not to be believed, beside the meter's own health."""

    def ask(self) -> None:
        """Do not wait for an answer."""

    def is_answered(self) -> bool:
        """All that were asked have."""

    def take(self) -> Mapping[str, LivePart] | None:
        """What has come since the last time, by who said it; None where there is nothing to be shown yet."""


class CrewView:
    """`View` of one machine. `totals` are of the whole run here; on a node whoever hands them on takes them away."""

    answer_within_ns = _ANSWER_WITHIN_NS

    def __init__(
        self,
        run: RunDirectory,
        crew: Lookable,
        objectives: tuple[Objective, ...] = (),
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        self.on_answered: Callable[[], None] = lambda: None
        self._crew, self._objectives, self._clock_ns = crew, objectives, clock_ns
        self._totals = Totals(objectives)
        self._journal = JournalFollower(
            run,
            lambda exchange: self._totals.add(exchange),
            lambda sample: self._totals.add_health(sample),
            clock_ns,
        )
        self._heard = threading.Condition()
        self._answered: set[int] = set()
        self._fresh: dict[int, LivePart] = {}
        """By worker: since they were last taken."""
        self._last: dict[int, tuple[int, LivePart]] = {}
        """When each was last heard of, and what was so then."""
        crew.on_live = self._hear

    @property
    def totals(self) -> Totals:
        return self._totals

    @property
    def zero_ns(self) -> int | None:
        return self._crew.zero_ns

    @property
    def nodes(self) -> list[NodeSeen]:
        return []

    @property
    def reasons(self) -> list[str]:
        return []

    def ask(self) -> None:
        with self._heard:
            self._answered.clear()
        self._crew.look()

    def is_answered(self) -> bool:
        return len(self._answered) >= self._crew.size

    def take(self) -> Mapping[str, LivePart] | None:
        part = self._taken()
        if not part.at_ns:
            return None
        self._journal.read(_READ_NS)
        return {HERE: part}

    def look(self) -> Look:
        """Ask, wait for as long as is waited for, and hand on all that has come since the last time. For one thread
        beside the one that hears the workers."""
        self.ask()
        with self._heard:
            self._heard.wait_for(self.is_answered, _ANSWER_WITHIN_NS / NS_PER_S)
        part = self._taken()
        self._journal.read(_READ_NS)
        totals, self._totals = self._totals, Totals(self._objectives)
        return Look(part, totals)

    def _taken(self) -> LivePart:
        """All that was answered; who has not keeps for a while what it last had in flight."""
        whole = LivePart()
        with self._heard:
            fresh, self._fresh = self._fresh, {}
        now_ns = self._clock_ns()
        for worker, part in fresh.items():
            whole.merge(part)
            self._last[worker] = part.at_ns, part.gauges()
        for worker, (at_ns, gauges) in self._last.items():
            if worker not in fresh and now_ns - at_ns <= SILENT_S * NS_PER_S:
                whole.merge_counts(gauges)
                whole.streams = slowest([*whole.streams, *gauges.streams])
        return whole

    def _hear(self, worker: int, row: Json) -> None:
        """A worker that answers later counts the next time."""
        part = LivePart.from_row(row)
        with self._heard:
            earlier = self._fresh.get(worker)
            self._fresh[worker] = part if earlier is None else part.after(earlier)
            self._answered.add(worker)
            is_last = self.is_answered()
            self._heard.notify_all()
        if is_last:
            self.on_answered()
