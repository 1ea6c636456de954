"""The verdict on the meter: whose lag counts, of which worker, over which limits."""

import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import HealthSample, MeterHealth, ReadStamps

KERNEL = ReadStamps({50: 1000}, 0, 0)
"""All stamped by the kernel, read 0.05 ms later."""


def verdict(
    *samples: HealthSample,
    itl_p99_ms: float | None = None,
    rates: tuple[float, float] | None = None,
    coalesced: float = 0.25,
) -> dict:
    meter = MeterHealth()
    for sample in samples:
        meter.add(sample)
    offered, achieved = rates or (None, None)
    return meter.verdict(
        itl_p99_ms=itl_p99_ms, coalesced_event_share=coalesced, offered_rate=offered, achieved_rate=achieved
    )


def sample(cpu_share: float = 0.5, lag_us: int = 100, worker: int = 0, reads: ReadStamps | None = None) -> HealthSample:
    return HealthSample(worker, 0, NS_PER_S, round(cpu_share * NS_PER_S), {lag_us: 50}, reads)


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
        (verdict(sample(lag_us=1010)), "loop lag p99 is 1.01 ms (limit 1.00)"),
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
        "loop lag p99 is 9.01 ms in worker 7 (limit 1.00): tails of TTFT and ITL are uncertain by as much"
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


def test_where_the_kernel_stamps_the_loop_may_lag() -> None:
    found = verdict(sample(lag_us=9000, reads=KERNEL))
    assert (found["valid"], found["reasons"]) == (True, [])
    assert found["loop_lag_ms"]["p99"] == pytest.approx(9.0, rel=0.001), "both lags are said"
    assert found["read_lag_ms"]["p99"] == pytest.approx(0.05, rel=0.001)
    assert found["stamped_by"] == {"kernel": 1000, "thread": 0, "loop": 0}


def test_who_did_not_count_has_stamped_with_the_loop() -> None:
    found = verdict(sample())
    assert (found["stamped_by"], found["read_lag_ms"]["count"]) == (None, 0)


@pytest.mark.parametrize(
    ("reads", "what"),
    [
        (None, "tails of TTFT and ITL are"),
        (ReadStamps({}, 0, 0), "tails of TTFT and ITL are"),  # nobody carried anything in C
        (ReadStamps({50: 1000}, 0, 100), "tails of TTFT and ITL are"),
        (ReadStamps({50: 1000}, 100, 0), "tails of TTFT and ITL are"),  # sockets that have no stamps
        (ReadStamps({50: 1000}, 0, 5), "the tail of TTFT is"),  # the heads alone: a proxy
        (ReadStamps({50: 1000}, 5, 0), "the tail of TTFT is"),
    ],
)
def test_the_loops_lag_counts_for_what_it_stamps(reads: ReadStamps | None, what: str) -> None:
    assert verdict(sample(lag_us=9000, reads=reads))["reasons"] == [
        f"loop lag p99 is 9.01 ms (limit 1.00): {what} uncertain by as much"
    ]


def test_late_reads_that_held_several_events_have_lost_gaps() -> None:
    late = ReadStamps({5000: 50, 50: 50}, 0, 0)
    assert verdict(sample(reads=late))["reasons"] == [
        "reads came p99 5.00 ms after their bytes (limit 1.00), and 25% of events shared one: "
        "gaps between these are lost"
    ]
    assert verdict(sample(reads=late), coalesced=0.01)["valid"], "each event had its own stamp"
    assert verdict(sample(reads=KERNEL))["valid"], "they came together"


def test_reads_of_all_workers_are_one_figure_and_each_is_judged() -> None:
    late = sample(lag_us=9000, worker=1, reads=ReadStamps({50: 10}, 10, 0))
    found = verdict(sample(lag_us=9000, reads=KERNEL), late)
    assert found["stamped_by"] == {"kernel": 1010, "thread": 10, "loop": 0}
    assert found["reasons"] == [
        "loop lag p99 is 9.01 ms in worker 1 (limit 1.00): tails of TTFT and ITL are uncertain by as much"
    ]


def test_the_part_of_some_workers_is_theirs() -> None:
    meter = MeterHealth()
    for number, lag_us in enumerate((100, 200, 300)):
        meter.add(sample(lag_us=lag_us, worker=number, reads=KERNEL))
    part = meter.of_workers([1, 7])
    assert (part.lag.maximum, part.read_lag.total, meter.lag.total) == (200, 1000, 150)
