"""A short look at a source: what it has, how often its sensors move, what it reads now."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imaxproxy.clock import NS_PER_S, Clock
from imaxproxy.power.sample import PowerLine, PowerSample
from imaxproxy.power.sampler import Sampler, Wait
from imaxproxy.power.series import Recording, Series
from imaxproxy.power.source import Source


@dataclass(frozen=True, slots=True)
class Seen:
    """One device after a look of some seconds."""

    series: Series
    mean_w: float | None
    """By counter where it moved, else of the readings; what is idle now was idle then."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        device = self.series.device
        return {
            "device": device.device,
            "index": device.index,
            "name": device.name,
            "boundary": device.boundary,
            "counter_update_ms": device.counter_update_ms,
            "power_update_ms": device.power_update_ms,
            "limit_w": device.limit_w,
            "default_limit_w": device.default_limit_w,
            "mean_w": self.mean_w,
            "has_counter": len(self.series.counter) > 0,
            "has_instant": len(self.series.instant) > 0,
            "has_average": len(self.series.average) > 0,
            "temperature_c": max(self.series.temperature_c, default=None),
            "notes": list(device.notes),
        }


def look_at(opens: Callable[[], Source], clock_ns: Clock, wait: Wait, for_s: float) -> list[Seen]:
    """Each device of a source. Raises SourceError when it cannot be opened or is lost at once."""
    lines: list[PowerLine] = []
    sampler = Sampler({"": opens}, lines.append, clock_ns, wait)
    sampler.begin()
    end_ns = clock_ns() + round(for_s * NS_PER_S)
    sampler.settle(round(for_s * NS_PER_S))
    sampler.calibrate(max(end_ns - clock_ns(), 0))
    while clock_ns() < end_ns:  # a source with a rhythm of its own needs no calibration, but some samples
        wait(min(clock_ns() + NS_PER_S // 5, end_ns))
        sampler.ask_all()
    sampler.close(bracket=False)
    recording = Recording.of(lines)
    return [Seen(series, _mean_w(series)) for series in recording.series.values()]


def _mean_w(series: Series) -> float | None:
    span = series.counter.span_ns
    if span is not None and span[1] - span[0] >= NS_PER_S // 2:
        energy_j = series.counter.between_j(*span)
        if energy_j is not None:
            return energy_j / ((span[1] - span[0]) / NS_PER_S)
    for channel in (series.instant, series.average):
        reads = channel.within(series.times_ns[0] - 10 * NS_PER_S, series.times_ns[-1]) if len(channel) else None
        if reads:
            return sum(reads) / len(reads)
    return None


def watts_now(samples: list[PowerSample], before: dict[str, PowerSample]) -> dict[str, float | None]:
    """By device: what a sample reads, or what its counter says since the sample before."""
    found: dict[str, float | None] = {}
    for sample in samples:
        found[sample.device] = sample.power_w if sample.power_w is not None else sample.power_avg_w
        earlier = before.get(sample.device)
        if found[sample.device] is None and earlier and earlier.energy_mj is not None and sample.energy_mj is not None:
            length_s = (sample.time_ns - earlier.time_ns) / NS_PER_S
            found[sample.device] = (sample.energy_mj - earlier.energy_mj) / 1000 / length_s if length_s > 0 else None
    return found
