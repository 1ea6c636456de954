"""The live snapshots of a replay, made in the command's process: workers tell what is in flight, journals the rest."""

import traceback
from collections.abc import Callable
from typing import Any

from imaxproxy.clock import NS_PER_S, Clock, monotonic_ns
from imaxproxy.live.feed.crew_view import View
from imaxproxy.live.feed.maker import Facts, SnapshotMaker
from imaxproxy.metrics import pause_ns

Json = dict[str, Any]
Viewer = Callable[[Json], None]


class PlayerFeed:
    """`tick` is called often, by whoever follows the workers; each `viewers` gets a snapshot a second.

    Without viewers nobody is asked and nothing is read.
    """

    def __init__(
        self,
        view: View,
        maker: SnapshotMaker,
        *,
        simulated: bool = False,
        requests: int | None = None,
        duration_s: float | None = None,
        progress: Callable[[], Json | None] | None = None,
        clock_ns: Clock = monotonic_ns,
    ) -> None:
        """requests, duration_s: how far the run goes, where that is known.  progress: of a sweep; None: in requests."""
        self.viewers: list[Viewer] = []
        self._view, self._maker, self._clock_ns = view, maker, clock_ns
        self._simulated, self._requests, self._duration_s = simulated, requests, duration_s
        self._progress = progress
        self._next_ns = 0
        self._answer_by_ns: int | None = None
        self._dearest_ns = 0
        view.on_answered = self._on_answered

    def watch(self, viewer: Viewer) -> Callable[[], None]:
        """Show it snapshots from now on, until what this returns is called. From any thread."""
        self.viewers.append(viewer)
        return lambda: self.viewers.remove(viewer) if viewer in self.viewers else None

    def tick(self) -> None:
        """Ask when it is time; show what has been answered."""
        try:
            now_ns = self._clock_ns()
            if self._answer_by_ns is not None and (self._view.is_answered() or now_ns >= self._answer_by_ns):
                self._show()
            if self.viewers and self._answer_by_ns is None and now_ns >= self._next_ns:
                self._next_ns = now_ns + pause_ns(self._dearest_ns)
                self._answer_by_ns = now_ns + self._view.answer_within_ns
                self._view.ask()
        except Exception:  # a bug in the view must not end the run: stderr hears of it, viewers see nothing new
            self._give_up()

    def _on_answered(self) -> None:
        if self._answer_by_ns is not None:
            self._show()

    def _show(self) -> None:
        self._answer_by_ns = None
        if not self.viewers:
            return
        try:
            parts = self._view.take()
            if parts is None:
                return
            self._dearest_ns = max((part.dearest_ns for part in parts.values()), default=self._dearest_ns)
            at_ns = max((part.at_ns for part in parts.values()), default=self._clock_ns())
            snapshot = self._maker.make(self._view.totals, parts, self._facts(at_ns))
            for viewer in list(self.viewers):
                viewer(snapshot)
        except Exception:  # as above
            self._give_up()

    def _give_up(self) -> None:
        traceback.print_exc()
        self.viewers.clear()

    def _facts(self, at_ns: int) -> Facts:
        zero_ns = self._view.zero_ns
        done = self._view.totals.tally.sent
        progress = self._progress() if self._progress is not None else None
        if progress is None and self._requests is not None:
            progress = {"done": done, "of": self._requests, "unit": "requests", "points": []}
        return Facts(
            simulated=self._simulated,
            remaining_s=self._remaining_s(at_ns, zero_ns, done),
            progress=progress,
            started_ns=zero_ns,
            at_ns=at_ns,
            nodes=self._view.nodes,
            reasons=self._view.reasons,
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
