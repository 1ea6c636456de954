"""Takes curves through their points: what is done stays, what fails is kept with its reason, a knee ends a curve."""

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any, Protocol

from imaxproxy.conduct.output import say
from imaxproxy.conduct.sweeps.point import make_free
from imaxproxy.errors import ImaxproxyError
from imaxproxy.runs import RunDirectory, read_summary
from imaxproxy.sweep import DONE, FAILED, KNEE_RULE, SKIPPED, Curve, Point, SweepRecord, finished, is_past_knee
from imaxproxy.sweep.record import why_failed


class Watching(Protocol):
    """Hears which points are being played."""

    def begin(self, point: Point) -> None: ...

    def end(self, point: Point) -> None: ...


PlayPoint = Callable[[Point], None]
"""Plays one point into its run directory. Raises ImaxproxyError with the reason where it cannot."""


class Conductor:
    """Shared by all threads that play curves."""

    def __init__(
        self, record: SweepRecord, curves: Sequence[Curve], *, knee: bool, watching: Watching | None = None
    ) -> None:
        self._record, self._knee, self._watching = record, knee, watching
        self._stopped = threading.Event()
        self._time = _TimeLeft(curves)

    def stop(self) -> None:
        """What is being played does not count, and nothing is begun any more."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def play(self, curve: Curve, play_point: PlayPoint) -> None:
        """The curve's points, least load first, but those that are done."""
        rates_per_s: list[float] = []
        for repeats in curve.loads():
            if self._knee and is_past_knee(rates_per_s):
                for point in repeats:
                    self._settle(point, SKIPPED, KNEE_RULE)
                continue
            found = [summary for point in repeats if (summary := self._point(point, play_point)) is not None]
            if self._stopped.is_set():
                return
            if found:
                rates_per_s.append(fmean(summary["throughput"]["total_tokens_per_s"] for summary in found))

    def _point(self, point: Point, play_point: PlayPoint) -> dict[str, Any] | None:
        """Its summary; None where it failed, or was not played to its end."""
        if self._stopped.is_set():
            return None
        if (summary := finished(point.run)) is not None:
            self._time.skip(point)
            self._record.set(point, DONE)
            return summary
        try:
            make_free(point)
            self._played(point, play_point)
            summary = read_summary(RunDirectory(point.run))
            reason = why_failed(summary)
        except ImaxproxyError as error:
            summary, reason = None, " ".join(str(error).split())
        except Exception as error:  # a bug of ours: its traceback is shown, and a night's other points are played
            traceback.print_exc()
            summary, reason = None, f"{type(error).__name__}: {error}"
        if self._stopped.is_set():
            return None
        self._settle(point, DONE if reason is None else FAILED, reason or "")
        return summary if reason is None else None

    def _played(self, point: Point, play_point: PlayPoint) -> None:
        if self._watching is None:
            return play_point(point)
        self._watching.begin(point)
        try:
            return play_point(point)
        finally:
            self._watching.end(point)

    def _settle(self, point: Point, state: str, reason: str) -> None:
        self._record.set(point, state, reason)
        left = self._time.add(point, played=state != SKIPPED)
        why = f" ({reason})" if reason else ""
        name = f"{point.workload}/{point.run.name}"
        say(f"imaxproxy: {name} {state}{why}; {left}")


class _TimeLeft:
    """How long the rest takes if it goes on as it went, by each point's share of the work."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        self._lock = threading.Lock()
        self._began_s = time.monotonic()
        self._left = {point.run: point.work for curve in curves for point in curve.points}
        self._points = len(self._left)
        self._played = 0.0

    def skip(self, point: Point) -> None:
        """It was done before."""
        with self._lock:
            self._left.pop(point.run, None)

    def add(self, point: Point, *, played: bool) -> str:
        """It is done with now; says how far we are."""
        with self._lock:
            work = self._left.pop(point.run, 0.0)
            self._played += work if played else 0.0
            so_far = f"{self._points - len(self._left)} of {self._points} points"
            if not self._played or not self._left:
                return so_far
            left_s = (time.monotonic() - self._began_s) * sum(self._left.values()) / self._played
            return f"{so_far}, about {_duration(left_s)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
