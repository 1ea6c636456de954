from math import log2

from hypothesis import example, given
from hypothesis import strategies as st

from imaxproxy.metrics import Histogram
from imaxproxy.proxy.native_histogram import FINEST_SCHEMA, MOST_BUCKETS, ZERO_THRESHOLD_S, NativeHistogram

VALUES_US = st.lists(st.one_of(st.integers(0, 3_000), st.integers(0, 3_600_000_000)), max_size=300)


def filled(values_us: list[int]) -> Histogram:
    counted = Histogram()
    counted.record_values(values_us)
    return counted


def unfolded(native: NativeHistogram) -> dict[int, int]:
    """Index -> count, as a reader has it."""
    found: dict[int, int] = {}
    index, count, deltas = 0, 0, iter(native.deltas)
    for offset, length in native.spans:
        index += offset
        for _ in range(length):
            count += next(deltas)
            found[index] = count
            index += 1
    assert next(deltas, None) is None
    return found


@given(VALUES_US)
@example([])
@example([0, 0, 1])
@example([1_000_000] * 3 + [2_000_000])
def test_every_value_is_in_a_bucket_that_holds_it(values_us: list[int]) -> None:
    """But for those within 0.1 % of a bound: HDR buckets are taken whole."""
    native = NativeHistogram.of(filled(values_us))
    buckets = unfolded(native)
    assert native.zero_count == values_us.count(0)
    assert native.zero_count + sum(buckets.values()) == len(values_us)
    assert all(count > 0 for count in buckets.values())
    assert 0 <= native.schema <= FINEST_SCHEMA
    for value_us in filter(None, values_us):
        place = log2(value_us / 1e6) * 2**native.schema
        slack = log2(1.001) * 2**native.schema
        assert any(index - 1 - slack - 1e-9 < place <= index + 1e-9 for index in buckets), value_us


def test_runs_of_buckets_and_what_lies_between() -> None:
    native = NativeHistogram.of(filled([490_000, 990_000, 990_000, 1_010_000, 1_980_000]))  # just below 0.5, 1 and 2 s
    assert unfolded(native) == {-32: 1, 0: 2, 1: 1, 32: 1}
    assert native.spans == ((-32, 1), (31, 2), (30, 1))
    assert native.deltas == (1, 1, -1, 0)


def test_an_hdr_bucket_across_a_bound_goes_up_whole() -> None:
    """1 s: its bucket of 0.1 % ends at 1.0004 s."""
    assert unfolded(NativeHistogram.of(filled([1_000_000]))) == {1: 1}


def test_many_buckets_are_joined_until_they_are_few() -> None:
    values_us = [round(10 ** (power / 100)) for power in range(900)]  # 1 us to 1000 s
    native = NativeHistogram.of(filled(values_us))
    assert native.schema == 2  # 30 doublings of 4
    assert 100 < sum(length for _, length in native.spans) <= MOST_BUCKETS
    assert sum(unfolded(native).values()) == 900


def test_the_shortest_time_lies_beyond_the_zero_bucket_whatever_the_schema() -> None:
    assert ZERO_THRESHOLD_S < 1e-6
    for schema in range(FINEST_SCHEMA + 1):
        assert 2.0 ** ((-20 * 2**schema) / 2**schema) >= ZERO_THRESHOLD_S
