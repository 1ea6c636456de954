import pytest

from imaxproxy.errors import UsageError
from imaxproxy.load import cancel_of
from imaxproxy.load.cancel import leaves_after
from imaxproxy.traces import TraceRow


def test_the_share_leaves_and_always_the_same() -> None:
    cancel = cancel_of("0.2@tokens=20", 3)
    drawn = [cancel.of(f"r{number}") for number in range(5000)]
    assert set(drawn) == {(20, None), (None, None)}
    assert drawn.count((20, None)) / 5000 == pytest.approx(0.2, abs=0.025)
    assert [cancel_of("0.2@tokens=20", 3).of(f"r{number}") for number in range(5000)] == drawn
    assert [cancel_of("0.2@tokens=20", 4).of(f"r{number}") for number in range(5000)] != drawn


def test_seconds_are_kept_as_ms() -> None:
    assert cancel_of("1@s=0.5", 0).of("a") == (None, 500)
    assert cancel_of("0@s=0.5", 0).of("a") == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.1",
        "0.1@",
        "0.1@tokens",
        "0.1@tokens=0",
        "0.1@tokens=1.5",
        "2@s=1",
        "x@s=1",
        "0.1@s=-1",
        "0.1@h=1",
        "0.1@s=inf",
    ],
)
def test_what_is_none_is_said_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--cancel"):
        cancel_of(text, 0)


def test_a_rows_own_word_goes_before_the_loads() -> None:
    everybody = cancel_of("1.0@tokens=3", seed=0)
    assert leaves_after(TraceRow(request_id="r"), None) == (None, None)
    assert leaves_after(TraceRow(request_id="r"), everybody) == (3, None)
    assert leaves_after(TraceRow(request_id="r", cancel_after_ms=1.5), everybody) == (None, 1_500_000)
    assert leaves_after(TraceRow(request_id="r", cancel_after_tokens=9), everybody) == (9, None)
