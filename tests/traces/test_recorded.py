import math
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.shipped import shipped
from imaxproxy.traces import Recorded, TraceRow, looped, open_trace, spread_ties, within

SAMPLE = shipped("workloads") / "mooncake_conversation.first3min.jsonl"


def stamped(*stamps_ms: float | None) -> list[TraceRow]:
    return [TraceRow(f"r{place}", timestamp_ms=at_ms) for place, at_ms in enumerate(stamps_ms)]


def cv(offsets: list[int]) -> float:
    gaps = [after - before for before, after in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean


def test_recorded_counts_from_the_first_row_at_its_speed() -> None:
    rows = stamped(5_000, 5_000.5, 7_000)
    assert list(Recorded(rows).offsets_ns()) == [0, 500_000, 2_000_000_000]
    assert list(Recorded(rows, speed=4).offsets_ns()) == [0, 125_000, 500_000_000]
    assert [row.request_id for _, row in Recorded(rows).scheduled()] == ["r0", "r1", "r2"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (stamped(0, None), "request r1 has no timestamp; pass --rate or --concurrency"),
        (stamped(0, 9, 8), "request r2: its timestamp of 8 ms lies before the 9 ms"),
    ],
)
@pytest.mark.parametrize("spread_ms", [0, 3_000])
def test_recorded_names_the_row_it_cannot_place(rows: list[TraceRow], says: str, spread_ms: float) -> None:
    with pytest.raises(UsageError, match=says):
        list(Recorded(rows, spread_ms=spread_ms).offsets_ns())


@pytest.mark.parametrize(("speed", "spread_ms"), [(0, 0), (-2, 0), (math.nan, 0), (1, -1), (1, math.inf)])
def test_recorded_refuses_senseless_numbers(speed: float, spread_ms: float) -> None:
    with pytest.raises(UsageError, match="--s"):
        Recorded([], speed, spread_ms)


def test_spread_ties_make_mooncake_poisson_again() -> None:
    """workloads.md 2.3: the CV of the conversation trace falls from 3.03 to 1.01. Three minutes of it, here."""
    rows = list(open_trace(SAMPLE))
    spread = list(Recorded(rows, spread_ms=3_000).scheduled())
    assert cv(list(Recorded(rows).offsets_ns())) > 2.5
    assert cv([at_ns for at_ns, _ in spread]) == pytest.approx(1, abs=0.1)
    assert [row for _, row in spread] == rows


@given(st.lists(st.integers(0, 20), min_size=1, max_size=40).map(sorted), st.floats(0.1, 5), st.integers(0, 9))
def test_spreading_keeps_order_items_and_ticks(stamps_ms: list[int], spread_ms: float, seed: int) -> None:
    spread = list(spread_ties([(float(at_ms), place) for place, at_ms in enumerate(stamps_ms)], spread_ms, seed))
    times_ms = [at_ms for at_ms, _ in spread]
    assert times_ms == sorted(times_ms)
    assert [place for _, place in spread] == list(range(len(stamps_ms)))
    assert all(0 <= after - before <= spread_ms for before, after in zip(stamps_ms, times_ms, strict=True))


def test_a_window_holds_what_starts_in_it_and_sessions_whole() -> None:
    rows = [
        TraceRow("early", timestamp_ms=5_000),
        TraceRow("a1", session_id="a", timestamp_ms=6_000),
        TraceRow("b1", session_id="b", timestamp_ms=15_000),
        TraceRow("a2", session_id="a", timestamp_ms=16_000),
        TraceRow("x", timestamp_ms=24_999),
        TraceRow("late", timestamp_ms=25_000),
        TraceRow("b2", session_id="b"),
    ]
    assert [row.request_id for row in within(rows, 10, 20)] == ["b1", "x", "b2"]
    with pytest.raises(UsageError, match="request y has no timestamp"):
        list(within([TraceRow("y")], 0, 1))


def test_laps_go_on_in_time_and_share_nothing() -> None:
    rows = [
        TraceRow("a", session_id="s", timestamp_ms=100, input_length=5, hash_ids=(7,), block_size=5),
        TraceRow("b", session_id="s", timestamp_ms=300, input_length=5, wait_for=("a",)),
    ]
    laps = list(islice(looped(lambda: rows), 6))
    assert [row.request_id for row in laps] == ["a", "b", "a~1", "b~1", "a~2", "b~2"]
    assert [row.timestamp_ms for row in laps] == [0, 200, 400, 600, 800, 1000]  # the last gap is the mean one
    assert laps[3].wait_for == ("a~1",)
    assert laps[2].session_id == "s~1"
    assert len({row.hash_ids for row in laps if row.hash_ids}) == 3
    with pytest.raises(UsageError, match="--loop has nothing to repeat"):
        next(looped(list))
