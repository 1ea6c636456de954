"""The loop that asks sources for power, each in its own rhythm, and writes down all that they say."""

import statistics
import time
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace
from itertools import pairwise

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock
from imaxproxy.power.mapping import Mapping
from imaxproxy.power.sample import Device, EventKind, PowerEvent, PowerLine, PowerSample
from imaxproxy.power.source import Source, SourceError, SourceLostError

DEFAULT_TICK_MS = 50.0
_OUT_OF_STEP = 0.48
LEAST_TICK_MS, MOST_TICK_MS = 20.0, 100.0
CALIBRATION_TICK_MS = 5.0
"""Finer than any sensor known moves, coarse enough for the sampler to stay a guest."""
_REOPEN_NS = NS_PER_S
_DEVICES_AGAIN_NS = 10 * NS_PER_S
"""How often the limits are read again: a cap that changed spoils a run."""

Wait = Callable[[int], bool]
"""Wait until a time of the clock; True at once when somebody says stop."""


@dataclass(slots=True)
class _Moves:
    """When a reading changed: its update period is the median of the gaps."""

    last: float | None = None
    times_ns: list[int] = field(default_factory=list)

    def see(self, time_ns: int, value: float | None) -> None:
        if value is not None and value != self.last:
            if self.last is not None:
                self.times_ns.append(time_ns)
            self.last = value

    def period_ms(self) -> float | None:
        """None for fewer than five moves: nobody can tell."""
        times_ns = self.times_ns
        if len(times_ns) < 5:
            return None
        return statistics.median(b - a for a, b in pairwise(times_ns)) / NS_PER_MS


def calibrated_tick_ms(periods_ms: Iterable[float | None]) -> float:
    """A little under half of the quickest period that was seen, 20 to 100 ms; 50 where none was.

    A little under: reads in step with the sensor see every move equally late, for ever, and nobody can say how late.
    Out of step their doubts differ, and what is left of them all is small: with 50 ms reads of a 100 ms counter 95 % of
    10 s windows with both of the load's edges were within 0.17 %, with 48 ms within 0.07 %, and the error to be
    printed for a steady second falls from 2.0 to 0.4 % (200 simulated windows each, tests/power/sensor.py).
    """
    known = [period for period in periods_ms if period is not None]
    return min(max(min(known) * _OUT_OF_STEP, LEAST_TICK_MS), MOST_TICK_MS) if known else DEFAULT_TICK_MS


class _Feed:
    """One source as the sampler sees it: its rhythm, which devices answered last, whether it is lost."""

    def __init__(self, source: Source, reopen: Callable[[], Source]) -> None:
        self.source: Source | None = source
        self.name = source.name
        self.reopen = reopen
        self.tick_ns = round((source.tick_ms or DEFAULT_TICK_MS) * NS_PER_MS)
        self.due_ns = 0
        self.devices: dict[str, Device] = {}
        self.absent: set[str] = set()
        self.devices_due_ns = 0


