from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import DimensionValues, HealthSample, Window, Windows
from imaxproxy.runs.partial_sums import Counting, PartialSums
from runs.made_run import ZERO_NS, answered


def at(*seconds: float) -> Window:
    return Window(*(ZERO_NS + round(each * NS_PER_S) for each in seconds))


WINDOWS = Windows(at(0, 10), at(0, 3), at(3, 8), at(8, 10))


def sums_of(seconds: list[int], windows: Windows = WINDOWS, worker: int = 0) -> PartialSums:
    sums = PartialSums(Counting(windows, DimensionValues(), by_share=True))
    sums.begin(worker)
    for second in seconds:
        sums.add(answered(second))
        sums.add_health(HealthSample(worker, ZERO_NS + second * NS_PER_S, NS_PER_S, second, {50: 50}))
    return sums


def test_the_whole_is_the_sum_of_its_windows() -> None:
    tallies = sums_of([0, 1, 4, 5, 6, 9]).tallies()
    assert {name: tally.tally.sent for name, tally in tallies.items()} == {
        "whole": 6, "warmup": 2, "steady": 3, "drain": 1,
    }  # fmt: skip
    assert tallies["whole"].tally.histograms["itl_ms"].total == 18
    assert tallies["whole"].counts().output_tokens == 24


def test_a_run_without_windows_is_counted_whole() -> None:
    tallies = sums_of([0, 1], Windows(at(0, 10), None, None, None)).tallies()
    assert {name: tally.tally.sent for name, tally in tallies.items()} == {"whole": 2}


def test_asking_twice_counts_once() -> None:
    sums = sums_of([0, 4])
    assert sums.tallies()["whole"].tally.sent == sums.tallies()["whole"].tally.sent == 2


def test_parts_add_up_with_the_meters_health_and_each_workers_own() -> None:
    sums = sums_of([0, 4], worker=2)
    sums.merge(sums_of([5, 6, 7], worker=3))
    assert sums.tallies()["steady"].tally.sent == 4
    assert sums.shares is not None
    assert [sums.shares.of_workers([worker]).requests for worker in (2, 3)] == [2, 3]
    assert (sums.health.cpu_ns, sums.steady_health.cpu_ns) == (22, 22)
