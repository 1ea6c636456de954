"""The meter's own health: was the data process able to stamp and send in time?"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.clock import NS_PER_S, NS_PER_US, Alarm, Clock, monotonic_ns
from imaxproxy.metrics.histogram import Histogram

PROBE_EVERY_NS = 19_370 * NS_PER_US
"""No multiple of a usual step: at every 20 ms the probe met an engine's 5 ms steps always at one phase, and missed the
bursts in which their events are stamped late."""
REPORT_EVERY_NS = NS_PER_S
LAG_LIMIT_MS = 1.0
"""A stamp is late by as much as the loop lags: from here on the tails of TTFT and ITL are partly ours."""
LAG_LIMIT_SHARE = 0.02
CPU_LIMIT_SHARE = 0.90
RATE_LIMIT_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class HealthSample:
    """What one second of a data process looked like; a line of `meter-<worker>.jsonl`."""

    worker: int
    at_ns: int
    wall_ns: int
    cpu_ns: int
    lag_us: dict[int, int]
    """Lateness of the probe in us -> how often."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "worker": self.worker,
            "at_ns": self.at_ns,
            "wall_ns": self.wall_ns,
            "cpu_ns": self.cpu_ns,
            "lag_us": [[lag, times] for lag, times in sorted(self.lag_us.items())],
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "HealthSample":
        lag_us = {int(lag): int(times) for lag, times in row["lag_us"]}
        return cls(int(row["worker"]), int(row["at_ns"]), int(row["wall_ns"]), int(row["cpu_ns"]), lag_us)


