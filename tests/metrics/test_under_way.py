import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import Grid
from imaxproxy.metrics.under_way import UnderWay

STRETCHES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 2000)), max_size=20)


def under_way(stretches: list[tuple[int, int]], start_ns: int) -> UnderWay:
    found = UnderWay()
    for begun_ns, lasting_ns in stretches:
        found.add(start_ns + begun_ns, start_ns + begun_ns + lasting_ns)
    return found


def test_slices_need_not_be_whole_nanoseconds() -> None:
    grid = Grid(0, 10, 4)  # 2.5 ns each
    assert grid.levels(under_way([(1, 5)], 0).busy(grid)) == pytest.approx([1.5 / 2.5, 1.0, 1 / 2.5, 0.0])


def test_what_goes_on_after_the_last_send_counts_until_then() -> None:
    grid = Grid(100, 10, 2)
    assert grid.levels(under_way([(0, 500), (10, 3)], 100).busy(grid)) == [1.0, 1.0]


@given(STRETCHES, st.integers(1, 1500), st.integers(1, 50), st.integers(-5, 10**15))
def test_it_is_the_overlap_of_each_request_with_each_slice(
    stretches: list[tuple[int, int]], more_ns: int, slices: int, start_ns: int
) -> None:
    grid = Grid(start_ns, 1000 + more_ns, slices)
    expected = [0] * slices
    for begun, lasting in stretches:
        for at in range(slices):
            edges = at * grid.span_ns, (at + 1) * grid.span_ns  # in parts of a nanosecond
            expected[at] += max(0, min((begun + lasting) * slices, edges[1]) - max(begun * slices, edges[0]))
    assert under_way(stretches, start_ns).busy(grid) == expected


@given(STRETCHES, STRETCHES, st.integers(1000, 1500), st.integers(1, 50))
def test_parts_add_up_to_the_whole(
    some: list[tuple[int, int]], others: list[tuple[int, int]], span_ns: int, slices: int
) -> None:
    grid = Grid(0, span_ns, slices)
    whole, part = under_way(some, 0), under_way(others, 0)
    added = [a + b for a, b in zip(whole.busy(grid), part.busy(grid), strict=True)]
    whole.merge(part)
    assert whole.busy(grid) == added