class Sampler:
    """Asks until told to stop. Keeps nothing: every line goes to `sink` at once, in the order of its time."""

    def __init__(
        self,
        openers: Table[str, Callable[[], Source]],
        sink: Callable[[PowerLine], None],
        clock_ns: Clock,
        wait: Wait,
        *,
        mapping: Mapping | None = None,
        tick_ms: float | None = None,
    ) -> None:
        """openers: by name, each opens its source anew.  mapping: which devices are the engine's; None: not asked.

        Raises SourceError when one of them cannot be opened.
        """
        self._sink, self._clock_ns, self._wait, self._mapping = sink, clock_ns, wait, mapping
        self._asked_tick_ms = tick_ms
        self._feeds = [_Feed(opener(), opener) for opener in openers.values()]
        self._cpu_s, self._begun_ns = time.process_time(), clock_ns()
        self._strangers: set[int] = set()
        self._stopped = False
        self.samples = self.late_ticks = self.ticks = 0

    def begin(self) -> list[Device]:
        """Write down every device. Raises SourceError for a source that is gone already."""
        for feed in self._feeds:
            try:
                self._tell_devices(feed)
            except SourceLostError as error:
                raise SourceError(f"{feed.name}: {error}") from error
        return [device for feed in self._feeds for device in feed.devices.values()]

    def calibrate(self, for_ns: int) -> list[Device]:
        """Ask quickly for so long, find each source's update periods, and set its rhythm by them."""
        start_ns = self._clock_ns()
        for feed in self._feeds:
            if feed.source is not None and feed.source.tick_ms is None:
                self._calibrate(feed, start_ns + for_ns)
            if self._asked_tick_ms is not None:
                feed.tick_ns = round(self._asked_tick_ms * NS_PER_MS)
            feed.due_ns = self._clock_ns()
        return [device for feed in self._feeds for device in feed.devices.values()]

    def run(self) -> None:
        """Until told to stop. From here on the sampler's own cost is counted."""
        self._cpu_s, self._begun_ns = time.process_time(), self._clock_ns()
        while not self._stopped:
            feed = min(self._feeds, key=lambda each: each.due_ns)
            if self._pause(feed.due_ns):
                return
            self._tick(feed)

    def close(self) -> None:
        """Write the end, with what the sampler itself cost."""
        for feed in self._feeds:
            if feed.source is not None:
                self._look_again(feed)
            if feed.source is not None:
                feed.source.close()
        cpu_s, wall_s = time.process_time() - self._cpu_s, (self._clock_ns() - self._begun_ns) / NS_PER_S
        cost = f"cpu_s={cpu_s:.3f} wall_s={wall_s:.3f} ticks={self.ticks} late={self.late_ticks} samples={self.samples}"
        self._sink(PowerEvent(self._clock_ns(), EventKind.STOPPED, detail=cost))

    def _pause(self, until_ns: int) -> bool:
        self._stopped = self._stopped or self._wait(until_ns)
        return self._stopped

    def _calibrate(self, feed: _Feed, until_ns: int) -> None:
        step_ns = round(CALIBRATION_TICK_MS * NS_PER_MS)
        counters: dict[str, _Moves] = {}
        watts: dict[str, _Moves] = {}
        at_ns = self._clock_ns()
        while at_ns < until_ns and not self._pause(at_ns):
            for sample in self._ask(feed):
                counters.setdefault(sample.device, _Moves()).see(sample.time_ns, sample.energy_mj)
                watts.setdefault(sample.device, _Moves()).see(sample.time_ns, sample.power_w)
            at_ns = max(at_ns + step_ns, self._clock_ns())
        for name, device in feed.devices.items():
            found = replace(
                device,
                counter_update_ms=_rounded(counters.get(name)),
                power_update_ms=_rounded(watts.get(name)),
            )
            if found != device:
                feed.devices[name] = found
                self._sink(found)
        periods = [moves.period_ms() for moves in (*counters.values(), *watts.values())]
        feed.tick_ns = round(calibrated_tick_ms(periods) * NS_PER_MS)

    def _tick(self, feed: _Feed) -> None:
        now_ns = self._clock_ns()
        self.ticks += 1
        if feed.source is None:
            self._try_again(feed, now_ns)
            return
        self._ask(feed)
        if feed.source is not None and now_ns >= feed.devices_due_ns:
            self._look_again(feed)
        feed.due_ns += feed.tick_ns
        if feed.due_ns <= now_ns:  # the machine stood still: what was missed is missed
            self.late_ticks += 1
            feed.due_ns = now_ns + feed.tick_ns

    def _ask(self, feed: _Feed) -> list[PowerSample]:
        if feed.source is None:
            return []
        try:
            samples = feed.source.sample()
        except SourceLostError as error:
            self._lose(feed, str(error))
            return []
        for sample in samples:
            device = feed.devices.get(sample.device)
            if device is None or device.counted or device.counted_by is None:  # who is left out knowingly fills no file
                self._sink(sample)
        self.samples += len(samples)
        self._miss(feed, {sample.device for sample in samples})
        return samples

    def _miss(self, feed: _Feed, answered: set[str]) -> None:
        if len(answered) == len(feed.devices) and not feed.absent:
            return
        silent = {name for name in feed.devices if name not in answered}
        for name in sorted(silent - feed.absent):
            self._sink(PowerEvent(self._clock_ns(), EventKind.DEVICE_LOST, name))
        for name in sorted(feed.absent - silent):
            self._sink(PowerEvent(self._clock_ns(), EventKind.DEVICE_BACK, name))
        feed.absent = silent

    def _lose(self, feed: _Feed, why: str) -> None:
        self._sink(PowerEvent(self._clock_ns(), EventKind.SOURCE_LOST, detail=f"{feed.name}: {why}"))
        if feed.source is not None:
            feed.source.close()
        feed.source = None
        feed.due_ns = self._clock_ns() + _REOPEN_NS

    def _try_again(self, feed: _Feed, now_ns: int) -> None:
        """A driver that was reloaded, an exporter that was restarted: its counters may have begun anew."""
        feed.due_ns = now_ns + _REOPEN_NS
        try:
            feed.source = feed.reopen()
            self._tell_devices(feed)
        except (SourceError, SourceLostError):  # the loss is in the file; its end will be too
            feed.source = None
            return
        self._sink(PowerEvent(self._clock_ns(), EventKind.SOURCE_BACK, detail=feed.name))

    def _look_again(self, feed: _Feed) -> None:
        try:
            self._tell_devices(feed)
        except SourceLostError as error:
            self._lose(feed, str(error))

    def _tell_devices(self, feed: _Feed) -> None:
        """Write down what the source has: when it is opened, and what changed since when it is looked at again."""
        feed.devices_due_ns = self._clock_ns() + _DEVICES_AGAIN_NS
        if feed.source is None:
            return
        computing = feed.source.processes()
        devices = feed.source.devices()
        for device in self._mapping.apply(devices, computing) if self._mapping else devices:
            known = feed.devices.get(device.device)
            if known is None:
                self._sink(device)
                feed.devices[device.device] = device
                continue
            told = replace(device, counter_update_ms=known.counter_update_ms, power_update_ms=known.power_update_ms)
            feed.devices[device.device] = told
            self._compare(known, told)
        self._tell_strangers(feed, computing)

    def _compare(self, known: Device, told: Device) -> None:
        if known.limit_w != told.limit_w:
            detail = f"{known.limit_w or 0:g} W before, {told.limit_w or 0:g} W now"
            self._sink(PowerEvent(self._clock_ns(), EventKind.LIMIT_CHANGED, told.device, detail))
        if replace(known, time_ns=0, unix_ns=None) != replace(told, time_ns=0, unix_ns=None):
            self._sink(told)

    def _tell_strangers(self, feed: _Feed, computing: Table[str, list[int]]) -> None:
        for name, pids in computing.items():
            device = feed.devices.get(name)
            if self._mapping is None or device is None or not device.counted:
                continue
            for pid in sorted(self._mapping.strangers(pids) - self._strangers):
                self._strangers.add(pid)
                self._sink(PowerEvent(self._clock_ns(), EventKind.FOREIGN_PROCESS, name, f"pid {pid}"))


def _rounded(moves: _Moves | None) -> float | None:
    period_ms = moves.period_ms() if moves is not None else None
    return None if period_ms is None else round(period_ms, 2)
