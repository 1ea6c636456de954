import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.live.screen.numbers import age, clock, figure, milliseconds, percent, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (0.00042, "4.2e-04"),
        (0.042, "0.0420"),
        (0.0995, "0.10"),
        (4.214, "4.21"),
        (9.996, "10.0"),
        (42.14, "42.1"),
        (99.96, "100"),
        (421.4, "421"),
        (4210, "4,210"),
        (999_499, "999,499"),
        (999_600, "1.00M"),
        (42_100_000, "42.1M"),
        (4.21e9, "4.21G"),
        (4.21e12, "4.21T"),
        (-42.14, "-42.1"),
    ],
)
def test_three_digits_that_matter(value: float | None, text: str) -> None:
    assert figure(value) == text


@given(st.floats(0, 9.9e14).filter(lambda value: value == 0 or value > 1e-90))
def test_never_wider_than_its_column(value: float) -> None:
    assert len(figure(value)) <= 7
    assert len(whole(value)) <= 7


@pytest.mark.parametrize(
    ("value_ms", "text"), [(None, "–"), (0.42, "0.42"), (99_949, "99,949"), (99_950, "100s"), (3_600_000, "3,600s")]
)
def test_long_times_are_seconds(value_ms: float | None, text: str) -> None:
    assert milliseconds(value_ms) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0, "0 %"),
        (1, "100 %"),
        (0.00001, "< 0.01 %"),
        (0.0042, "0.42 %"),
        (0.123, "12.3 %"),
        (0.9996, "> 99.9 %"),
    ],
)
def test_nearly_all_is_not_all(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (42.9, "0:42"), (724, "12:04"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.04, "0.04 s"), (4.21, "4.2 s"), (42.4, "42 s"), (99.6, "1:39"), (724, "12:04")],
)
def test_age(seconds: float | None, text: str) -> None:
    assert age(seconds) == text
