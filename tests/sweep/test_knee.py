import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.sweep import is_past_knee

RATES = st.lists(st.floats(1, 1e6), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("rates_per_s", "past"),
    [
        ([], False),
        ([100, 100], False),  # one load fell short of one: nothing yet
        ([100, 104, 104], True),
        ([100, 104, 106], False),  # 6 % above the best before both
        ([100, 50, 104.9], True),  # falls, and does not come back
        ([100, 200, 400, 410, 405], True),
        ([100, 200, 400, 410, 800], False),  # one dip is no knee
    ],
)
def test_two_loads_in_a_row_must_fall_short(rates_per_s: list[float], past: bool) -> None:
    assert is_past_knee(rates_per_s) is past


@given(RATES)
def test_a_curve_that_grows_by_a_tenth_goes_on(rates_per_s: list[float]) -> None:
    growing = [rates_per_s[0] * 1.1**number for number in range(len(rates_per_s))]
    assert not any(is_past_knee(growing[:end]) for end in range(len(growing) + 1))


@given(RATES)
def test_no_new_best_twice_is_a_knee(rates_per_s: list[float]) -> None:
    best = max(rates_per_s)
    assert is_past_knee([*rates_per_s, best, best])
