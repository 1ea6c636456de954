import dataclasses

import pytest

from imaxproxy.traces import TraceRow


@pytest.mark.parametrize(
    ("row", "mode"),
    [
        (TraceRow("1", input_length=1, output_length=1), "exact"),
        (TraceRow("1", input_length=1), "natural"),
        (TraceRow("1", body={}, output_length=1), "natural"),
        (TraceRow("1", prompt="", output_length=1), "natural"),
        (TraceRow("1", input_length=1, output_length=1, output_mode="max"), "max"),
    ],
)
def test_output_mode_is_always_resolved(row: TraceRow, mode: str) -> None:
    assert row.output_mode == mode
    assert dataclasses.replace(row, request_id="2").output_mode == mode


def test_wait_is_delay_and_tools() -> None:
    assert TraceRow("1").wait_ms == 0
    assert TraceRow("1", delay_ms=2, tool_wait_ms=3).wait_ms == 5


def test_a_row_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TraceRow("1").turn = 1  # type: ignore[misc]
