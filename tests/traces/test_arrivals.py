import math
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.shipped import shipped
from imaxproxy.traces import Constant, Poisson, Recorded, TraceRow, open_trace, share, spread_ties

SAMPLE = shipped("workloads") / "mooncake_conversation.first3min.jsonl"


def stamped(*stamps_ms: float | None) -> list[TraceRow]:
    return [TraceRow(f"r{place}", timestamp_ms=at_ms) for place, at_ms in enumerate(stamps_ms)]


def cv(offsets: list[int]) -> float:
    gaps = [after - before for before, after in pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean


def test_poisson_has_the_rate_and_the_spread_it_says() -> None:
    offsets = list(islice(Poisson(rate_per_s=50, seed=1).offsets_ns(), 20_000))
    assert offsets == sorted(offsets)
    assert 20_000 / (offsets[-1] / 1e9) == pytest.approx(50, rel=0.03)  # 4 sigma of 20,000 gaps
    assert cv(offsets) == pytest.approx(1, abs=0.04)


def test_poisson_is_the_same_for_the_same_seed_only() -> None:
    one, same, other = (list(islice(Poisson(10, seed).offsets_ns(), 5)) for seed in (1, 1, 2))
    assert one == same != other
    assert one[:2] == POISSON_GOLDEN_NS


def test_constant_does_not_drift() -> None:
    offsets = list(islice(Constant(rate_per_s=3).offsets_ns(), 3_001))
    assert offsets[:4] == [0, 333_333_333, 666_666_667, 1_000_000_000]
    assert offsets[3_000] == 1_000_000_000_000


@pytest.mark.parametrize("rate_per_s", [0, -1, math.nan, math.inf])
def test_a_rate_is_above_zero(rate_per_s: float) -> None:
    for make in (lambda: Poisson(rate_per_s, seed=1), lambda: Constant(rate_per_s)):
        with pytest.raises(UsageError, match="--rate must be above 0 requests/s, not"):
            make()


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


@given(st.lists(st.integers()), st.integers(1, 12))
def test_the_shares_of_all_workers_are_the_schedule(schedule: list[int], workers: int) -> None:
    parts = [list(share(iter(schedule), worker, workers)) for worker in range(workers)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    merged = [parts[place % workers][place // workers] for place in range(len(schedule))]
    assert merged == schedule
    assert sum(map(len, parts)) == len(schedule)


POISSON_GOLDEN_NS = [363135454, 434099969]
