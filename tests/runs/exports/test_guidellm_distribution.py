"""GuideLLM's distributions, against what they are by definition; its own code is asked in test_real_tools.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.runs.exports.guidellm.distribution import of_concurrency, of_rates, of_values

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=40)
MOMENTS = st.lists(st.integers(0, 10_000).map(lambda ms: 1_000 + ms / 1000), min_size=2, max_size=40)


@given(VALUES)
def test_a_percentile_is_one_of_the_values(values: list[float]) -> None:
    made, rising = of_values(np.array(values)), sorted(values)
    assert made["count"] == len(values)
    assert made["mean"] == pytest.approx(sum(values) / len(values))
    assert (made["min"], made["max"]) == (rising[0], rising[-1])
    for name, rank in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("p999", 0.999)):
        at = rank * len(values)
        near = {rising[min(max(place, 0), len(values) - 1)] for place in (int(at) - 1, int(at))}
        assert made["percentiles"][name] in near
    assert made["median"] == made["percentiles"]["p50"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=20))
def test_a_weight_is_so_many_values(pairs: list[tuple[int, int]]) -> None:
    values, weights = (np.array(column, float) for column in zip(*pairs, strict=True))
    made, repeated = of_values(values, weights), of_values(np.repeat(values, weights.astype(int)))
    for name in ("mean", "std_dev", "min", "max", "count", "total_sum"):
        assert made[name] == pytest.approx(repeated[name], abs=1e-9), name


def test_nothing_is_0_everywhere() -> None:
    made = of_values(np.empty(0))
    assert {made[name] for name in ("mean", "median", "mode", "std_dev", "min", "max", "count", "total_sum")} == {0}
    assert set(made["percentiles"].values()) == {0}


@given(MOMENTS)
def test_the_mean_rate_is_events_over_time(moments: list[float]) -> None:
    """Weighted by how long each lasted: but for the last event's half gap, which is at least 1 us."""
    window = (min(moments) - 1.0, max(moments) + 1.0)
    made = of_rates(np.array(moments), None, window)
    assert made["mean"] == pytest.approx(len(moments) / (window[1] - window[0]), rel=1e-5)
    assert made["count"] == len(moments)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 5_000)), min_size=1, max_size=30))
def test_the_mean_concurrency_is_time_under_way_over_time(spans_ms: list[tuple[int, int]]) -> None:
    starts = np.array([1_000 + start / 1000 for start, _ in spans_ms])
    ends = np.array([1_000 + (start + length) / 1000 for start, length in spans_ms])
    window = (float(starts.min()), float(ends.max()))
    made = of_concurrency(starts, ends, window=window)
    assert made["mean"] == pytest.approx(float((ends - starts).sum()) / (window[1] - window[0]), rel=1e-5)
    assert made["max"] <= len(spans_ms)


def test_events_within_a_tenth_of_a_millisecond_are_one() -> None:
    made = of_rates(np.array([10.0, 10.00005, 10.00009, 10.00012, 11.0, 12.0]))
    # 3 at 10.0 (the fourth is 0.12 ms behind the first), 1, 1, 1
    assert made["count"] == 6
    assert made["max"] == pytest.approx(3 / 0.00006)
