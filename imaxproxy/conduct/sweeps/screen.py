"""What the screen of a sweep shows: the points beside the figures of the one that is being played."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imaxproxy.live.snapshot import SCHEMA
from imaxproxy.sweep import DONE, FAILED, PENDING, SKIPPED, Curve, Point, SweepRecord, finished
from imaxproxy.sweep.figures import figures_of
from imaxproxy.sweep.point import SIMULATE, VIRTUAL

if TYPE_CHECKING:
    from imaxproxy.live.screen.host import HostedScreen

PLAYING = "playing"
_TICK_S = 1.0
_BEFORE, _AFTER = 40, 40
"""Points told of around the one that is being played: a matrix has thousands."""


class SweepScreen:
    """Hands on the snapshots of points, and while none comes (virtual time, an engine that starts) ones of its own."""

    def __init__(
        self,
        screen: "HostedScreen | None",
        title: str,
        record: SweepRecord,
        curves: Sequence[Curve],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """screen: None where there is none; then nothing is made."""
        self._screen, self._title, self._record, self._clock_s = screen, title, record, clock_s
        self._points = [point for curve in curves for point in curve.points]
        self._playing: set[Point] = set()
        self._figures: dict[Point, dict[str, Any]] = {}
        self._began_s = clock_s()
        self._shown_s = float("-inf")
        self._lock = threading.Lock()
        if screen is not None:
            threading.Thread(target=self._tick, daemon=True).start()

    @property
    def is_up(self) -> bool:
        """False where there is none, and once the person has left it."""
        return self._screen is not None and self._screen.is_up

    def begin(self, point: Point) -> None:
        """It is being played now."""
        with self._lock:
            self._playing.add(point)

    def end(self, point: Point) -> None:
        """It is played, to whatever end."""
        with self._lock:
            self._playing.discard(point)

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """Of the point that is being played."""
        self._shown_s = self._clock_s()
        if self._screen is not None:
            self._screen.show({**snapshot, "source": "sweep", "remaining_s": None})  # that was the point's

    def progress(self) -> dict[str, Any]:
        """As `progress` of a snapshot."""
        with self._lock:
            playing = set(self._playing)
        states = [PLAYING if point in playing else self._record.state(point) for point in self._points]
        settled = sum(state in (DONE, FAILED, SKIPPED) for state in states)
        at = next((i for i, state in enumerate(states) if state in (PLAYING, PENDING)), len(states))
        around = range(max(at - _BEFORE, 0), min(at + _AFTER, len(states)))
        points = [self._row(self._points[index], states[index]) for index in around]
        return {"done": settled, "of": len(states), "unit": "points", "points": points}

    def _row(self, point: Point, state: str) -> dict[str, Any]:
        figures = self._figures_of(point) if state == DONE else {}
        return {
            "name": f"{point.workload}/{point.run.name}",
            "state": state,
            "reason": self._record.reason(point) or None,
            "total_tokens_per_s_per_gpu": figures.get("total_per_gpu"),
            "tps_per_user": figures.get("interactivity"),
        }

    def _figures_of(self, point: Point) -> dict[str, Any]:
        """Read once: a run that is done stays as it is."""
        if point not in self._figures:
            summary = finished(point.run)
            self._figures[point] = {} if summary is None else figures_of(summary)
        return self._figures[point]

    def _is_simulated(self) -> bool:
        """Of what is being played; between points, of any of them."""
        with self._lock:
            points = list(self._playing) or self._points
        return any(point.variant.mode in (VIRTUAL, SIMULATE) for point in points)

    def _tick(self) -> None:
        while self._screen is not None and self._screen.is_up:
            if self._clock_s() - self._shown_s >= 2 * _TICK_S:
                self._screen.show(self._alone())
            time.sleep(_TICK_S)

    def _alone(self) -> dict[str, Any]:
        """A snapshot that knows of points only."""
        return {
            "schema": SCHEMA,
            "source": "sweep",
            "title": self._title,
            "simulated": self._is_simulated(),
            "elapsed_s": self._clock_s() - self._began_s,
            "progress": self.progress(),
        }