class HealthProbe:
    """Sits in the data process: an alarm 50 times a second whose lateness is the loop's lag, one sample a second."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sink: Callable[[HealthSample], None],
        worker: int = 0,
        clock_ns: Clock = monotonic_ns,
        cpu_ns: Clock = time.process_time_ns,
    ) -> None:
        self._sink, self._worker, self._clock_ns, self._cpu_ns = sink, worker, clock_ns, cpu_ns
        self._alarm = Alarm(loop, self._on_alarm)
        self._lag_us: dict[int, int] = {}
        self._since_ns, self._since_cpu_ns = clock_ns(), cpu_ns()
        self._due_ns = self._since_ns + PROBE_EVERY_NS
        self._alarm.set(self._due_ns)

    def close(self) -> None:
        """Stop, and hand over what the last second has seen so far."""
        self._alarm.close()
        self._report(self._clock_ns())

    def _on_alarm(self) -> None:
        now_ns = self._clock_ns()
        if now_ns < self._due_ns:
            self._alarm.set(self._due_ns)
            return
        # A stall swallows rings. Each counts with the lag that it would have met, or one long stall would weigh no more
        # than one short one (coordinated omission, in the probe itself).
        for due_ns in range(self._due_ns, now_ns + 1, PROBE_EVERY_NS):
            lag_us = (now_ns - due_ns) // NS_PER_US
            self._lag_us[lag_us] = self._lag_us.get(lag_us, 0) + 1
            self._due_ns = due_ns + PROBE_EVERY_NS
        if now_ns - self._since_ns >= REPORT_EVERY_NS:
            self._report(now_ns)
        self._alarm.set(self._due_ns)

    def _report(self, now_ns: int) -> None:
        cpu_ns = self._cpu_ns()
        wall_ns = now_ns - self._since_ns
        self._sink(HealthSample(self._worker, now_ns, wall_ns, cpu_ns - self._since_cpu_ns, self._lag_us))
        self._lag_us, self._since_ns, self._since_cpu_ns = {}, now_ns, cpu_ns


@dataclass(slots=True)
class _Worker:
    """One data process over the run."""

    lag: Histogram = field(default_factory=Histogram)
    wall_ns: int = 0
    cpu_ns: int = 0
    busy_samples: int = 0
    samples: int = 0

    @property
    def lag_p99_ms(self) -> float:
        return (self.lag.value_at(99.0) or 0) / Histogram.UNIT

    @property
    def is_saturated(self) -> bool:
        return self.busy_samples * 10 > self.samples  # a busy second or two at the start is no saturation


class MeterHealth:
    """All samples of a run, of all workers, and the verdict on it: one worker that is late spoils its own streams."""

    def __init__(self) -> None:
        self.lag = Histogram()
        self._workers: dict[int, _Worker] = {}

    def add(self, sample: HealthSample) -> None:
        worker = self._workers.setdefault(sample.worker, _Worker())
        for lag in (self.lag, worker.lag):
            lag.record_counts(sample.lag_us)
        worker.wall_ns += sample.wall_ns
        worker.cpu_ns += sample.cpu_ns
        worker.samples += 1
        worker.busy_samples += sample.cpu_ns > CPU_LIMIT_SHARE * sample.wall_ns

    def merge(self, other: "MeterHealth") -> None:
        """Add another's samples."""
        self.lag.merge(other.lag)
        for number, theirs in other._workers.items():
            ours = self._workers.setdefault(number, _Worker())
            ours.lag.merge(theirs.lag)
            ours.wall_ns += theirs.wall_ns
            ours.cpu_ns += theirs.cpu_ns
            ours.samples += theirs.samples
            ours.busy_samples += theirs.busy_samples

    def of_workers(self, workers: Iterable[int]) -> "MeterHealth":
        """The samples of these alone."""
        part = MeterHealth()
        part._workers = {number: self._workers[number] for number in workers if number in self._workers}
        for worker in part._workers.values():
            part.lag.merge(worker.lag)
        return part

    @property
    def cpu_ns(self) -> int:
        """CPU time (user + system) of all workers."""
        return sum(worker.cpu_ns for worker in self._workers.values())

    @property
    def cpu_share(self) -> float | None:
        """CPU seconds (user + system) a second of one worker, over the run."""
        wall_ns = sum(worker.wall_ns for worker in self._workers.values())
        return self.cpu_ns / wall_ns if wall_ns else None

    def verdict(
        self,
        *,
        itl_p99_ms: float | None,
        coalesced_event_share: float | None,
        offered_rate: float | None,
        achieved_rate: float | None,
        is_virtual: bool = False,
    ) -> dict[str, Any]:
        """`meter` of summary.json: figures, and the reasons for which they should not be believed.

        is_virtual: time was simulated, so that no stamp can be late and nobody had to look.
        """
        reasons = [
            reason
            for reason in (
                None if is_virtual else self._unseen(),
                self._lagging(itl_p99_ms),
                self._saturated(),
                _behind(offered_rate, achieved_rate),
            )
            if reason
        ]
        return {
            "valid": not reasons,
            "reasons": reasons,
            "cpu_share": self.cpu_share,
            "loop_lag_ms": self.lag.stats(),
            "coalesced_event_share": coalesced_event_share,
            "offered_rate": offered_rate,
            "achieved_rate": achieved_rate,
        }

    def _unseen(self) -> str | None:
        return None if self._workers else "meter health was not recorded: nobody knows how late the stamps are"

    def _lagging(self, itl_p99_ms: float | None) -> str | None:
        limit_ms = max(LAG_LIMIT_MS, LAG_LIMIT_SHARE * (itl_p99_ms or 0.0))
        late = {number: worker.lag_p99_ms for number, worker in self._workers.items() if worker.lag_p99_ms > limit_ms}
        if not late:
            return None
        lags = self._listed({number: f"{lag_ms:.1f} ms" for number, lag_ms in late.items()})
        return f"loop lag p99 is {lags} (limit {limit_ms:.1f}): tails of TTFT and ITL are uncertain by as much"

    def _saturated(self) -> str | None:
        busy = {number: worker for number, worker in self._workers.items() if worker.is_saturated}
        if not busy:
            return None
        samples = self._listed({n: f"{worker.busy_samples} of {worker.samples} samples" for n, worker in busy.items()})
        return f"the meter used over {CPU_LIMIT_SHARE:.0%} of a core in {samples}: it, not the engine, may set the pace"

    def _listed(self, said: dict[int, str]) -> str:
        """What is said of single workers, each named where there are several."""
        if len(self._workers) == 1:
            return next(iter(said.values()))
        return ", ".join(f"{text} in worker {number}" for number, text in sorted(said.items()))


def _behind(offered_rate: float | None, achieved_rate: float | None) -> str | None:
    if offered_rate is None or achieved_rate is None or achieved_rate >= RATE_LIMIT_SHARE * offered_rate:
        return None
    return f"sent {achieved_rate:.2f} requests/s of {offered_rate:.2f} offered: the schedule was not kept"


def tune_gc() -> None:
    """For a data process: what exists by now stays out of collections, and those come rarely.

    A full collection over a loaded interpreter stops every stream for 20 to 60 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.001)  # a thread that makes the record of a very long answer lets streams go on
