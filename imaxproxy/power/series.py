"""All that was read of one device in one run, and what happened to it."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise

from imaxproxy.clock import NS_PER_MS
from imaxproxy.power.counter import Counter
from imaxproxy.power.nvml import SLOWED
from imaxproxy.power.sample import GPU_BOUNDARIES, Device, EventKind, PowerEvent, PowerLine, PowerSample
from imaxproxy.power.watts import Watts

_DEFAULT_AVERAGE_MS = 1000.0


class Series:
    """One device's samples, taken in the order of the file."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.instant = Watts()
        self.counter = Counter(device.counter_update_ms, device.counter_range_mj, self.instant)
        average_ns = round((device.average_window_ms or _DEFAULT_AVERAGE_MS) * NS_PER_MS)
        self.average = Watts(average_ns // 2)
        self.times_ns = array("q")
        self.bad_samples = 0
        """Negative, infinite, or no number."""
        self.jumps_ns = array("q")
        """Samples that claim a time before an earlier one's."""
        self.temperature_c: list[float] = []
        self._throttle: list[tuple[int, int]] = []

    def update(self, device: Device) -> None:
        """A later line of the same device; its update periods were found before it had samples that count."""
        self.device = device
        if device.counter_update_ms is not None:
            self.counter.set_update(device.counter_update_ms)

    def add(self, sample: PowerSample) -> None:
        """One sample. Values that cannot be are left out and counted."""
        if self.times_ns and sample.time_ns <= self.times_ns[-1]:
            if sample.time_ns < self.times_ns[-1]:
                self.jumps_ns.append(sample.time_ns)
            return
        self.times_ns.append(sample.time_ns)
        if self._is_good(sample.energy_mj):
            self.counter.add(sample.time_ns, sample.energy_mj or 0.0, sample.read_ns)
        if self._is_good(sample.power_w):
            self.instant.add(sample.time_ns, sample.power_w or 0.0)
        if self._is_good(sample.power_avg_w):
            self.average.add(sample.time_ns, sample.power_avg_w or 0.0)
        if sample.temperature_c is not None:
            self.temperature_c.append(sample.temperature_c)
        if sample.throttle is not None:
            self._throttle.append((sample.time_ns, sample.throttle))

    def max_gap_ns(self, begin_ns: int, end_ns: int) -> int:
        """The longest time without a sample, from the last one before a stretch to the first one after it."""
        first = max(bisect_right(self.times_ns, begin_ns) - 1, 0)
        last = min(bisect_left(self.times_ns, end_ns) + 1, len(self.times_ns))
        return max((b - a for a, b in pairwise(self.times_ns[first:last])), default=0)

    def throttled_share(self, begin_ns: int, end_ns: int) -> float | None:
        """Share of the samples in which power or heat held the clocks back; None where nobody told."""
        masks = [mask for at_ns, mask in self._throttle if begin_ns <= at_ns <= end_ns]
        return sum(1 for mask in masks if mask & SLOWED) / len(masks) if masks else None

    def _is_good(self, value: float | None) -> bool:
        if value is None:
            return False
        if math.isfinite(value) and value >= 0:
            return True
        self.bad_samples += 1
        return False


class Recording:
    """A whole `power.jsonl`."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.events: list[PowerEvent] = []
        self.strays = 0
        """Samples of devices that no line describes."""

    @classmethod
    def of(cls, lines: Iterable[PowerLine]) -> "Recording":
        """Everything that was read. Raises what reading raises."""
        recording = cls()
        for line in lines:
            recording.add(line)
        return recording

    def add(self, line: PowerLine) -> None:
        """One line of the file."""
        if isinstance(line, PowerSample):
            if (series := self.series.get(line.device)) is None:
                self.strays += 1
            else:
                series.add(line)
        elif isinstance(line, Device):
            if (known := self.series.get(line.device)) is None:
                self.series[line.device] = Series(line)
            else:
                known.update(line)
        else:
            self.events.append(line)

    @property
    def counted(self) -> list[Series]:
        """The engine's boards; one that another one includes is left to that."""
        names = {name for name, each in self.series.items() if _is_the_engines(each.device)}
        return [self.series[name] for name in sorted(names) if self.series[name].device.parent not in names]

    @property
    def not_counted(self) -> list[Series]:
        """Boards that were seen and left out."""
        return [
            s for s in self.series.values() if s.device.boundary in GPU_BOUNDARIES and not _is_the_engines(s.device)
        ]

    @property
    def beside(self) -> list[Series]:
        """What is no board: the host's CPUs and memory."""
        return [s for s in self.series.values() if s.device.boundary not in GPU_BOUNDARIES]

    def happened(self, kind: EventKind) -> list[PowerEvent]:
        """The events of one kind."""
        return [event for event in self.events if event.event is kind]


def _is_the_engines(device: Device) -> bool:
    return device.boundary in GPU_BOUNDARIES and device.counted and (device.counted_by is not None or device.simulated)
