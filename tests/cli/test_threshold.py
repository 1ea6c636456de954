import pytest

from imaxproxy.cli.threshold import threshold_of
from imaxproxy.errors import UsageError


def test_a_share_is_a_number_or_percent() -> None:
    assert (threshold_of("5%"), threshold_of("0.05"), threshold_of("0")) == (0.05, 0.05, 0)


@pytest.mark.parametrize("text", ["much", "-1", "", "%", "11", "nan"])
def test_what_is_no_share_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="--threshold is a share"):
        threshold_of(text)
