"""Gaps on their way into buckets: counted by C and by Python, with one result."""

from array import array
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imaxproxy.metrics.gaps import Gaps
from imaxproxy.metrics.log_buckets import BOUNDS, LogBuckets
from imaxproxy.wire import gap_counter

pytestmark = pytest.mark.usefixtures("hot_path")

GAPS_NS = st.lists(
    st.one_of(st.integers(0, 20_000), st.integers(0, 200_000_000), st.sampled_from(BOUNDS), st.just(10**14)),
    max_size=60,
)


def times_of(gaps_ns: list[int]) -> "array[int]":
    times_ns = array("q", [7])
    for gap_ns in gaps_ns:
        times_ns.append(times_ns[-1] + gap_ns)
    return times_ns


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(GAPS_NS, st.data())
def test_all_gaps_are_counted_where_their_values_would_be(gaps_ns: list[int], data: st.DataObject) -> None:
    """However they are cut into looks."""
    cuts = sorted({1, len(gaps_ns) + 1, *data.draw(st.lists(st.integers(1, len(gaps_ns) + 1), max_size=4))})
    gaps, found, wanted, times_ns = Gaps(gap_counter()), LogBuckets(), LogBuckets(), times_of(gaps_ns)
    for first, last in pairwise(cuts):
        gaps.add(times_ns, first, last)
    gaps.take_into(found)
    wanted.add_all(gaps_ns)
    assert found == wanted
    gaps.take_into(found)  # nothing came since
    assert found == wanted


def test_what_is_forgotten_is_not_handed_over() -> None:
    gaps, found = Gaps(gap_counter()), LogBuckets()
    gaps.add(times_of([5_000, 6_000]), 1, 3)
    gaps.forget()
    gaps.take_into(found)
    assert found == LogBuckets()


def test_before_the_first_event_there_is_no_gap() -> None:
    gaps, found = Gaps(gap_counter()), LogBuckets()
    gaps.add(times_of([]), 1, 1)
    gaps.take_into(found)
    assert found == LogBuckets()


@pytest.mark.parametrize(("first", "last", "counts"), [(0, 2, 3), (1, 4, 3), (2, 1, 3), (1, 2, 2)])
def test_c_reads_and_writes_only_what_it_was_given(hot_path: str, first: int, last: int, counts: int) -> None:
    count = gap_counter()
    if count is None:
        assert hot_path == "python"
        return
    with pytest.raises(ValueError, match="1 <= first"):
        count(array("q", [1, 2, 3]), first, last, array("q", [10, 20]), array("Q", [0] * counts))
