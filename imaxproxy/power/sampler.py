"""The loop that asks sources for power, each in its own rhythm, and writes down all that they say."""

import time
from collections.abc import Callable, Container, Iterable
from collections.abc import Mapping as Table
from dataclasses import replace

from imaxproxy.clock import NS_PER_MS, NS_PER_S, Clock
from imaxproxy.power.feed import DEFAULT_TICK_MS, Feed
from imaxproxy.power.mapping import Mapping
from imaxproxy.power.moves import Moves
from imaxproxy.power.sample import Device, EventKind, PowerEvent, PowerLine, PowerSample
from imaxproxy.power.settling import ALL_MOVES, Settling
from imaxproxy.power.source import Source, SourceError, SourceLostError
from imaxproxy.power.spacing import COUNTER_SHARE, Spacing

_OUT_OF_STEP = 0.48
LEAST_TICK_MS, MOST_TICK_MS = 20.0, 100.0
CALIBRATION_TICK_MS = 5.0
"""Finer than any sensor known moves, coarse enough for the sampler to stay a guest."""
_LAST_LOOK_NS = NS_PER_S // 2
_REOPEN_NS = NS_PER_S
_DEVICES_AGAIN_NS = 10 * NS_PER_S
"""How often the limits are read again: a cap that changed spoils a run."""

Wait = Callable[[int], bool]
"""Wait until a time of the clock; True at once when somebody says stop."""


