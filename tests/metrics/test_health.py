import asyncio
import gc

import pytest

from imaxproxy.clock import NS_PER_MS, NS_PER_S, VirtualClock
from imaxproxy.metrics import HealthProbe, HealthSample, MeterHealth, health, tune_gc
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


def verdict(*samples: HealthSample, itl_p99_ms: float | None = None, rates: tuple[float, float] | None = None) -> dict:
    meter = MeterHealth()
    for sample in samples:
        meter.add(sample)
    offered, achieved = rates or (None, None)
    return meter.verdict(
        itl_p99_ms=itl_p99_ms, coalesced_event_share=0.25, offered_rate=offered, achieved_rate=achieved
    )


def sample(cpu_share: float = 0.5, lag_us: int = 100, worker: int = 0) -> HealthSample:
    return HealthSample(worker, 0, NS_PER_S, round(cpu_share * NS_PER_S), {lag_us: 50})


def test_a_healthy_meter_is_valid() -> None:
    found = verdict(sample(0.4), sample(0.6), rates=(10.0, 9.6))
    assert found["valid"] is True
    assert found["reasons"] == []
    assert found["cpu_share"] == 0.5
    assert found["loop_lag_ms"]["count"] == 100
    assert (found["coalesced_event_share"], found["offered_rate"], found["achieved_rate"]) == (0.25, 10.0, 9.6)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (verdict(), "nobody knows"),
        (verdict(sample(lag_us=1010)), "loop lag p99 is 1.0 ms (limit 1.0)"),
        (verdict(sample(lag_us=3000), itl_p99_ms=100.0), "limit 2.0"),
        (verdict(*[sample()] * 8, *[sample(0.95)] * 2), "over 90% of a core in 2 of 10 samples"),
        (verdict(sample(), rates=(10.0, 9.4)), "sent 9.40 requests/s of 10.00 offered"),
    ],
)
def test_each_way_not_to_be_believed_has_its_reason(found: dict, reason: str) -> None:
    assert found["valid"] is False
    assert len(found["reasons"]) == 1
    assert reason in found["reasons"][0]


def test_a_reason_names_the_worker_that_gave_it() -> None:
    """A late one among many would drown in a common histogram, and its own streams are late all the same."""
    late = verdict(*[sample(worker=number) for number in range(200)], sample(lag_us=9000, worker=7))
    assert late["reasons"] == [
        "loop lag p99 is 9.0 ms in worker 7 (limit 1.0): tails of TTFT and ITL are uncertain by as much"
    ]
    busy = verdict(sample(), sample(0.95, worker=1), sample(0.99, worker=2))
    assert "1 of 1 samples in worker 1, 1 of 1 samples in worker 2: it," in busy["reasons"][0]


def test_merged_health_is_that_of_all_samples() -> None:
    samples = [sample(0.95, 2000, worker=1), sample(0.2, worker=0), sample(0.1, 10, worker=1)]
    whole, half, other = MeterHealth(), MeterHealth(), MeterHealth()
    for each in samples:
        whole.add(each)
    for part, each in zip((half, other, half), samples, strict=True):
        part.add(each)
    half.merge(other)
    rates = {"itl_p99_ms": None, "coalesced_event_share": None, "offered_rate": None, "achieved_rate": None}
    assert half.verdict(**rates) == whole.verdict(**rates)
    assert half.cpu_ns == whole.cpu_ns == round(1.25 * NS_PER_S)


def test_what_is_within_the_limits_gives_no_reason() -> None:
    assert verdict(sample(lag_us=1000))["valid"]
    assert verdict(sample(lag_us=3000), itl_p99_ms=200.0)["valid"]  # 2 % of a slow engine's gaps
    assert verdict(*[sample()] * 9, sample(0.99))["valid"]  # one busy second at the start
    assert verdict(sample(), rates=(10.0, 9.5))["valid"]


def test_a_tuned_collector_leaves_alone_what_exists() -> None:
    before = gc.get_threshold()
    try:
        tune_gc()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
