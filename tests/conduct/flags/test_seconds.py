import click
import pytest

from imaxproxy.conduct.flags.seconds import seconds, seconds_from_0


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("0.25", 0.25), ("1e3", 1000.0), (600.0, 600.0)])
def test_numbers_above_zero(text: str | float, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1s", "", "5 minutes"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number of seconds above 0"):
        seconds(text)


def test_a_number_from_zero() -> None:
    assert (seconds_from_0("0"), seconds_from_0("2.5")) == (0, 2.5)
    for text in ("-1", "nan", "inf", "x"):
        with pytest.raises(click.BadParameter, match="is not a number of seconds from 0"):
            seconds_from_0(text)
