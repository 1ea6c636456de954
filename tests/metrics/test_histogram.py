from fractions import Fraction
from math import ceil

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import PERCENTILES, Histogram
from imaxproxy.metrics.histogram import DIGITS, HIGHEST, LOWEST

EDGES = [0, 1, 2, 1023, 1024, 2047, 2048, 2049, 4095, 4096, HIGHEST - 1, HIGHEST]
EDGES += [1 << power for power in range(32) if 1 << power <= HIGHEST] + [(1 << power) - 1 for power in range(1, 32)]
VALUES = st.sampled_from(EDGES) | st.integers(0, 5000) | st.integers(0, HIGHEST)
RANKS = [0.001, 1.0, 25.0, *(rank for _, rank in PERCENTILES), 99.99, 100.0]


def ours(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def oracle(values: list[int]) -> HdrHistogram:
    histogram = HdrHistogram(LOWEST, HIGHEST, DIGITS)
    for value in values:
        assert histogram.record_value(value)
    return histogram


@given(st.lists(VALUES, min_size=1, max_size=60))
def test_percentiles_are_the_nearest_rank_in_hdrhistograms_buckets(values: list[int]) -> None:
    histogram, buckets, ordered = ours(values), oracle(values), sorted(values)
    ranks = [max(1, ceil(Fraction(str(rank)) * len(values) / 100)) for rank in RANKS]
    assert histogram.values_at(RANKS) == [buckets.get_highest_equivalent_value(ordered[rank - 1]) for rank in ranks]
    assert (histogram.total, histogram.minimum, histogram.maximum) == (len(values), min(values), max(values))


@pytest.mark.parametrize("count", [1, 7, 99, 100, 101, 549, 560, 999, 1000, 1001])
def test_so_many_percent_lie_at_or_below_a_percentile(count: int) -> None:
    """What `--slo ...@p99` counts: rounding the rank half up would call the 554th of 560 p99, which 98.9 % reach."""
    histogram = ours(list(range(count)))
    for name, percentile in PERCENTILES:
        value = histogram.stats()[name]
        assert value is not None
        assert sum(each / Histogram.UNIT <= value for each in range(count)) * 100 >= percentile * count - 1e-6, name


@pytest.mark.parametrize("value", EDGES)
def test_each_edge_stands_in_hdrhistograms_bucket(value: int) -> None:
    histogram, expected = ours([value]), oracle([value])
    assert histogram.value_at(50.0) == expected.get_value_at_percentile(50.0)
    assert [index for index in range(expected.counts_len) if expected.counts[index]] == list(histogram.counts)


@given(st.lists(VALUES, max_size=60))
def test_encodes_byte_for_byte_as_hdrhistogram_does(values: list[int]) -> None:
    assert ours(values).encode() == oracle(values).encode().decode()


@given(st.lists(VALUES, max_size=60))
def test_hdrhistogram_reads_what_we_encode(values: list[int]) -> None:
    histogram = ours(values)
    read = HdrHistogram.decode(histogram.encode())
    assert {index: read.counts[index] for index in range(read.counts_len) if read.counts[index]} == histogram.counts
    assert read.get_total_count() == len(values)
    expected = oracle(values)
    assert read.get_max_value() == expected.get_highest_equivalent_value(max(values, default=0))
    assert read.get_min_value() == expected.get_lowest_equivalent_value(min(values, default=0))


@given(st.lists(VALUES, max_size=60))
def test_decode_reverses_encode(values: list[int]) -> None:
    histogram = ours(values)
    again = Histogram.decode(histogram.encode())
    assert (again.counts, again.total) == (histogram.counts, histogram.total)
    assert again.encode() == histogram.encode()
    assert again.values_at(RANKS) == histogram.values_at(RANKS)


def test_decode_knows_its_own_layout_only() -> None:
    with pytest.raises(ValueError, match="3 digits"):
        Histogram.decode(HdrHistogram(1, HIGHEST, 2).encode().decode())


@given(st.permutations(range(4)), st.lists(st.lists(VALUES, max_size=12), min_size=4, max_size=4))
def test_merges_in_any_order(order: list[int], parts: list[list[int]]) -> None:
    merged, whole = Histogram(), ours([value for part in parts for value in part])
    for index in order:
        merged.merge(ours(parts[index]))
    assert merged.stats() == whole.stats()
    assert merged.counts == whole.counts


@given(st.lists(VALUES, max_size=30))
def test_one_by_one_or_many_at_once(values: list[int]) -> None:
    by_values, by_counts = Histogram(), Histogram()
    by_values.record_values(values)
    by_counts.record_counts({value: values.count(value) for value in values})
    assert by_values.stats() == by_counts.stats() == ours(values).stats()


def test_reading_between_changes_nothing() -> None:
    histogram = Histogram()
    for value in (5, 3000, 4):
        histogram.record(value)
        assert histogram.maximum == max(5, histogram.maximum or 0)
    assert histogram.stats() == ours([5, 3000, 4]).stats()


@pytest.mark.parametrize("times", [1, 2, 8, 9, 1000])
def test_values_may_count_many_times(times: int) -> None:
    many = Histogram()
    many.record_values([5, 3000, 5], times)
    assert many.stats() == ours([5, 3000, 5] * times).stats()


@pytest.mark.parametrize("record", ["record", "record_values", "record_counts"])
def test_memory_is_bounded_while_nobody_reads(record: str) -> None:
    histogram = Histogram(most_fresh=100)
    for value in range(1000):
        argument = {"record": value, "record_values": [value], "record_counts": {value: 1}}[record]
        getattr(histogram, record)(argument)
        assert len(histogram._fresh) <= 100
    assert histogram.total == 1000


def test_stats_are_read_in_units_of_a_thousand() -> None:
    assert ours([1000, 2000, 3000, 6000]).stats() == {
        "count": 4, "mean": 3.0, "min": 1.0, "max": 6.0,
        "p50": 2.0, "p75": 3.001, "p90": 6.0, "p95": 6.0, "p99": 6.0, "p999": 6.0,
    }  # fmt: skip


@given(st.lists(VALUES), st.lists(st.integers(0, HIGHEST), min_size=1))
def test_counts_up_to_a_bound_are_those_of_whole_buckets(values: list[int], bounds: list[int]) -> None:
    histogram, bounds = ours(values), sorted(bounds)
    counted = histogram.counts_up_to(bounds)
    assert counted == sorted(counted)
    for bound, count in zip(bounds, counted, strict=True):
        least = sum(value <= bound - bound // 1000 - 1 for value in values)
        assert least <= count <= sum(value <= bound for value in values)


def test_an_empty_one_knows_nothing() -> None:
    stats = Histogram().stats()
    assert stats.pop("count") == 0
    assert set(stats.values()) == {None}
    assert Histogram().value_at(50.0) is None


def test_zero_is_a_value() -> None:
    stats = ours([0, 0]).stats()
    assert (stats["count"], stats["mean"], stats["p50"], stats["max"]) == (2, 0.0, 0.0, 0.0)


def test_what_does_not_fit_is_counted_at_the_edge() -> None:
    histogram = ours([-5, 10, HIGHEST + 1])
    assert histogram.out_of_range == 2
    assert (histogram.minimum, histogram.maximum, histogram.total) == (-5, HIGHEST + 1, 3)
    assert histogram.value_at(1.0) == 0
    merged = Histogram()
    merged.merge(histogram)
    assert merged.out_of_range == 2


def test_the_slow_tail_of_a_rate_is_its_low_end() -> None:
    histogram = Histogram()
    assert histogram.slow_tail() == {"p01": None, "p10": None}
    histogram.record_values(range(1000, 101_000, 1000))  # 1 to 100 tokens/s
    assert histogram.slow_tail() == {"p01": 1.0, "p10": pytest.approx(10, rel=1e-3)}


@pytest.mark.parametrize("text", ["nonsense", "", "AAAA", "HISTFAAAABx4"])
def test_what_is_no_histogram_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        Histogram.decode(text)
