"""The meter's own health: was the data process able to stamp and send in time?"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import NS_PER_S, NS_PER_US, Alarm, Clock, monotonic_ns
from imaxproxy.metrics.window import Window

PROBE_EVERY_NS = 19_370 * NS_PER_US
"""No multiple of a usual step: at every 20 ms the probe met an engine's 5 ms steps always at one phase, and missed the
bursts in which their events are stamped late."""
REPORT_EVERY_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class ReadStamps:
    """Who stamped the reads of a while. What the kernel stamps is never late, however late it is read."""

    late_us: dict[int, int]
    """Reads with the kernel's stamp: us from that to the read -> how many. This is the lag of the thread that reads."""
    by_thread: int
    """Reads of that thread without one: they count from when they were made."""
    by_loop: int
    """Reads of the event loop: the same."""

    def as_dict(self) -> dict[str, Any]:
        return {"late_us": sorted(self.late_us.items()), "by_thread": self.by_thread, "by_loop": self.by_loop}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "ReadStamps":
        late_us = {int(late): int(times) for late, times in row["late_us"]}
        return cls(late_us, int(row["by_thread"]), int(row["by_loop"]))


@dataclass(frozen=True, slots=True)
class HealthSample:
    """What one second of a data process looked like; a line of `meter-<worker>.jsonl`."""

    worker: int
    at_ns: int
    wall_ns: int
    cpu_ns: int
    lag_us: dict[int, int]
    """Lateness of the probe in us -> how often."""
    reads: ReadStamps | None = None
    """None where all is read by the loop."""

    def as_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "worker": self.worker,
            "at_ns": self.at_ns,
            "wall_ns": self.wall_ns,
            "cpu_ns": self.cpu_ns,
            "lag_us": [[lag, times] for lag, times in sorted(self.lag_us.items())],
        }
        if self.reads is not None:
            row["reads"] = self.reads.as_dict()
        return row

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "HealthSample":
        lag_us = {int(lag): int(times) for lag, times in row["lag_us"]}
        reads = ReadStamps.from_dict(row["reads"]) if "reads" in row else None
        return cls(int(row["worker"]), int(row["at_ns"]), int(row["wall_ns"]), int(row["cpu_ns"]), lag_us, reads)

    def lies_in(self, window: Window) -> bool:
        """More of its time than not."""
        return window.holds(self.at_ns - self.wall_ns // 2)


class HealthProbe:
    """Sits in the data process: an alarm 50 times a second whose lateness is the loop's lag, one sample a second."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sink: Callable[[HealthSample], None],
        worker: int = 0,
        clock_ns: Clock = monotonic_ns,
        cpu_ns: Clock = time.process_time_ns,
        reads: Callable[[], ReadStamps | None] = lambda: None,
    ) -> None:
        """reads: who stamped what was read since the last call."""
        self._sink, self._worker, self._clock_ns, self._cpu_ns, self._reads = sink, worker, clock_ns, cpu_ns, reads
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
        cpu_of_it_ns = cpu_ns - self._since_cpu_ns
        self._sink(HealthSample(self._worker, now_ns, wall_ns, cpu_of_it_ns, self._lag_us, self._reads()))
        self._lag_us, self._since_ns, self._since_cpu_ns = {}, now_ns, cpu_ns


def tune_gc() -> None:
    """For a data process: what exists by now stays out of collections, and those come rarely.

    A full collection over a loaded interpreter stops every stream for 20 to 60 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.001)  # a thread that makes the record of a very long answer lets streams go on