def calibrated_tick_ms(periods_ms: Iterable[float | None]) -> float:
    """A little under half of the quickest period that was seen, 20 to 100 ms; 50 where none was.

    A little under: reads in step with the sensor see every move equally late, for ever, and nobody can say how late.
    Out of step their doubts differ, and what is left of them all is small: with 50 ms reads of a 100 ms counter 95 % of
    10 s windows with both of the load's edges were within 0.17 %, with 48 ms within 0.07 %, and the error to be
    printed for a steady second falls from 2.0 to 0.4 % (200 simulated windows each, tests/power/sensor.py).
    """
    known = [period for period in periods_ms if period is not None]
    return min(max(min(known) * _OUT_OF_STEP, LEAST_TICK_MS), MOST_TICK_MS) if known else DEFAULT_TICK_MS


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
        nap: Wait | None = None,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """openers: by name, each opens its source anew.  mapping: which devices are the engine's; None: not asked.

        nap: waits without asking whether to stop; None: `wait`.  Raises SourceError when one cannot be opened.
        """
        self._sink, self._clock_ns, self._wait, self._mapping = sink, clock_ns, wait, mapping
        self._asked_tick_ms = tick_ms
        self._nap, self._cpu_clock = nap or wait, cpu_clock
        self._feeds = [Feed(opener(), opener) for opener in openers.values()]
        self._cpu_s, self._begun_ns = cpu_clock(), clock_ns()
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

    def settle(self, most_ns: int | None = None) -> None:
        """Wait until exporters' figures are of now, and how often they come is known: two of their periods. most_ns: no
        longer than that, whatever is known then."""
        for feed in self._feeds:
            if feed.source is not None and feed.source.settle_s:
                whole_ns = round(feed.source.settle_s * NS_PER_S)
                self._settle(feed, whole_ns if most_ns is None else min(most_ns, whole_ns), whole_ns)

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

    def ask_all(self) -> None:
        """One sample of everything, now."""
        for feed in self._feeds:
            self._ask(feed, None)

    def run(self) -> None:
        """Until told to stop. From here on the sampler's own cost is counted."""
        self._cpu_s, self._begun_ns = self._cpu_clock(), self._clock_ns()
        while not self._stopped:
            feed = min(self._feeds, key=lambda each: each.next_ns)
            if self._pause(feed.next_ns):
                return
            self._tick(feed)

    def close(self, *, bracket: bool = True) -> None:
        """Write the end, with what the sampler itself cost. First a quick look at counters that were read seldom: their
        rhythm is then known at both ends of the run. bracket: and wait for exporters' figures that hold its end."""
        cpu_s, wall_s = self._cpu_clock() - self._cpu_s, (self._clock_ns() - self._begun_ns) / NS_PER_S
        self._stopped, self._wait = False, self._nap
        for feed in self._feeds:
            if feed.source is not None and feed.spacings:
                self._ask_quickly(feed, self._clock_ns() + _LAST_LOOK_NS, {}, {})
            if bracket and feed.source is not None and feed.settles_in_ns is not None:
                self._watch(feed, Settling(feed.wanted), self._clock_ns() + feed.settles_in_ns, 1)
            if feed.source is not None:
                self._look_again(feed)
            if feed.source is not None:
                feed.source.close()
        cost = f"cpu_s={cpu_s:.3f} wall_s={wall_s:.3f} ticks={self.ticks} late={self.late_ticks} samples={self.samples}"
        self._sink(PowerEvent(self._clock_ns(), EventKind.STOPPED, detail=cost))

    def _pause(self, until_ns: int) -> bool:
        self._stopped = self._stopped or self._wait(until_ns)
        return self._stopped

    def _calibrate(self, feed: Feed, until_ns: int) -> None:
        counters: dict[str, Moves] = {}
        watts: dict[str, Moves] = {}
        begun_ns, cpu_s = self._clock_ns(), self._cpu_clock()
        rounds = self._ask_quickly(feed, until_ns, counters, watts)
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
        if rounds and self._clock_ns() > begun_ns:
            self._space_counters(feed, counters, (self._cpu_clock() - cpu_s) / rounds)

    def _settle(self, feed: Feed, most_ns: int, whole_ns: int) -> None:
        """What did not move in the whole of that time may be as old as that."""
        settling = Settling(feed.wanted)
        self._watch(feed, settling, self._clock_ns() + most_ns, ALL_MOVES)
        feed.settles_in_ns = settling.longest_ns()
        for name in feed.wanted:
            period_ms = settling.period_ms(name) or (whole_ns / NS_PER_MS if most_ns == whole_ns else None)
            told = replace(feed.devices[name], counter_update_ms=period_ms, power_update_ms=period_ms)
            feed.devices[name] = told
            self._sink(told)

    def _watch(self, feed: Feed, settling: Settling, until_ns: int, moves: int) -> None:
        """Ask in the source's own rhythm until its figures have moved so often, or the time is over."""
        at_ns = self._clock_ns()
        while at_ns < until_ns and not settling.has_moved(moves) and not self._pause(at_ns):
            for sample in self._ask(feed, None):
                settling.see(sample)
            at_ns = max(at_ns + feed.tick_ns, self._clock_ns())

    def _ask_quickly(self, feed: Feed, until_ns: int, counters: dict[str, Moves], watts: dict[str, Moves]) -> int:
        """Everything, as often as is decent; how often that was."""
        step_ns = round(CALIBRATION_TICK_MS * NS_PER_MS)
        at_ns, rounds = self._clock_ns(), 0
        while at_ns < until_ns and not self._pause(at_ns):
            rounds += 1
            for sample in self._ask(feed, None):
                counters.setdefault(sample.device, Moves()).see(sample.time_ns, sample.energy_mj)
                watts.setdefault(sample.device, Moves()).see(sample.time_ns, sample.power_w)
            at_ns = max(at_ns + step_ns, self._clock_ns())
        return rounds

    def _space_counters(self, feed: Feed, counters: dict[str, Moves], round_s: float) -> None:
        """Where reading them at every tick would cost too much."""
        if round_s * NS_PER_S <= COUNTER_SHARE * feed.tick_ns:
            return
        feed.tick_ns *= 2  # the joules tell the energy: watts are for the check, and for steps of power
        boards = len(counters)
        for name, moves in counters.items():
            feed.spacings[name] = Spacing.of(moves, round_s / boards, boards, self._clock_ns())

    def _tick(self, feed: Feed) -> None:
        now_ns = self._clock_ns()
        self.ticks += 1
        if feed.source is None:
            self._try_again(feed, now_ns)
            return
        self._ask(feed, feed.counters_due(now_ns))
        if now_ns < feed.due_ns:  # it was only a counter's turn
            return
        if feed.source is not None and now_ns >= feed.devices_due_ns:
            self._look_again(feed)
        feed.due_ns += feed.tick_ns
        if feed.due_ns <= now_ns:  # the machine stood still: what was missed is missed
            self.late_ticks += 1
            feed.due_ns = now_ns + feed.tick_ns

    def _ask(self, feed: Feed, counters: Container[str] | None) -> list[PowerSample]:
        if feed.source is None:
            return []
        try:
            samples = feed.source.sample(counters)
        except SourceLostError as error:
            self._lose(feed, str(error))
            return []
        for sample in samples:
            if (spacing := feed.spacings.get(sample.device)) is not None:
                spacing.see(sample)
            device = feed.devices.get(sample.device)
            if device is None or device.counted or device.counted_by is None:  # who is left out knowingly fills no file
                self._sink(sample)
        self.samples += len(samples)
        self._miss(feed, {sample.device for sample in samples})
        return samples

    def _miss(self, feed: Feed, answered: set[str]) -> None:
        if len(answered) == len(feed.devices) and not feed.absent:
            return
        silent = {name for name in feed.devices if name not in answered}
        for name in sorted(silent - feed.absent):
            self._sink(PowerEvent(self._clock_ns(), EventKind.DEVICE_LOST, name))
        for name in sorted(feed.absent - silent):
            self._sink(PowerEvent(self._clock_ns(), EventKind.DEVICE_BACK, name))
        feed.absent = silent

    def _lose(self, feed: Feed, why: str) -> None:
        self._sink(PowerEvent(self._clock_ns(), EventKind.SOURCE_LOST, detail=f"{feed.name}: {why}"))
        if feed.source is not None:
            feed.source.close()
        feed.source = None
        feed.spacings = {}  # whatever comes back may beat differently
        feed.due_ns = self._clock_ns() + _REOPEN_NS

    def _try_again(self, feed: Feed, now_ns: int) -> None:
        """A driver that was reloaded, an exporter that was restarted: its counters may have begun anew."""
        feed.due_ns = now_ns + _REOPEN_NS
        try:
            feed.source = feed.reopen()
            self._tell_devices(feed)
        except (SourceError, SourceLostError):  # the loss is in the file; its end will be too
            feed.source = None
            return
        self._sink(PowerEvent(self._clock_ns(), EventKind.SOURCE_BACK, detail=feed.name))

    def _look_again(self, feed: Feed) -> None:
        try:
            self._tell_devices(feed)
        except SourceLostError as error:
            self._lose(feed, str(error))

    def _tell_devices(self, feed: Feed) -> None:
        """Write down what the source has: when it is opened, and what changed since when it is looked at again."""
        feed.devices_due_ns = self._clock_ns() + _DEVICES_AGAIN_NS
        if feed.source is None:
            return
        computing = feed.source.processes()
        devices = feed.source.devices()
        for device in self._whose(feed, devices, computing):
            known = feed.devices.get(device.device)
            if known is None:
                self._sink(device)
                feed.devices[device.device] = device
                continue
            told = replace(device, counter_update_ms=known.counter_update_ms, power_update_ms=known.power_update_ms)
            feed.devices[device.device] = told
            self._compare(known, told)
        self._tell_strangers(feed, computing)

    def _whose(self, feed: Feed, devices: list[Device], computing: Table[str, list[int]]) -> list[Device]:
        """Asked until it is known: an engine may come up later than the sampler."""
        if self._mapping is None:
            return devices
        known = [feed.devices.get(device.device) for device in devices]
        if all(each is not None and each.counted_by is not None for each in known):
            pairs = zip(devices, known, strict=True)
            return [replace(d, counted=k.counted, counted_by=k.counted_by) for d, k in pairs if k is not None]
        return self._mapping.apply(devices, computing)

    def _compare(self, known: Device, told: Device) -> None:
        if known.limit_w != told.limit_w:
            detail = f"{known.limit_w or 0:g} W before, {told.limit_w or 0:g} W now"
            self._sink(PowerEvent(self._clock_ns(), EventKind.LIMIT_CHANGED, told.device, detail))
        if replace(known, time_ns=0, unix_ns=None) != replace(told, time_ns=0, unix_ns=None):
            self._sink(told)

    def _tell_strangers(self, feed: Feed, computing: Table[str, list[int]]) -> None:
        for name, pids in computing.items():
            device = feed.devices.get(name)
            if self._mapping is None or device is None or not device.counted:
                continue
            for pid in sorted(self._mapping.strangers(pids) - self._strangers):
                self._strangers.add(pid)
                self._sink(PowerEvent(self._clock_ns(), EventKind.FOREIGN_PROCESS, name, f"pid {pid}"))


def _rounded(moves: Moves | None) -> float | None:
    period_ms = moves.period_ms() if moves is not None else None
    return None if period_ms is None else round(period_ms, 2)
