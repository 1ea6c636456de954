"""The meter's own health: was the data process able to stamp and send in time?"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
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


class MeterHealth:
    """All samples of a run, of all workers, and the verdict on it."""

    def __init__(self) -> None:
        self.lag = Histogram()
        self._wall_ns = 0
        self._cpu_ns = 0
        self._busy_samples = 0
        self._samples = 0

    def add(self, sample: HealthSample) -> None:
        self.lag.record_counts(sample.lag_us)
        self._wall_ns += sample.wall_ns
        self._cpu_ns += sample.cpu_ns
        self._samples += 1
        self._busy_samples += sample.cpu_ns > CPU_LIMIT_SHARE * sample.wall_ns

    def merge(self, other: "MeterHealth") -> None:
        """Add another's samples."""
        self.lag.merge(other.lag)
        self._wall_ns += other._wall_ns
        self._cpu_ns += other._cpu_ns
        self._samples += other._samples
        self._busy_samples += other._busy_samples

    @property
    def cpu_ns(self) -> int:
        """CPU time (user + system) of all workers."""
        return self._cpu_ns

    @property
    def cpu_share(self) -> float | None:
        """CPU seconds (user + system) a second of one worker, over the run."""
        return self._cpu_ns / self._wall_ns if self._wall_ns else None

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
        return None if self._samples else "meter health was not recorded: nobody knows how late the stamps are"

    def _lagging(self, itl_p99_ms: float | None) -> str | None:
        limit_ms = max(LAG_LIMIT_MS, LAG_LIMIT_SHARE * (itl_p99_ms or 0.0))
        lag_us = self.lag.value_at(99.0) or 0
        lag_ms = lag_us / Histogram.UNIT
        if lag_ms <= limit_ms:
            return None
        return f"loop lag p99 is {lag_ms:.1f} ms (limit {limit_ms:.1f}): tails of TTFT and ITL are uncertain by as much"

    def _saturated(self) -> str | None:
        if self._busy_samples * 10 <= self._samples:  # a busy second or two at the start is no saturation
            return None
        return (
            f"the meter used over {CPU_LIMIT_SHARE:.0%} of a core in {self._busy_samples} of {self._samples} samples: "
            "it, not the engine, may set the pace"
        )


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
