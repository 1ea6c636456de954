"""The live snapshots of a replay, made in the command's process: workers tell what is in flight, journals the rest."""

import traceback
from collections.abc import Callable
from typing import Any, Protocol

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from imaxproxy.live.feed.journal_follower import JournalFollower
from imaxproxy.live.feed.maker import Facts, SnapshotMaker
from imaxproxy.metrics import LivePart, Objective, Totals, pause_ns
from imaxproxy.runs import RunDirectory

Json = dict[str, Any]
Viewer = Callable[[Json], None]
_ANSWER_WITHIN_NS = 200 * NS_PER_MS
_READ_NS = 150 * NS_PER_MS
"""Of each second, for the journal: where requests end faster than that, the view is behind, and the load is not."""


class Lookable(Protocol):
    """The workers of a replay (`load.process.Crew`)."""

    on_live: Callable[[int, Json], None]
    zero_ns: int | None

    @property
    def size(self) -> int: ...

    def look(self) -> None: ...


class PlayerFeed:
    """`tick` is called often, by whoever follows the workers; each `viewers` gets a snapshot a second.

    Without viewers nobody is asked and nothing is read.
    """

    def __init__(
        self,
        run: RunDirectory,
        crew: Lookable,
        maker: SnapshotMaker,
        *,
        simulated: bool = False,
        requests: int | None = None,
        duration_s: float | None = None,
        objectives: tuple[Objective, ...] = (),
        progress: Callable[[], Json | None] | None = None,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        """requests, duration_s: how far the run goes, where that is known.  progress: of a sweep; None: in requests."""
        self.viewers: list[Viewer] = []
        self._crew, self._maker, self._clock_ns = crew, maker, clock_ns
        self._simulated, self._requests, self._duration_s = simulated, requests, duration_s
        self._progress = progress
        self._totals = Totals(objectives)
        self._journal = JournalFollower(run, self._totals.add, self._totals.add_health, clock_ns)
        self._next_ns = 0
        self._answer_by_ns: int | None = None
        self._answered: set[int] = set()
        self._part = LivePart()
        self._dearest_ns = 0
        crew.on_live = self._hear

    def watch(self, viewer: Viewer) -> Callable[[], None]:
        """Show it snapshots from now on, until what this returns is called. From any thread."""
        self.viewers.append(viewer)
        return lambda: self.viewers.remove(viewer) if viewer in self.viewers else None

    def tick(self) -> None:
        """Ask when it is time; show what has been answered."""
        now_ns = self._clock_ns()
        if self._answer_by_ns is not None and now_ns >= self._answer_by_ns:
            self._show()
        if self.viewers and self._answer_by_ns is None and now_ns >= self._next_ns:
            self._next_ns, self._answer_by_ns = now_ns + pause_ns(self._dearest_ns), now_ns + _ANSWER_WITHIN_NS
            self._answered.clear()
            self._crew.look()

    def _hear(self, worker: int, row: Json) -> None:
        self._part.merge(LivePart.from_row(row))
        self._dearest_ns = self._part.dearest_ns
        self._answered.add(worker)
        if len(self._answered) >= self._crew.size:
            self._show()

    def _show(self) -> None:
        """A worker that answers later counts in the next snapshot."""
        part, self._part = self._part, LivePart()
        self._answer_by_ns = None
        if not part.at_ns or not self.viewers:
            return
        try:
            self._journal.read(_READ_NS)
            snapshot = self._maker.make(self._totals, part, self._facts(part.at_ns))
            for viewer in list(self.viewers):
                viewer(snapshot)
        except Exception:  # a bug in the view must not end the run: stderr hears of it, viewers see nothing new
            traceback.print_exc()
            self.viewers.clear()

    def _facts(self, at_ns: int) -> Facts:
        zero_ns = self._crew.zero_ns
        done = self._totals.tally.sent
        progress = self._progress() if self._progress is not None else None
        if progress is None and self._requests is not None:
            progress = {"done": done, "of": self._requests, "unit": "requests", "points": []}
        return Facts(
            simulated=self._simulated,
            remaining_s=self._remaining_s(at_ns, zero_ns, done),
            progress=progress,
            started_ns=zero_ns,
        )

    def _remaining_s(self, at_ns: int, zero_ns: int | None, done: int) -> float | None:
        """By the clock where the run ends by it; else as if the rest went as what is done."""
        if zero_ns is None:
            return None
        elapsed_s = max(at_ns - zero_ns, 0) / NS_PER_S
        if self._duration_s is not None:
            return max(self._duration_s - elapsed_s, 0.0)
        if self._requests is None or not done:
            return None
        return elapsed_s / done * max(self._requests - done, 0)
