import asyncio
import gc
from dataclasses import replace

import orjson
import pytest

from imaxproxy.clock import NS_PER_MS, NS_PER_S, VirtualClock
from imaxproxy.metrics import HealthProbe, HealthSample, ReadStamps, Window, health, tune_gc
from imaxproxy.metrics.health import PROBE_EVERY_NS


class FakeAlarm:
    """Rings when told to."""

    def __init__(self, _: object, ring: object) -> None:
        self.ring = ring
        self.due_ns: int | None = None
        self.closed = False

    def set(self, due_ns: int) -> None:
        self.due_ns = due_ns

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> "Bench":
    monkeypatch.setattr(health, "Alarm", FakeAlarm)
    return Bench()


class Bench:
    """A probe whose clock, CPU and alarm stand still until they are moved."""

    def __init__(self) -> None:
        self.clock, self.cpu = VirtualClock(NS_PER_S), VirtualClock()
        self.samples: list[HealthSample] = []
        loop = object.__new__(asyncio.AbstractEventLoop)  # only handed on
        self.probe = HealthProbe(loop, self.samples.append, 3, self.clock, self.cpu)

    @property
    def alarm(self) -> FakeAlarm:
        assert isinstance(self.probe._alarm, FakeAlarm)
        return self.probe._alarm

    def ring(self, late_ns: int = 0) -> None:
        assert self.alarm.due_ns is not None
        self.clock.advance(max(0, self.alarm.due_ns - self.clock()) + late_ns)
        self.probe._on_alarm()


def test_a_sample_a_second(probe: Bench) -> None:
    rings = -(-NS_PER_S // PROBE_EVERY_NS)  # the first ring a second or more after the last sample brings the next
    for _ in range(2 * rings):
        probe.cpu.advance(4 * NS_PER_MS)
        probe.ring()
    assert [sample.wall_ns for sample in probe.samples] == [rings * PROBE_EVERY_NS] * 2
    first = probe.samples[0]
    assert (first.worker, first.at_ns) == (3, NS_PER_S + rings * PROBE_EVERY_NS)
    assert (first.cpu_ns, first.lag_us) == (rings * 4 * NS_PER_MS, {0: rings})


@pytest.mark.parametrize("step_ms", [2, 4, 5, 10, 20])
def test_the_probe_meets_an_engines_steps_at_all_phases(step_ms: int) -> None:
    """At every 20 ms it met 5 ms steps always at one phase, and missed the bursts that make stamps late."""
    phases = {number * PROBE_EVERY_NS % (step_ms * NS_PER_MS) * 8 // (step_ms * NS_PER_MS) for number in range(100)}
    assert phases == set(range(8))


def test_lag_is_how_late_the_alarm_rings(probe: Bench) -> None:
    probe.ring(late_ns=1500_000)
    probe.ring()  # the due times stay on their grid
    probe.probe.close()
    assert probe.samples[0].lag_us == {1500: 1, 0: 1}
    assert probe.samples[0].wall_ns == 2 * PROBE_EVERY_NS
    assert probe.alarm.closed


def test_a_stall_weighs_as_long_as_it_lasted(probe: Bench) -> None:
    """One ring late by 100 ms has swallowed five more: coordinated omission, in the probe itself."""
    for _ in range(10):
        probe.ring()
    probe.ring(late_ns=5 * PROBE_EVERY_NS)
    probe.ring()
    probe.probe.close()
    every_us = PROBE_EVERY_NS // 1000
    assert probe.samples[0].lag_us == {0: 12, **{missed * every_us: 1 for missed in range(1, 6)}}


def test_an_alarm_that_rings_early_is_set_again(probe: Bench) -> None:
    probe.probe._on_alarm()
    assert probe.alarm.due_ns == NS_PER_S + PROBE_EVERY_NS
    probe.probe.close()
    assert probe.samples[0].lag_us == {}


def test_a_sample_comes_back_from_its_line() -> None:
    sample = HealthSample(1, 2, 3, 4, {500: 2, 7: 1})
    assert HealthSample.from_dict(sample.as_dict()) == sample
    assert sample.as_dict()["lag_us"] == [[7, 1], [500, 2]]
    read = replace(sample, reads=ReadStamps({90: 1, 3: 4}, 5, 6))
    assert HealthSample.from_dict(orjson.loads(orjson.dumps(read.as_dict()))) == read


def test_a_sample_has_who_stamped_since_the_one_before(probe: Bench) -> None:
    probe.probe._reads = iter([ReadStamps({1: 2}, 0, 0), None]).__next__
    probe.probe.close()
    probe.probe.close()
    assert [sample.reads for sample in probe.samples] == [ReadStamps({1: 2}, 0, 0), None]


def test_a_sample_lies_where_more_of_its_time_does() -> None:
    sample = HealthSample(0, 10 * NS_PER_S, NS_PER_S, 0, {})
    assert sample.lies_in(Window(9_400_000_000, 20 * NS_PER_S))
    assert not sample.lies_in(Window(9_600_000_000, 20 * NS_PER_S))
    assert not sample.lies_in(Window(0, 9_400_000_000))


def test_a_tuned_collector_leaves_alone_what_exists() -> None:
    before = gc.get_threshold()
    try:
        tune_gc()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
