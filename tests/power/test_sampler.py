"""The sampler's loop on a clock that moves only when it waits."""

import itertools
from collections import Counter
from collections.abc import Callable

import pytest

from imaxproxy.clock import NS_PER_MS, NS_PER_S, VirtualClock
from imaxproxy.power import Device, EventKind, Mapping, PowerEvent, PowerLine, PowerSample, SourceError
from imaxproxy.power.sampler import Sampler, calibrated_tick_ms
from tests.power.fakes import FakeSource


class Bench:
    """A sampler over fakes; `until` runs it to a time, with things that happen on the way."""

    def __init__(self, *sources: FakeSource, clock: VirtualClock, mapping: Mapping | None = None) -> None:
        self.clock, self.lines = clock, list[PowerLine]()
        self.end_ns = 0
        self.happens: list[tuple[int, Callable[[], None]]] = []
        openers = {source.name: source.open for source in sources}
        self.sampler = Sampler(openers, self.lines.append, clock, self._wait, mapping=mapping)

    def _wait(self, until_ns: int) -> bool:
        while self.happens and self.happens[0][0] <= until_ns:
            self.happens.pop(0)[1]()
        if until_ns > self.clock():
            self.clock.advance(until_ns - self.clock())
        return self.clock() >= self.end_ns

    def until(self, end_s: float, calibrate_s: float = 1.0) -> None:
        self.end_ns = round(end_s * NS_PER_S)
        self.sampler.begin()
        self.sampler.calibrate(round(calibrate_s * NS_PER_S))
        self.sampler.run()
        self.sampler.close()

    def samples(self, after_s: float = 0.0) -> list[PowerSample]:
        return [s for s in self.lines if isinstance(s, PowerSample) and s.time_ns >= after_s * NS_PER_S]

    def events(self) -> list[tuple[EventKind, str | None]]:
        return [(line.event, line.device) for line in self.lines if isinstance(line, PowerEvent)]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NS_PER_S)


@pytest.mark.parametrize(
    ("periods_ms", "tick_ms"),
    [([], 50), ([None], 50), ([100.0, None], 48), ([100.0, 75.0], 36), ([10.0], 20), ([1000.0], 100)],
)
def test_the_tick_is_a_little_under_half_of_the_quickest_period(periods_ms: list[float | None], tick_ms: float) -> None:
    assert calibrated_tick_ms(periods_ms) == tick_ms


def test_it_finds_how_often_the_counter_moves_and_asks_twice_as_often(clock: VirtualClock) -> None:
    bench = Bench(FakeSource(clock, latch_ms=80), clock=clock)
    bench.until(12.0, calibrate_s=2.0)
    devices = [line for line in bench.lines if isinstance(line, Device)]
    assert devices[-1].counter_update_ms == pytest.approx(80, abs=1)
    assert devices[-1].power_update_ms is None  # the watts never moved: nobody can tell
    times_ns = [sample.time_ns for sample in bench.samples(after_s=3.1)]
    gaps_ms = {(b - a) / NS_PER_MS for a, b in itertools.pairwise(times_ns)}
    assert min(gaps_ms) == pytest.approx(38.4, abs=1)
    assert max(gaps_ms) == pytest.approx(38.4, abs=1)


def test_every_sample_is_kept_and_the_end_is_written(clock: VirtualClock) -> None:
    bench = Bench(FakeSource(clock, gpus=3), clock=clock)
    bench.until(4.0)
    assert set(Counter(sample.device for sample in bench.samples()).values()) == {bench.sampler.samples // 3}
    assert bench.events()[-1] == (EventKind.STOPPED, None)
    assert "cpu_s=" in str(bench.lines[-1])


def test_a_source_with_a_rhythm_of_its_own_is_asked_in_it(clock: VirtualClock) -> None:
    slow = FakeSource(clock, tick_ms=500, name="slow")
    bench = Bench(FakeSource(clock, name="quick"), slow, clock=clock)
    bench.until(11.9)
    assert len(bench.samples()) > 300
    assert sum(1 for line in bench.lines if isinstance(line, Device) and line.source == "slow") == 1


def test_a_source_that_vanishes_is_said_and_asked_again_until_it_is_back(clock: VirtualClock) -> None:
    source = FakeSource(clock)
    bench = Bench(source, clock=clock)
    bench.happens = [
        (5 * NS_PER_S, lambda: setattr(source, "lost", True)),
        (8 * NS_PER_S, lambda: setattr(source, "lost", False)),
    ]
    bench.until(12.0)
    assert bench.events() == [(EventKind.SOURCE_LOST, None), (EventKind.SOURCE_BACK, None), (EventKind.STOPPED, None)]
    gap_s = [s.time_ns / NS_PER_S for s in bench.samples()]
    assert max(b - a for a, b in itertools.pairwise(gap_s)) == pytest.approx(3.5, abs=1.0)
    assert source.opened == 2


def test_a_source_that_never_comes_back_does_not_stop_the_others(clock: VirtualClock) -> None:
    gone, stays = FakeSource(clock, name="gone"), FakeSource(clock, name="stays", gpus=2)
    bench = Bench(gone, stays, clock=clock)
    bench.happens = [(3 * NS_PER_S, lambda: setattr(gone, "lost", True))]
    bench.until(6.0)
    assert bench.samples(after_s=5.9)
    assert bench.events() == [(EventKind.SOURCE_LOST, None), (EventKind.STOPPED, None)]


def test_one_board_that_falls_silent_is_named(clock: VirtualClock) -> None:
    source = FakeSource(clock, gpus=2)
    bench = Bench(source, clock=clock)
    bench.happens = [(3 * NS_PER_S, lambda: source.silent.add("GPU-1")), (4 * NS_PER_S, source.silent.clear)]
    bench.until(6.0)
    assert bench.events()[:2] == [(EventKind.DEVICE_LOST, "GPU-1"), (EventKind.DEVICE_BACK, "GPU-1")]


def test_a_power_limit_that_changes_is_written_down(clock: VirtualClock) -> None:
    source = FakeSource(clock)
    bench = Bench(source, clock=clock)
    bench.happens = [(5 * NS_PER_S, lambda: setattr(source, "limit_w", 400.0))]
    bench.until(30.0)
    assert (EventKind.LIMIT_CHANGED, "GPU-0") in bench.events()
    assert "700 W before, 400 W now" in str(bench.lines)


def test_boards_that_are_not_the_engines_fill_no_file(clock: VirtualClock) -> None:
    bench = Bench(FakeSource(clock, gpus=3), clock=clock, mapping=Mapping(devices="1"))
    bench.until(3.0)
    assert {sample.device for sample in bench.samples()} == {"GPU-1"}
    told = {line.device: line.counted for line in bench.lines if isinstance(line, Device)}
    assert told == {"GPU-0": False, "GPU-1": True, "GPU-2": False}


def test_a_machine_that_stood_still_misses_ticks_and_counts_them(clock: VirtualClock) -> None:
    bench = Bench(FakeSource(clock), clock=clock)
    bench.happens = [(4 * NS_PER_S, lambda: clock.advance(2 * NS_PER_S))]
    bench.until(9.0)
    assert bench.sampler.late_ticks >= 1


def test_a_source_that_cannot_be_opened_is_an_error_before_anything_runs(clock: VirtualClock) -> None:
    with pytest.raises(SourceError, match="still gone"):
        Bench(FakeSource(clock, lost=True), clock=clock)
