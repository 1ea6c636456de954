"""How power went between two moves of a counter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.power.counter import Counter
from imaxproxy.power.course import Course, level_w
from imaxproxy.power.watts import Watts

MS = NS_PER_MS


def _watts(*reads: float, every_ms: int = 100, from_ms: int = 0) -> Watts:
    watts = Watts()
    for at, power_w in enumerate(reads):
        watts.add((from_ms + at * every_ms) * MS, power_w)
    return watts


def test_energy_goes_where_the_watts_were() -> None:
    """A prompt of 0.3 s in a second of decoding; each read is of 60 ms before."""
    watts = _watts(400, 400, 400, 800, 800, 800, 400, 400, 400, 400, from_ms=110)
    course = Course.of(watts, 0, 1000 * MS)
    assert course is not None
    whole = 7 * 400 + 3 * 800
    assert course.share(300 * MS) == pytest.approx(3 * 400 / whole)
    assert course.share(600 * MS) == pytest.approx((3 * 400 + 3 * 800) / whole)
    assert (course.share(0), course.share(1000 * MS)) == (0, pytest.approx(1))


@pytest.mark.parametrize("reads", [(), (400, 800), (400, 420, 440, 410, 450), (0, 0, 0, 0)])
def test_few_reads_and_steady_ones_leave_a_straight_line(reads: tuple[float, ...]) -> None:
    assert Course.of(_watts(*reads, from_ms=110), 0, 1000 * MS) is None


@given(st.lists(st.floats(0, 1000), min_size=3, max_size=12), st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_shares_rise_from_none_to_all_whatever_was_read(reads: list[float], times: list[float]) -> None:
    every_ms = 1000 // len(reads)
    course = Course.of(_watts(*reads, every_ms=every_ms, from_ms=70), 0, NS_PER_S)
    if course is not None:
        shares = [course.share(round(at * NS_PER_S)) for at in sorted(times)]
        assert shares == sorted(shares)
        assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares)


def test_a_counter_keeps_its_joules_and_takes_their_course_from_the_watts() -> None:
    """Moves a second apart, gain of the watts 10 % off: it cancels."""
    watts = _watts(*[1.1 * power_w for power_w in (400, 400, 400, 800, 800, 800, 400, 400, 400, 400)] * 4, from_ms=110)
    counter = Counter(0.0, watts=watts)
    for second in range(5):
        counter.add(second * NS_PER_S, second * 520_000)
    assert counter.between_j(NS_PER_S, 2 * NS_PER_S) == pytest.approx(520)
    assert counter.between_j(1300 * MS, 1600 * MS) == pytest.approx(240)
    assert counter.between_j(1600 * MS, 2300 * MS) == pytest.approx(280)


def test_a_level_is_of_reads_that_are_wholly_within() -> None:
    watts = _watts(100, 100, 500, 500, 500, 500)  # the read at 200 ms may still be of before it
    assert level_w(watts, 200 * MS, 500 * MS) is None
    assert level_w(watts, 170 * MS, 500 * MS) == 500
