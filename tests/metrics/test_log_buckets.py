import math

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import LogBuckets, few_buckets
from imaxproxy.metrics.log_buckets import BOUNDS, edges

GAPS_NS = st.lists(st.integers(40_000, 3_600_000_000_000), min_size=1, max_size=300)


def filled(values: list[int]) -> LogBuckets:
    buckets = LogBuckets()
    buckets.add_all(values)
    return buckets


@given(GAPS_NS, st.sampled_from([1.0, 10.0, 50.0, 90.0, 99.0]))
def test_a_percentile_is_off_by_less_than_a_bucket_and_a_step(values: list[int], percentile: float) -> None:
    rank = max(math.ceil(percentile * len(values) / 100), 1)
    true = sorted(values)[rank - 1]
    (found,) = filled(values).values_at([percentile])
    assert abs(found - true) <= 0.04 * true + 4096


@given(GAPS_NS, GAPS_NS)
def test_a_merge_is_the_buckets_of_both(one: list[int], other: list[int]) -> None:
    merged = filled(one)
    merged.merge(filled(other))
    assert merged == filled(one + other)
    assert LogBuckets.from_row(merged.as_row()) == merged


def test_the_mean_is_exact_and_nothing_is_lost_at_the_ends() -> None:
    buckets = filled([0, 1, 5_000_000, 10 * BOUNDS[-1]])
    assert buckets.total == 4
    assert buckets.block(1.0)["mean"] == (0 + 1 + 5_000_000 + 10 * BOUNDS[-1]) / 4
    assert edges(len(BOUNDS)) == (BOUNDS[-1], BOUNDS[-1])


def test_a_block() -> None:
    assert LogBuckets().block(1e6) == {"count": 0, "p50": None, "p90": None, "p99": None, "mean": None}
    halves = filled([10_000_000] * 4).block(1e6, each_times=2.0, low_tail=True)
    assert halves["count"] == 8  # two tokens came with each
    assert halves["mean"] == 5.0
    assert [name for name in halves if name.startswith("p")] == ["p1", "p10", "p50", "p90", "p99"]
    assert abs((halves["p50"] or 0) - 5.0) < 0.2


@given(st.lists(st.tuples(st.floats(0.001, 1e7), st.integers(1, 50)), max_size=200))
def test_few_buckets_lose_nothing_and_stand_on_one_grid(rows: list[tuple[float, int]]) -> None:
    buckets = few_buckets(rows)
    assert len(buckets) <= 40
    assert sum(count for _, count in buckets) == sum(count for _, count in rows)
    assert all(abs(math.log10(edge) * 20 - round(math.log10(edge) * 20)) < 1e-6 for edge, _ in buckets)
    if rows:
        assert buckets[-1][0] >= max(value for value, _ in rows) * (1 - 1e-6)
        assert buckets == sorted(buckets)


def test_few_buckets_of_zeros() -> None:
    assert few_buckets([(0.0, 3)]) == [[0.001, 3]]
