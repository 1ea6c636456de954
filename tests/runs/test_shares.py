from typing import Any

import pytest

from imaxproxy.runs.shares import Loss, share_record, start_error_ms


def record(index: int, clock: str | None, zero_ns: int | None, error_ms: float | None) -> dict[str, Any]:
    return share_record(index, 3, [index], zero_ns, {"by": "wall_clock", "error_ms": error_ms}) | {"clock_id": clock}


@pytest.mark.parametrize(
    ("records", "error_ms"),
    [
        ([record(0, "a", 0, None)], 0.0),  # one share starts with itself
        ([record(0, "a", 0, 2.0), record(1, "b", 9, 3.0)], 5.0),  # two clocks: both may be off, in different directions
        ([record(0, "a", 0, 2.0), record(1, "b", 9, None)], None),
        ([record(0, "a", 0, None), record(1, "a", 3_000_000, None)], 3.0),  # one clock: it says so itself
        ([record(0, None, 0, None), record(1, None, 0, None)], None),  # two that do not know their clock are not one
        ([record(0, "a", 0, 2.0), record(1, "b", None, None)], 0.0),  # one that never began
    ],
)
def test_how_far_apart_shares_may_have_begun(records: list[dict[str, Any]], error_ms: float | None) -> None:
    assert start_error_ms(records) == error_ms


def test_a_loss_says_how_much_with_whom_and_what_is_allowed() -> None:
    loss = Loss(0.25, "requests", (2, 3), "node b", 0.01, 12)
    assert str(loss) == "25.00% of the schedule (12 requests) was lost with node b: over the limit of 1.00%"
    assert Loss.from_dict(loss.as_dict()) == loss
    assert not Loss(0.01, "requests", (2,), "node b", 0.01).is_over_limit
