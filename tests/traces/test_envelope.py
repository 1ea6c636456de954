from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.traces import Constant, Envelope, Poisson, diurnal, envelope_of

NS_PER_S = 10**9
POINTS = (
    st.lists(st.tuples(st.integers(0, 100).map(float), st.integers(0, 5).map(float)), min_size=1, max_size=6)
    .map(sorted)
    .filter(lambda points: any(factor > 0 for _, factor in points))
    .map(tuple)
)


def warped_s(envelope: Envelope, rate_per_s: float, count: int) -> list[float]:
    return [at_ns / NS_PER_S for at_ns in islice(envelope.warp(Constant(rate_per_s).offsets_ns()), count)]


def count_between(times_s: list[float], start_s: float, end_s: float) -> int:
    return sum(start_s <= at_s < end_s for at_s in times_s)


def test_a_step_doubles_the_rate() -> None:
    times_s = warped_s(envelope_of("0:1,10:1,10:2"), 10, 400)
    assert times_s[:3] == [0, 0.1, 0.2]
    assert count_between(times_s, 0, 10) == 100
    assert count_between(times_s, 10, 20) == 200


def test_a_ramp_from_nothing_sends_half_of_what_its_end_would() -> None:
    times_s = warped_s(envelope_of("0:0,10:1"), 100, 1000)
    assert count_between(times_s, 0, 10) == pytest.approx(500, abs=1)
    assert count_between(times_s, 0, 5) == pytest.approx(125, abs=1)
    assert count_between(times_s, 10, 12) == pytest.approx(200, abs=1)


def test_a_pause_is_empty_and_what_comes_after_is_not_late() -> None:
    times_s = warped_s(envelope_of("0:0,5:0,5:1,10:1,10:0,20:0,20:1"), 10, 100)
    assert times_s[0] == 5
    assert count_between(times_s, 5, 10) == 50
    assert count_between(times_s, 10.001, 20) == 0
    assert times_s[-1] == pytest.approx(24.9)


def test_a_rate_that_falls_to_nothing_ends_the_schedule() -> None:
    assert len(warped_s(envelope_of("0:1,10:1,10:0"), 10, 10_000)) == 101  # the one at 10 s itself came in time


def test_a_day_has_its_mean_its_peak_and_comes_again() -> None:
    day = diurnal(1000)
    times_s = warped_s(day, 100, 300_000)
    assert count_between(times_s, 0, 1000) == pytest.approx(100_000, abs=2)
    assert count_between(times_s, 1000, 2000) == pytest.approx(100_000, abs=2)
    peak, trough = count_between(times_s, 490, 510), count_between(times_s, 990, 1010)
    assert peak / trough == pytest.approx(9.85, rel=0.05)


@given(POINTS, st.floats(0.5, 20))
def test_a_schedule_keeps_its_order_and_loses_nobody_before_its_end(
    points: tuple[tuple[float, float], ...], rate_per_s: float
) -> None:
    envelope = Envelope(points)
    times_s = warped_s(envelope, rate_per_s, 300)
    assert times_s == sorted(times_s)
    if points[-1][1] > 0:
        assert len(times_s) == 300


@given(POINTS)
def test_the_area_under_the_factor_is_what_has_been_sent(points: tuple[tuple[float, float], ...]) -> None:
    rate_per_s = 50
    times_s = warped_s(Envelope(points), rate_per_s, 5000)
    end_s = points[-1][0]
    area = points[0][0] * points[0][1] + sum((b - a) * (m + n) / 2 for (a, m), (b, n) in pairwise(points))
    sent = sum(at_s < end_s - 1e-6 for at_s in times_s)
    if len(times_s) < 5000 or times_s[-1] > end_s:
        assert abs(sent - rate_per_s * area) <= 1.01


def test_a_poisson_process_stays_one() -> None:
    envelope = envelope_of("0:1,100:3")
    first, same = (list(islice(envelope.warp(Poisson(10, 1).offsets_ns()), 1000)) for _ in range(2))
    assert first == same


def test_a_file_of_points(tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("0,1\n10,1\n\n10,2\n")
    assert envelope_of(f"@{tmp_path / 'day.csv'}") == envelope_of("0:1,10:1,10:2")


@pytest.mark.parametrize(
    "text",
    ["", "1", "0:x", "0:-1", "0:nan", "0:0", "5:1,4:1", "-1:1", "diurnal:", "diurnal:0", "diurnal:9,0.5", "@nowhere"],
)
def test_what_is_no_envelope_is_said_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--envelope"):
        envelope_of(text)
