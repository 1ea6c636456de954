import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.live.screen import theme
from imaxproxy.live.screen.distribution import cells_of, minus, percentile
from imaxproxy.live.snapshot import Buckets

GOOD, BAD = theme.ZONES[0][1], theme.ZONES[-1][1]


def grid(counts: dict[int, int], every: int = 1) -> Buckets:
    """Counts by the number of their edge, 20 a decade, or every second or fifth of them."""
    merged: dict[int, int] = {}
    for edge, count in counts.items():
        merged[math.ceil(edge / every)] = merged.get(math.ceil(edge / every), 0) + count
    return tuple((10 ** (edge * every / 20), merged[edge]) for edge in sorted(merged))


COUNTS = st.dictionaries(st.integers(-60, 120), st.integers(1, 1000), min_size=1, max_size=40)


@given(COUNTS, st.integers(1, 80), st.booleans())
def test_every_value_is_in_a_cell(counts: dict[int, int], width: int, high_is_good: bool) -> None:
    cells = cells_of(grid(counts), width, high_is_good=high_is_good)
    assert cells is not None
    assert len(cells.counts) == len(cells.styles) == width
    assert sum(cells.counts) == pytest.approx(sum(counts.values()))
    assert cells.least < cells.most


@given(COUNTS, st.floats(0.01, 0.999))
def test_a_percentile_lies_in_its_bucket(counts: dict[int, int], rank: float) -> None:
    buckets = grid(counts)
    value = percentile(buckets, rank)
    assert value is not None
    below = sum(count for upper, count in buckets if upper < value * (1 - 1e-9))
    upto = sum(count for upper, count in buckets if upper <= value * 10 ** (1 / 20) * (1 + 1e-9))
    assert below <= rank * sum(counts.values()) * (1 + 1e-9)
    assert upto >= rank * sum(counts.values()) * (1 - 1e-9)


@given(COUNTS, COUNTS, st.sampled_from([1, 2, 5]))
def test_a_window_holds_what_came_in_it(before: dict[int, int], more: dict[int, int], every: int) -> None:
    """Also where the grid has become coarser meanwhile."""
    after = {edge: before.get(edge, 0) + more.get(edge, 0) for edge in before | more}
    found = minus(grid(after, every), grid(before))
    assert {edge: count for edge, count in found if count} == dict(grid(more, every))


def test_the_good_half_is_green_and_the_last_hundredth_red() -> None:
    counts = {10: 500, 11: 400, 12: 90, 13: 9}
    latency = cells_of(grid(counts), 4, high_is_good=False)
    assert latency is not None
    assert latency.styles == [style for _, style in theme.ZONES]
    speed = cells_of(grid(counts), 4, high_is_good=True)
    assert speed is not None
    assert speed.styles[0] != GOOD
    assert speed.styles[-1] == GOOD


def test_events_that_came_together_do_not_take_half_of_the_axis() -> None:
    """3 % of the gaps are 1 us; the axis begins a decade below the median, and says that it is clipped."""
    cells = cells_of(grid({-60: 30, 20: 970}), 20, high_is_good=False)
    assert cells is not None
    assert cells.clips
    assert cells.least == pytest.approx(10 ** (20 / 20) / 10, rel=0.2)
    assert cells.counts[0] == pytest.approx(30)
    slow = cells_of(grid({20: 970, 100: 1}), 20, high_is_good=False)
    assert slow is not None
    assert not slow.clips
    assert slow.most == pytest.approx(10**5)


def test_nothing_has_no_histogram() -> None:
    assert cells_of((), 10, high_is_good=False) is None
    assert cells_of(((10.0, 0),), 10, high_is_good=False) is None
    assert percentile((), 0.5) is None
